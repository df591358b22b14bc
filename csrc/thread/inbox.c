/* Owns the word, the eventfd and the count of references. Invariant: at most one write to the
   eventfd for each time the owner went to sleep, wakes of signal handlers apart. */
#include "thread/inbox.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/number.h"

struct kio_inbox {
  _Atomic(kio_post *) word; /* NULL, ASLEEP, CLOSED, or the newest post */
  _Atomic size_t refs;      /* owner and posters */
  int fd;                   /* the eventfd */
};

static const char marks[2]; /* only their addresses count */
#define ASLEEP ((kio_post *)(uintptr_t)&marks[0])
#define CLOSED ((kio_post *)(uintptr_t)&marks[1])

/* ---- life ---- */

kio_inbox *kio_inbox_new(int *err) {
  kio_inbox *inbox = kio_memory_new(sizeof *inbox);
  *err = -ENOMEM;
  if (!inbox) return NULL;
  inbox->fd =
      kio_number_own(eventfd(0, EFD_CLOEXEC)); /* not O_NONBLOCK: the ring's read must wait */
  *err = inbox->fd < 0 ? -errno : 0;
  if (inbox->fd < 0) {
    kio_memory_free(inbox);
    return NULL;
  }
  atomic_init(&inbox->word, NULL);
  atomic_init(&inbox->refs, 1);
  return inbox;
}

kio_inbox *kio_inbox_ref(kio_inbox *inbox) {
  size_t before = atomic_fetch_add(&inbox->refs, 1);
  kio_assert(before > 0);
  return inbox;
}

void kio_inbox_unref(kio_inbox *inbox) {
  size_t before = inbox ? atomic_fetch_sub(&inbox->refs, 1) : 0;
  kio_assert(!inbox || before > 0);
  if (before != 1) return;
  kio_number_close(inbox->fd);
  kio_memory_free(inbox);
}

int kio_inbox_fd(const kio_inbox *inbox) {
  return inbox->fd;
}

/* ---- posting ---- */

void kio_inbox_wake(kio_inbox *inbox) {
  int saved = errno; /* a signal handler must leave it as it was */
  uint64_t one = 1;  /* it would block at 2^64 - 1, so never */
  ssize_t size = write(inbox->fd, &one, sizeof one);
  kio_assert(size == sizeof one);
  errno = saved;
}

bool kio_inbox_put(kio_inbox *inbox, kio_post *post, bool *asleep) {
  kio_post *head = atomic_load(&inbox->word);
  do {
    *asleep = head == ASLEEP;
    if (head == CLOSED) return false;
    post->next = *asleep ? NULL : head;
  } while (!atomic_compare_exchange_weak(&inbox->word, &head, post));
  return true;
}

bool kio_inbox_post(kio_inbox *inbox, kio_post *post) {
  bool asleep;
  bool taken = kio_inbox_put(inbox, post, &asleep);
  if (!taken) kio_log("a message to a thread that has stopped was refused");
  else if (asleep) kio_inbox_wake(inbox);
  return taken;
}

bool kio_inbox_asleep(kio_inbox *inbox) {
  return atomic_load(&inbox->word) == ASLEEP;
}

bool kio_inbox_rouse(kio_inbox *inbox) {
  kio_post *expected = ASLEEP;
  if (!atomic_compare_exchange_strong(&inbox->word, &expected, NULL)) return false;
  kio_inbox_wake(inbox);
  return true;
}

/* ---- the owner ---- */

static kio_post *oldest_first(kio_post *post) {
  kio_post *first = NULL;
  while (post) {
    kio_post *before = post->next;
    post->next = first;
    first = post;
    post = before;
  }
  return first;
}

bool kio_inbox_has(kio_inbox *inbox) {
  const kio_post *head = atomic_load_explicit(&inbox->word, memory_order_relaxed);
  return head && head != CLOSED && head != ASLEEP;
}

kio_post *kio_inbox_take(kio_inbox *inbox) {
  /* A look costs less than the exchange, and nearly always finds nothing. */
  const kio_post *seen = atomic_load_explicit(&inbox->word, memory_order_relaxed);
  if (!seen || seen == CLOSED) return NULL;
  kio_post *head = atomic_exchange(&inbox->word, NULL);
  kio_assert(head != CLOSED); /* only the owner closes */
  return head == ASLEEP ? NULL : oldest_first(head);
}

bool kio_inbox_sleep(kio_inbox *inbox) {
  kio_post *expected = NULL;
  bool done = atomic_compare_exchange_strong(&inbox->word, &expected, ASLEEP);
  kio_assert(done || expected != CLOSED); /* nothing would wake it */
  return done || expected == ASLEEP;
}

void kio_inbox_close(kio_inbox *inbox) {
  kio_post *head = atomic_exchange(&inbox->word, CLOSED);
  if (head == ASLEEP || head == CLOSED) return;
  for (kio_post *post = oldest_first(head), *next; post; post = next) {
    next = post->next;
    post->drop(post);
  }
}
