/* timeout: 200 */
/* flavours: test asan tsan */
/* Two million posts from one to four threads to a receiver that falls asleep at random: none is
   lost or comes twice, each sender's come in order, no wake is missing (the receiver would sleep
   for ever: it gives up), and there are no more wakes than sleeps. Then closing in the midst of it:
   each post is received, dropped or refused. Fewer under sanitizers; ten million with
   KIO_FULL=1. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "thread/inbox.h"
#include "base/memory.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { TOTAL = 100000, ENDS = 50 };
#else
enum { TOTAL = 500000, ENDS = 500 };
#endif
enum { FULL = 2500000, SENDERS = 4, WINDOW = 64, PATIENCE_MS = 30000 };

typedef struct letter {
  kio_post post;
  unsigned sender;
  unsigned number;
} letter;

typedef struct sender {
  letter letters[WINDOW]; /* used again once received */
  kio_inbox *inbox;
  unsigned index;
  unsigned count;       /* to be posted */
  unsigned refused;     /* the inbox was closed */
  atomic_uint received; /* so many are free again */
  unsigned expected;    /* of the receiver: the next number */
  unsigned dropped;     /* of the receiver */
} sender;

static sender senders[SENDERS];
static unsigned long sleeps, wakes;

/* ---- senders ---- */

static void arrive(kio_post *post, void *sched) {
  letter *l = (letter *)(void *)post;
  sender *s = &senders[l->sender];
  (void)sched;
  CHECK(l->number == s->expected);
  s->expected++;
  atomic_fetch_add(&s->received, 1);
}

static void drop(kio_post *post) {
  letter *l = (letter *)(void *)post;
  sender *s = &senders[l->sender];
  CHECK(l->number == s->expected + s->dropped);
  s->dropped++;
}

static void *send_all(void *arg) {
  sender *s = arg;
  for (unsigned i = 0; i < s->count; i++) {
    while (i - atomic_load(&s->received) >= WINDOW) {
      if (kio_inbox_rouse(s->inbox)) continue; /* harmless: it has posts, or none are on the way */
      sched_yield();
    }
    letter *l = &s->letters[i % WINDOW];
    *l = (letter){{NULL, arrive, drop}, s->index, i};
    if (kio_inbox_post(s->inbox, &l->post)) continue;
    s->refused = s->count - i;
    break;
  }
  kio_inbox_unref(s->inbox);
  return NULL;
}

static void start(kio_inbox *inbox, unsigned n, unsigned count, pthread_t threads[SENDERS]) {
  memset(senders, 0, sizeof senders);
  for (unsigned i = 0; i < n; i++) {
    senders[i].inbox = kio_inbox_ref(inbox);
    senders[i].index = i;
    senders[i].count = count;
    CHECK(pthread_create(&threads[i], NULL, send_all, &senders[i]) == 0);
  }
}

/* ---- the receiver ---- */

static void take(kio_inbox *inbox) {
  kio_post *post = kio_inbox_take(inbox);
  while (post) {
    kio_post *next = post->next;
    post->arrive(post, NULL);
    post = next;
  }
}

static void sleep_or_not(kio_inbox *inbox) {
  uint64_t count;
  struct pollfd look = {kio_inbox_fd(inbox), POLLIN, 0};
  if (check_below(4) == 0) return; /* looks again instead */
  if (!kio_inbox_sleep(inbox)) return;
  sleeps++;
  bool by_itself = check_below(8) == 0; /* something else ends the wait */
  int ready = poll(&look, 1, by_itself ? 0 : PATIENCE_MS);
  CHECK(ready == 1 || by_itself); /* else a wake was lost */
  if (ready < 1) return;
  CHECK(read(look.fd, &count, sizeof count) == sizeof count);
  wakes += count;
}

static unsigned long received(unsigned n) {
  unsigned long sum = 0;
  for (unsigned i = 0; i < n; i++) sum += senders[i].expected;
  return sum;
}

static void post_from(unsigned n) {
  int err;
  pthread_t threads[SENDERS];
  unsigned each = (getenv("KIO_FULL") ? FULL : TOTAL) / n;
  kio_inbox *inbox = kio_inbox_new(&err);
  CHECK(inbox);
  sleeps = wakes = 0;
  start(inbox, n, each, threads);
  while (received(n) < (unsigned long)each * n) {
    sleep_or_not(inbox);
    take(inbox);
  }
  for (unsigned i = 0; i < n; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(!kio_inbox_take(inbox));
  CHECK(wakes <= sleeps);
  printf("%u senders, %u posts: %lu sleeps, %lu wakes\n", n, each * n, sleeps, wakes);
  kio_inbox_close(inbox);
  kio_inbox_unref(inbox);
}

static void close_amidst(unsigned n) {
  int err;
  pthread_t threads[SENDERS];
  kio_inbox *inbox = kio_inbox_new(&err);
  CHECK(inbox);
  start(inbox, n, WINDOW, threads);
  for (size_t turns = check_below(20); turns > 0; turns--) {
    take(inbox);
    sched_yield();
  }
  if (check_below(2)) kio_inbox_sleep(inbox);
  kio_inbox_close(inbox);
  kio_inbox_close(inbox);
  CHECK(!kio_inbox_take(inbox) && !kio_inbox_has(inbox));
  kio_inbox_unref(inbox);
  for (unsigned i = 0; i < n; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(senders[i].expected + senders[i].dropped + senders[i].refused == WINDOW);
  }
}

int main(void) {
  for (unsigned n = 1; n <= SENDERS; n++) post_from(n);
  for (unsigned i = 0; i < ENDS; i++) close_amidst(1 + i % SENDERS);
  CHECK(kio_memory_live() == 0);
  return 0;
}
