/* Owns the ring of parcels and the lists of those who wait. Invariants, under the lock: senders
   wait only while `count` is `capacity` or more, receivers only while it is 0; nobody waits on a
   closed channel. Watchers wait only while nobody could send, or receive, at once. `count` exceeds
   `capacity` only by parcels that were given back. Wakes of other threads happen outside of the
   lock, or they would run into it. A parcel may hold the channel it lies in. Such references are
   counted apart: when all that are left are of that kind nobody can reach the channel any more, and
   it goes. It may take others with it, which lie in its parcels, and those others again: a loop
   over a list of them, for a recursion would be as deep as programs make such chains. */
#include "thread/channel.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/memory.h"

#define OWN ((uint64_t)1 << 32) /* one in the upper half of `refs` */

struct kio_channel {
  pthread_mutex_t lock;
  /* References of Lua states and parcels; in the upper half those of parcels in its own ring. One
     word, so that whoever gives one back sees both at the same moment. */
  _Atomic uint64_t refs;
  size_t capacity;
  kio_parcel *ring;     /* grows up to `capacity`, and beyond only for what is given back */
  size_t room;          /* places in it */
  size_t first;         /* the oldest one's place */
  size_t count;         /* parcels in it */
  kio_list senders;     /* kio_awaiter by link, first come first */
  kio_list receivers;   /* kio_awaiter by link, first come first */
  kio_list watchers[2]; /* kio_awaiter by link: for receiving, for sending */
  kio_channel *dead;    /* the next one in a list of those nobody can reach */
  bool closed;
};

/* ---- life ---- */

kio_channel *kio_channel_new(size_t capacity) {
  kio_assert(capacity > 0);
  kio_channel *channel = kio_memory_new(sizeof *channel);
  if (!channel) return NULL;
  pthread_mutex_init(&channel->lock, NULL);
  atomic_init(&channel->refs, 1);
  channel->capacity = capacity;
  kio_list_init(&channel->senders);
  kio_list_init(&channel->receivers);
  for (int sending = 0; sending < 2; sending++) kio_list_init(&channel->watchers[sending]);
  return channel;
}

void *kio_channel_ref(void *object) {
  kio_channel *channel = object;
  uint64_t before = atomic_fetch_add(&channel->refs, 1);
  kio_assert((uint32_t)before > 0 && (uint32_t)before < UINT32_MAX);
  return channel;
}

/* ---- the ring ---- */

static kio_parcel *place(kio_channel *channel, size_t i) {
  size_t at = channel->first + i;
  return &channel->ring[at < channel->room ? at : at - channel->room];
}

/* Makes room for one more parcel. */
static bool grow(kio_channel *channel) {
  if (channel->count < channel->room) return true;
  size_t room = channel->room < 4 ? 4 : 2 * channel->room;
  kio_parcel *ring = kio_memory_new(room * sizeof *ring);
  if (!ring) return false;
  for (size_t i = 0; i < channel->count; i++) ring[i] = *place(channel, i);
  kio_memory_free(channel->ring);
  channel->ring = ring;
  channel->room = room;
  channel->first = 0;
  return true;
}

/* How often the channel lies in a parcel. */
static uint64_t own_refs(const kio_channel *channel, const kio_parcel *parcel) {
  uint64_t count = 0;
  for (size_t i = 0; i < parcel->beside_count; i++) count += parcel->beside[i].object == channel;
  return count;
}

/* Counts those of a parcel that comes into the ring. */
static void own(kio_channel *channel, const kio_parcel *parcel) {
  if (parcel->beside_count > 0) {
    atomic_fetch_add(&channel->refs, OWN * own_refs(channel, parcel));
  }
}

static void push(kio_channel *channel, const kio_parcel *parcel) {
  kio_assert(channel->count < channel->room);
  own(channel, parcel);
  *place(channel, channel->count++) = *parcel;
}

static void push_front(kio_channel *channel, const kio_parcel *parcel) {
  kio_assert(channel->count < channel->room);
  own(channel, parcel);
  channel->first = (channel->first > 0 ? channel->first : channel->room) - 1;
  channel->count++;
  *place(channel, 0) = *parcel;
}

static kio_parcel pop(kio_channel *channel) {
  kio_assert(channel->count > 0);
  kio_parcel parcel = *place(channel, 0);
  channel->count--;
  channel->first = channel->first + 1 < channel->room ? channel->first + 1 : 0;
  if (parcel.beside_count > 0) {
    atomic_fetch_sub(&channel->refs, OWN * own_refs(channel, &parcel));
  }
  return parcel;
}

/* ---- the end ---- */

/* Gives a reference back; with the last one the channel comes to the front of the list. */
static void lose(kio_channel *channel, kio_channel **dead) {
  uint64_t now = atomic_fetch_sub(&channel->refs, 1) - 1;
  if ((uint32_t)now != now / OWN) return;
  channel->dead = *dead;
  *dead = channel;
}

/* Frees a parcel; the channels in it that go with it join the list. */
static void free_parcel(kio_parcel *parcel, kio_channel **dead) {
  for (size_t i = 0; i < parcel->beside_count; i++) {
    kio_beside *beside = &parcel->beside[i];
    if (beside->drop != kio_channel_unref || !beside->object) continue;
    lose(beside->object, dead);
    beside->object = NULL;
  }
  kio_parcel_free(parcel);
}

static void free_channel(kio_channel *channel, kio_channel **dead) {
  kio_assert(kio_list_empty(&channel->senders) && kio_list_empty(&channel->receivers));
  kio_assert(kio_list_empty(&channel->watchers[0]) && kio_list_empty(&channel->watchers[1]));
  atomic_fetch_add(&channel->refs, 1); /* or the last of its own would free it once more */
  while (channel->count > 0) {
    kio_parcel parcel = pop(channel);
    free_parcel(&parcel, dead);
  }
  kio_memory_free(channel->ring);
  pthread_mutex_destroy(&channel->lock);
  kio_memory_free(channel);
}

void kio_channel_unref(void *channel) {
  kio_channel *dead = NULL;
  lose(channel, &dead);
  while (dead) {
    kio_channel *next = dead;
    dead = next->dead;
    free_channel(next, &dead);
  }
}

/* ---- awaiters ---- */

/* Hands the parcel to the first receiver whose worker still listens; false: there is none. */
static bool hand_over(kio_channel *channel, kio_parcel *parcel, kio_inbox **sleeper) {
  kio_awaiter *receiver;
  while ((receiver = kio_awaiter_pop(&channel->receivers))) {
    receiver->parcel = *parcel;
    if (kio_awaiter_answer(receiver, KIO_ANSWER_DONE, sleeper)) return true;
    receiver->parcel = (kio_parcel){0};
  }
  return false;
}

/* There is room again: lets in what the first sender whose worker still listens has offered. */
static void let_in(kio_channel *channel, kio_inbox **sleeper) {
  kio_awaiter *sender;
  while (channel->count < channel->capacity && (sender = kio_awaiter_pop(&channel->senders))) {
    kio_parcel parcel = sender->parcel;
    sender->parcel = (kio_parcel){0};
    if (kio_awaiter_answer(sender, KIO_ANSWER_DONE, sleeper)) push(channel, &parcel);
    else sender->parcel = parcel;
  }
}

/* ---- watching ---- */

static bool ready(const kio_channel *channel, bool sending) {
  return channel->closed || (sending ? channel->count < channel->capacity : channel->count > 0);
}

/* Who waits does so for a reason. */
static void check_waits(const kio_channel *channel) {
  kio_assert(channel->count <= channel->room);
  kio_assert(kio_list_empty(&channel->senders) || channel->count >= channel->capacity);
  kio_assert(kio_list_empty(&channel->receivers) || channel->count == 0);
  kio_assert(!channel->closed || kio_list_empty(&channel->senders));
  kio_assert(!channel->closed || kio_list_empty(&channel->receivers));
  kio_assert(kio_list_empty(&channel->watchers[0]) || !ready(channel, false));
  kio_assert(kio_list_empty(&channel->watchers[1]) || !ready(channel, true));
}

/* Answers those whose time has come, after a change. */
static void tell_watchers(kio_channel *channel, kio_inbox **sleeper) {
  for (int sending = 0; sending < 2; sending++) {
    kio_list *list = &channel->watchers[sending];
    if (!kio_list_empty(list) && ready(channel, sending)) {
      kio_awaiter_answer_all(list, KIO_ANSWER_DONE, sleeper);
    }
  }
  check_waits(channel);
}

bool kio_channel_ready(kio_channel *channel, bool sending) {
  pthread_mutex_lock(&channel->lock);
  bool is = ready(channel, sending);
  pthread_mutex_unlock(&channel->lock);
  return is;
}

bool kio_channel_watch(kio_channel *channel, bool sending, kio_awaiter *awaiter) {
  pthread_mutex_lock(&channel->lock);
  bool is = ready(channel, sending);
  if (!is) kio_awaiter_list(awaiter, &channel->watchers[sending], &channel->lock);
  pthread_mutex_unlock(&channel->lock);
  return is;
}

/* ---- sending and receiving ---- */

static kio_channel_result send(kio_channel *channel, kio_parcel *parcel, kio_awaiter *awaiter,
                               kio_inbox **sleeper) {
  if (channel->closed) return KIO_CHANNEL_CLOSED;
  if (hand_over(channel, parcel, sleeper)) return KIO_CHANNEL_DONE;
  if (channel->count < channel->capacity) {
    if (!grow(channel)) return KIO_CHANNEL_MEMORY;
    push(channel, parcel);
    return KIO_CHANNEL_DONE;
  }
  if (awaiter) {
    awaiter->parcel = *parcel;
    kio_awaiter_list(awaiter, &channel->senders, &channel->lock);
  }
  return KIO_CHANNEL_WAIT;
}

kio_channel_result kio_channel_send(kio_channel *channel, kio_parcel *parcel,
                                    kio_awaiter *awaiter) {
  kio_inbox *sleeper = NULL;
  pthread_mutex_lock(&channel->lock);
  kio_channel_result result = send(channel, parcel, awaiter, &sleeper);
  tell_watchers(channel, &sleeper);
  pthread_mutex_unlock(&channel->lock);
  kio_awaiter_wake(sleeper);
  return result;
}

static kio_channel_result receive(kio_channel *channel, kio_parcel *parcel, kio_awaiter *awaiter,
                                  kio_inbox **sleeper) {
  if (channel->count > 0) {
    *parcel = pop(channel);
    let_in(channel, sleeper);
    return KIO_CHANNEL_DONE;
  }
  if (channel->closed) return KIO_CHANNEL_CLOSED;
  if (awaiter) kio_awaiter_list(awaiter, &channel->receivers, &channel->lock);
  return KIO_CHANNEL_WAIT;
}

kio_channel_result kio_channel_receive(kio_channel *channel, kio_parcel *parcel,
                                       kio_awaiter *awaiter) {
  kio_inbox *sleeper = NULL;
  pthread_mutex_lock(&channel->lock);
  kio_channel_result result = receive(channel, parcel, awaiter, &sleeper);
  tell_watchers(channel, &sleeper);
  pthread_mutex_unlock(&channel->lock);
  kio_awaiter_wake(sleeper);
  return result;
}

void kio_channel_give_back(void *object, kio_parcel *parcel) {
  kio_channel *channel = object;
  kio_inbox *sleeper = NULL;
  bool kept = true;
  pthread_mutex_lock(&channel->lock);
  if (!hand_over(channel, parcel, &sleeper)) {
    kept = grow(channel);
    if (kept) push_front(channel, parcel);
    tell_watchers(channel, &sleeper);
  }
  pthread_mutex_unlock(&channel->lock);
  kio_awaiter_wake(sleeper);
  if (!kept) kio_parcel_free(parcel); /* memory is out, and with it this parcel */
}

/* ---- closing, looking ---- */

void kio_channel_close(kio_channel *channel) {
  kio_inbox *sleeper = NULL;
  pthread_mutex_lock(&channel->lock);
  channel->closed = true;
  kio_awaiter_answer_all(&channel->senders, KIO_ANSWER_CLOSED, &sleeper);
  kio_awaiter_answer_all(&channel->receivers, KIO_ANSWER_CLOSED, &sleeper);
  tell_watchers(channel, &sleeper);
  pthread_mutex_unlock(&channel->lock);
  kio_awaiter_wake(sleeper);
}

static size_t length(const kio_list *list) {
  size_t count = 0;
  KIO_LIST_EACH(list, link) count++;
  return count;
}

void kio_channel_look(kio_channel *channel, kio_channel_state *state) {
  pthread_mutex_lock(&channel->lock);
  *state =
      (kio_channel_state){.capacity = channel->capacity,
                          .count = channel->count,
                          .sending = length(&channel->senders) + length(&channel->watchers[1]),
                          .receiving = length(&channel->receivers) + length(&channel->watchers[0]),
                          .closed = channel->closed};
  pthread_mutex_unlock(&channel->lock);
}
