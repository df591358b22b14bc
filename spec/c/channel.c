/* A channel without Lua: what happens to a parcel whose receiver's worker listens no more, who is
   woken and when, and when a channel that lies in itself goes. */
#include "thread/channel.h"
#include "check.h"
#include "base/memory.h"

enum { STEPS = 200000, PEOPLE = 12 };

static kio_parcel parcel_of(uint64_t number) {
  kio_parcel parcel = {.size = (size_t)number};
  parcel.data = kio_memory_new(1);
  CHECK(parcel.data);
  return parcel;
}

static void unref_channel(void *object) {
  kio_channel_unref(object);
}

/* A parcel in which a channel lies. */
static kio_parcel parcel_with(kio_channel *channel) {
  kio_parcel parcel = parcel_of(1);
  parcel.beside = kio_memory_new(sizeof *parcel.beside);
  CHECK(parcel.beside);
  parcel.beside_count = 1;
  *parcel.beside = (kio_beside){.object = kio_channel_ref(channel), .drop = unref_channel};
  return parcel;
}

static void arrive(kio_post *post, void *sched) {
  kio_awaiter *awaiter = KIO_CONTAINER(post, kio_awaiter, post);
  (void)sched;
  CHECK(awaiter->answer != KIO_ANSWER_NONE);
}

static void drop(kio_post *post) {
  arrive(post, NULL);
}

static kio_inbox *new_inbox(void) {
  int err;
  kio_inbox *inbox = kio_inbox_new(&err);
  CHECK(inbox);
  return inbox;
}

static kio_awaiter awaiter_of(kio_inbox *inbox) {
  return (kio_awaiter){.post = {.arrive = arrive, .drop = drop}, .inbox = inbox};
}

/* How many posts are in the inbox. */
static size_t take_all(kio_inbox *inbox) {
  size_t count = 0;
  for (kio_post *post = kio_inbox_take(inbox), *next; post; post = next, count++) {
    next = post->next;
    post->arrive(post, NULL);
  }
  return count;
}

static uint64_t number_of(kio_parcel *parcel) {
  uint64_t number = parcel->size;
  kio_parcel_free(parcel);
  return number;
}

static uint64_t receive(kio_channel *channel) {
  kio_parcel parcel;
  CHECK(kio_channel_receive(channel, &parcel, NULL) == KIO_CHANNEL_DONE);
  return number_of(&parcel);
}

/* A receiver that cannot be told is passed over. */
static void dead_receivers(void) {
  kio_channel *channel = kio_channel_new(1);
  kio_inbox *dead = new_inbox(), *living = new_inbox();
  kio_awaiter waiting[3] = {awaiter_of(dead), awaiter_of(living), awaiter_of(dead)};
  kio_parcel parcel;
  for (int i = 0; i < 3; i++) {
    CHECK(kio_channel_receive(channel, &parcel, &waiting[i]) == KIO_CHANNEL_WAIT);
  }
  kio_inbox_close(dead);
  for (uint64_t n = 1; n <= 2; n++) {
    parcel = parcel_of(n);
    CHECK(kio_channel_send(channel, &parcel, NULL) == KIO_CHANNEL_DONE);
  }
  CHECK(take_all(living) == 1 && number_of(&waiting[1].parcel) == 1);
  for (int i = 0; i < 3; i++) CHECK(kio_awaiter_leave(&waiting[i]) == (i != 1));
  CHECK(receive(channel) == 2); /* the last one could not be told either */
  kio_inbox_unref(dead);
  kio_inbox_unref(living);
  kio_channel_unref(channel);
}

/* Nobody has what a sender has offered that cannot be told that it was taken. */
static void dead_senders(void) {
  kio_channel *channel = kio_channel_new(1);
  kio_inbox *dead = new_inbox(), *living = new_inbox();
  kio_awaiter waiting[2] = {awaiter_of(dead), awaiter_of(living)};
  kio_parcel parcel = parcel_of(1);
  CHECK(kio_channel_send(channel, &parcel, NULL) == KIO_CHANNEL_DONE);
  for (uint64_t n = 0; n < 2; n++) {
    parcel = parcel_of(n + 2);
    CHECK(kio_channel_send(channel, &parcel, &waiting[n]) == KIO_CHANNEL_WAIT);
  }
  kio_inbox_close(dead);
  CHECK(receive(channel) == 1 && receive(channel) == 3);
  CHECK(kio_awaiter_leave(&waiting[0]) && number_of(&waiting[0].parcel) == 2);
  CHECK(take_all(living) == 1 && !kio_awaiter_leave(&waiting[1]));
  kio_inbox_unref(dead);
  kio_inbox_unref(living);
  kio_channel_unref(channel);
}

/* What is given back is the oldest again, also in a channel that is full or closed. */
static void given_back(void) {
  kio_channel *channel = kio_channel_new(2);
  kio_parcel parcel;
  for (uint64_t n = 1; n <= 4; n++) {
    parcel = parcel_of(n + 10);
    CHECK(kio_channel_send(channel, &parcel, NULL) ==
          (n > 2 ? KIO_CHANNEL_WAIT : KIO_CHANNEL_DONE));
    if (n > 2) kio_parcel_free(&parcel);
  }
  for (uint64_t n = 1; n <= 9; n++) {
    parcel = parcel_of(10 - n);
    kio_channel_give_back(channel, &parcel);
  }
  kio_channel_close(channel);
  for (uint64_t n = 1; n <= 9; n++) CHECK(receive(channel) == n);
  CHECK(receive(channel) == 11 && receive(channel) == 12);
  CHECK(kio_channel_receive(channel, &parcel, NULL) == KIO_CHANNEL_CLOSED);
  kio_channel_unref(channel);
}

/* Only who lies in a parcel elsewhere, or in somebody's hand, keeps a channel alive. */
static void in_itself(void) {
  long before = kio_memory_live();
  for (int kept = 0; kept < 2; kept++) {
    kio_channel *channel = kio_channel_new(4);
    kio_parcel parcel;
    for (int i = 0; i < 3; i++) {
      parcel = parcel_with(channel);
      CHECK(kio_channel_send(channel, &parcel, NULL) == KIO_CHANNEL_DONE);
    }
    if (kept) {
      CHECK(kio_channel_receive(channel, &parcel, NULL) == KIO_CHANNEL_DONE);
      kio_channel_unref(channel);
      CHECK(kio_memory_live() > before);
      kio_parcel_free(&parcel);
    } else {
      kio_channel_unref(channel);
    }
    CHECK(kio_memory_live() == before);
  }
}

/* All watchers are told when there is something to do, and those who have left are not. */
static void watchers(void) {
  kio_channel *channel = kio_channel_new(1);
  kio_inbox *dead = new_inbox(), *living = new_inbox();
  kio_awaiter w[6];
  kio_parcel parcel = parcel_of(1);
  for (int i = 0; i < 6; i++) w[i] = awaiter_of(i == 2 ? dead : living);
  CHECK(kio_channel_ready(channel, true) && !kio_channel_ready(channel, false));
  CHECK(kio_channel_watch(channel, true, &w[0]));
  for (int i = 0; i < 3; i++) CHECK(!kio_channel_watch(channel, false, &w[i]));
  kio_inbox_close(dead);
  CHECK(kio_channel_send(channel, &parcel, NULL) == KIO_CHANNEL_DONE);
  CHECK(take_all(living) == 2 && !kio_awaiter_leave(&w[0]));
  CHECK(kio_awaiter_leave(&w[2]) && kio_channel_watch(channel, false, &w[3]));
  CHECK(!kio_channel_watch(channel, true, &w[3]) && !kio_channel_watch(channel, true, &w[4]));
  CHECK(kio_awaiter_leave(&w[3]));
  CHECK(receive(channel) == 1 && take_all(living) == 1);
  CHECK(!kio_channel_watch(channel, false, &w[3]));
  parcel = parcel_of(2);
  kio_channel_give_back(channel, &parcel);
  CHECK(take_all(living) == 1 && receive(channel) == 2);
  CHECK(!kio_channel_watch(channel, false, &w[5]));
  kio_channel_close(channel);
  CHECK(take_all(living) == 1);
  CHECK(kio_channel_ready(channel, true) && kio_channel_ready(channel, false));
  kio_inbox_unref(dead);
  kio_inbox_unref(living);
  kio_channel_unref(channel);
}

/* ---- a model ---- */

typedef struct person {
  kio_awaiter awaiter;
  uint64_t number; /* what it offers; 0: it receives */
  bool waits;      /* as the model sees it */
} person;

static kio_channel *channel;
static kio_inbox *inbox;
static person people[PEOPLE];
static uint64_t sent, received; /* numbers are sent 1, 2, 3 ... by whoever has its turn */
static uint64_t sum_sent, sum_received;

static void note(kio_parcel *parcel) {
  sum_received += number_of(parcel);
  received++;
}

static void begin_send(person *p) {
  kio_parcel parcel = parcel_of(++sent);
  p->awaiter = awaiter_of(inbox);
  p->number = sent;
  sum_sent += sent;
  p->waits = kio_channel_send(channel, &parcel, &p->awaiter) == KIO_CHANNEL_WAIT;
}

static void begin_receive(person *p) {
  kio_parcel parcel;
  p->awaiter = awaiter_of(inbox);
  p->number = 0;
  p->waits = kio_channel_receive(channel, &parcel, &p->awaiter) == KIO_CHANNEL_WAIT;
  if (!p->waits) note(&parcel);
}

/* It gives up, or finds that it was answered. */
static void give_up(person *p) {
  if (!p->waits) return;
  bool left = kio_awaiter_leave(&p->awaiter);
  p->waits = !left;
  if (!left || p->number == 0) return;
  CHECK(p->awaiter.parcel.size == p->number);
  kio_parcel_free(&p->awaiter.parcel);
  sum_sent -= p->number;
  sent--;
}

/* Whatever was answered has what it waited for. */
static void hear(void) {
  take_all(inbox);
  for (size_t i = 0; i < PEOPLE; i++) {
    person *p = &people[i];
    if (!p->waits || p->awaiter.answer == KIO_ANSWER_NONE) continue;
    CHECK(p->awaiter.answer == KIO_ANSWER_DONE);
    p->waits = false;
    if (p->number == 0) note(&p->awaiter.parcel);
    else CHECK(p->awaiter.parcel.size == 0);
  }
}

static void at_random(size_t capacity) {
  channel = kio_channel_new(capacity);
  inbox = new_inbox();
  sent = received = sum_sent = sum_received = 0;
  for (int step = 0; step < STEPS; step++) {
    person *p = &people[check_below(PEOPLE)];
    if (check_below(4) == 0) give_up(p);
    else if (check_below(4) == 0) hear();
    else if (!p->waits && check_below(2)) begin_send(p);
    else if (!p->waits) begin_receive(p);
  }
  hear();
  for (size_t i = 0; i < PEOPLE; i++) give_up(&people[i]);
  kio_channel_state state;
  kio_channel_look(channel, &state);
  CHECK(state.sending == 0 && state.receiving == 0 && state.count <= capacity);
  for (size_t i = 0; i < state.count; i++) {
    kio_parcel parcel;
    CHECK(kio_channel_receive(channel, &parcel, NULL) == KIO_CHANNEL_DONE);
    note(&parcel);
  }
  CHECK(sent == received && sum_sent == sum_received && sent > STEPS / 20);
  kio_inbox_unref(inbox);
  kio_channel_unref(channel);
}

int main(void) {
  dead_receivers();
  dead_senders();
  given_back();
  in_itself();
  watchers();
  at_random(1);
  at_random(5);
  CHECK(kio_memory_live() == 0);
  return 0;
}
