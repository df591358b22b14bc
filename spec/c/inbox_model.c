/* The protocol of csrc/thread/inbox.h as a model: two posters with two posts each, somebody who
   makes an offer and rouses, and an owner that takes, falls asleep, is woken, wakes by itself, and
   closes. Every interleaving of their atomic steps is visited once. In no state may the owner sleep
   while a post or an offer waits and no wake is on its way; there is never more than one wake for
   each sleep; when all is over each post has been received (in its sender's order), dropped or
   refused, once. Then the protocol is broken in one place after the other, and the same search must
   find it. */
#include <stdbool.h>
#include <string.h>

#include "check.h"

enum { POSTERS = 2, POSTS = 2, ALL = POSTERS * POSTS, BY_ITSELF = 2 };

typedef enum word { EMPTY, ASLEEP, CLOSED, HOLDS } word;
typedef enum fate { UNSENT, WAITS, RECEIVED, DROPPED, REFUSED } fate;
typedef enum step { LOOK, SWAP, WAKE, OVER } step;                   /* of a poster */
typedef enum place { TAKE, OFFER, SLEEP, RECHECK, WAIT, END } place; /* of the owner */

typedef enum breakage {
  NOTHING,
  SLEEP_BLINDLY,     /* the owner stores ASLEEP, whatever is there */
  WAKE_FIRST,        /* a poster wakes before it posts */
  WAKE_NEVER,        /* the one that replaces ASLEEP does not wake */
  WAKE_ALWAYS,       /* every poster wakes */
  POST_BLINDLY,      /* a poster stores its post, whatever came between */
  CLOSE_BLINDLY,     /* closing forgets what was posted */
  NO_RECHECK,        /* the owner does not look for an offer again once it is ASLEEP */
  TAKE_NEWEST_FIRST, /* what is taken is told in the order of the list */
  BREAKAGES
} breakage;

typedef struct state {
  uint8_t word, held, stack[ALL]; /* the posts, oldest first */
  uint8_t step[POSTERS], sent[POSTERS], seen[POSTERS], seen_held[POSTERS];
  uint8_t rouser, offer; /* its step; an offer waits */
  uint8_t place, by_itself, sleeps, writes, eventfd;
  uint8_t fates[ALL], last[POSTERS]; /* by sender: posts received */
} state;

static breakage broken;
static const char *wrong; /* what the search has found */

/* ---- the states seen ---- */

enum { TABLE = 1 << 22 };
static state table[TABLE];
static bool used[TABLE];
static long visited;

static bool is_new(const state *s) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < sizeof *s; i++) hash = (hash ^ ((const uint8_t *)s)[i]) * 1099511628211u;
  size_t at = (size_t)(hash >> 20) % TABLE;
  while (used[at] && memcmp(&table[at], s, sizeof *s) != 0) at = (at + 1) % TABLE;
  if (used[at]) return false;
  used[at] = true;
  table[at] = *s;
  visited++;
  CHECK(visited < TABLE * 3 / 4);
  return true;
}

/* ---- posts ---- */

static void settle(state *s, unsigned post, fate now) {
  fate before = s->fates[post];
  bool may = now == RECEIVED || now == DROPPED ? before == WAITS : before == UNSENT;
  if (!may) wrong = "a post has two fates";
  s->fates[post] = (uint8_t)now;
}

static void receive(state *s, unsigned post) {
  unsigned sender = post / POSTS, number = post % POSTS;
  settle(s, post, RECEIVED);
  if (number != s->last[sender]) wrong = "posts of one sender in another order";
  s->last[sender] = (uint8_t)(number + 1);
}

static void empty_word(state *s, word now, bool drop) {
  bool forget = now == CLOSED && broken == CLOSE_BLINDLY;
  for (unsigned i = 0; i < s->held && !forget; i++) {
    unsigned at = broken == TAKE_NEWEST_FIRST ? s->held - 1 - i : i;
    if (drop) settle(s, s->stack[at], DROPPED);
    else receive(s, s->stack[at]);
  }
  memset(s->stack, 0, sizeof s->stack);
  s->held = 0;
  s->word = (uint8_t)now;
}

static void write_eventfd(state *s) {
  s->eventfd++;
  if (++s->writes > s->sleeps) wrong = "more wakes than sleeps";
}

/* ---- steps: each is one atomic action ---- */

static void next_post(state *s, unsigned p) {
  s->seen[p] = s->seen_held[p] = 0;
  s->step[p] = ++s->sent[p] < POSTS ? LOOK : OVER;
}

static void look(state *s, unsigned p) {
  s->seen[p] = s->word;
  s->seen_held[p] = s->held;
  if (s->word != CLOSED) {
    s->step[p] = SWAP;
    if (broken == WAKE_FIRST && s->word == ASLEEP) write_eventfd(s);
    return;
  }
  settle(s, p * POSTS + s->sent[p], REFUSED);
  next_post(s, p);
}

/* The compare and swap. (That another list of the same length may stand there changes nothing: the
   post is linked to what is there then.) */
static void swap(state *s, unsigned p) {
  bool same = s->word == s->seen[p] && s->held == s->seen_held[p];
  if (!same && broken != POST_BLINDLY) {
    s->step[p] = LOOK;
    return;
  }
  bool wakes = s->seen[p] == ASLEEP && broken != WAKE_FIRST && broken != WAKE_NEVER;
  settle(s, p * POSTS + s->sent[p], WAITS);
  s->word = HOLDS;
  s->stack[s->held++] = (uint8_t)(p * POSTS + s->sent[p]);
  if (wakes || broken == WAKE_ALWAYS) s->step[p] = WAKE;
  else next_post(s, p);
}

static void poster(state *s, unsigned p) {
  switch (s->step[p]) {
  case LOOK: look(s, p); break;
  case SWAP: swap(s, p); break;
  default: write_eventfd(s), next_post(s, p);
  }
}

static void rouser(state *s) {
  switch (s->rouser) {
  case LOOK:
    s->offer = 1;
    s->rouser = SWAP;
    break;
  case SWAP:
    s->rouser = s->word == ASLEEP ? WAKE : OVER;
    if (s->word == ASLEEP) s->word = EMPTY;
    break;
  default: write_eventfd(s), s->rouser = OVER;
  }
}

static void fall_asleep(state *s) {
  bool blindly = broken == SLEEP_BLINDLY && s->word == HOLDS;
  s->place = TAKE;
  if (s->word != EMPTY && !blindly) return;
  memset(s->stack, 0, sizeof s->stack);
  s->held = 0;
  s->word = ASLEEP;
  s->sleeps++;
  s->place = broken == NO_RECHECK ? WAIT : RECHECK;
}

static void owner(state *s) {
  switch (s->place) {
  case TAKE: empty_word(s, EMPTY, false), s->place = OFFER; break;
  case OFFER: s->offer = 0, s->place = SLEEP; break;
  case SLEEP: fall_asleep(s); break;
  case RECHECK: s->place = s->offer ? TAKE : WAIT; break;
  default: s->eventfd = 0, s->place = TAKE; /* WAIT: only when it is readable */
  }
}

/* ---- the search ---- */

static void check_asleep(const state *s) {
  bool coming = s->eventfd > 0 || s->rouser == WAKE;
  for (unsigned p = 0; p < POSTERS; p++) coming |= s->step[p] == WAKE;
  bool offer = s->offer && s->rouser == OVER; /* before, its swap is to come */
  if (s->place == WAIT && (s->word == HOLDS || offer) && !coming) wrong = "a lost wake";
}

static void check_end(const state *s) {
  bool over = s->rouser == OVER && (s->place == END || s->place == WAIT);
  for (unsigned p = 0; p < POSTERS; p++) over &= s->step[p] == OVER;
  if (!over) wrong = "it hangs";
  for (unsigned i = 0; i < ALL; i++) {
    if (s->fates[i] == UNSENT || s->fates[i] == WAITS) wrong = "a post is lost";
  }
}

static void visit(const state *s);

static void go(const state *from, void (*act)(state *s, unsigned p), unsigned p) {
  state s = *from;
  act(&s, p);
  if (!wrong) visit(&s);
}

static void act_rouser(state *s, unsigned p) {
  (void)p;
  rouser(s);
}
static void act_owner(state *s, unsigned p) {
  (void)p;
  owner(s);
}
static void act_by_itself(state *s, unsigned p) {
  (void)p;
  s->by_itself++;
  s->place = TAKE;
}
static void act_close(state *s, unsigned p) {
  (void)p;
  empty_word(s, CLOSED, true);
  s->place = END;
}

static void visit(const state *s) {
  bool stuck = true;
  if (wrong || !is_new(s)) return;
  check_asleep(s);
  for (unsigned p = 0; p < POSTERS; p++) {
    if (s->step[p] != OVER) go(s, poster, p), stuck = false;
  }
  if (s->rouser != OVER) go(s, act_rouser, 0), stuck = false;
  if (s->place != END && (s->place != WAIT || s->eventfd > 0)) go(s, act_owner, 0), stuck = false;
  if (s->place == WAIT && s->by_itself < BY_ITSELF) go(s, act_by_itself, 0), stuck = false;
  if (s->place == TAKE) go(s, act_close, 0);
  if (stuck && !wrong) check_end(s);
}

static const char *search(breakage what) {
  state first;
  memset(&first, 0, sizeof first);
  memset(used, 0, sizeof used);
  visited = 0;
  broken = what;
  wrong = NULL;
  visit(&first);
  return wrong;
}

int main(void) {
  const char *found = search(NOTHING);
  if (found) fprintf(stderr, "the protocol: %s\n", found);
  CHECK(!found);
  printf("%ld states\n", visited);
  CHECK(visited > 10000);
  for (breakage b = NOTHING + 1; b < BREAKAGES; b++) {
    found = search(b);
    printf("breakage %d: %s after %ld states\n", (int)b, found ? found : "not found", visited);
    CHECK(found);
  }
  return 0;
}
