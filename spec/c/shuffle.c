/* The shuffle keeps every link, is decided by its seed alone, and prefers no order. */
#include <string.h>

#include "check.h"
#include "base/shuffle.h"

enum { MANY = 1000, FEW = 4, ORDERS = 24, ROUNDS = 24000 };

typedef struct card {
  kio_link link;
  int number;
} card;

static card cards[MANY];

/* Shuffles the numbers below `count` and writes them to `out` in their new order. */
static void shuffle(int count, uint64_t *state, int *out) {
  kio_list list;
  kio_link *link;
  int dealt = 0;
  kio_list_init(&list);
  for (int i = 0; i < count; i++) {
    cards[i].number = i;
    kio_list_push(&list, &cards[i].link);
  }
  kio_shuffle(&list, (size_t)count, state);
  while ((link = kio_list_pop(&list))) out[dealt++] = KIO_CONTAINER(link, card, link)->number;
  CHECK(dealt == count);
}

static void keeps_all(void) {
  for (int count = 0; count < 70; count++) {
    int out[MANY] = {0}, seen[MANY] = {0};
    uint64_t state = (uint64_t)count;
    shuffle(count, &state, out);
    for (int i = 0; i < count; i++) seen[out[i]]++;
    for (int i = 0; i < count; i++) CHECK(seen[i] == 1);
  }
}

static void follows_its_seed(void) {
  static int first[MANY], again[MANY], other[MANY];
  uint64_t a = 7, b = 7, c = 8;
  shuffle(MANY, &a, first);
  shuffle(MANY, &b, again);
  shuffle(MANY, &c, other);
  CHECK(memcmp(first, again, sizeof first) == 0);
  CHECK(memcmp(first, other, sizeof first) != 0);
  shuffle(MANY, &a, again); /* the state has moved on */
  CHECK(memcmp(first, again, sizeof first) != 0);
}

/* The place of an order of four among all 24. */
static int rank_of(const int *order) {
  int rank = 0;
  for (int i = 0; i < FEW; i++) {
    int smaller = 0;
    for (int j = i + 1; j < FEW; j++) smaller += order[j] < order[i];
    rank = rank * (FEW - i) + smaller;
  }
  return rank;
}

/* 1000 of each are to be expected, with a deviation of 31. */
static void prefers_none(void) {
  int seen[ORDERS] = {0}, order[FEW];
  uint64_t state = 1;
  for (int i = 0; i < ROUNDS; i++) {
    shuffle(FEW, &state, order);
    seen[rank_of(order)]++;
  }
  for (int i = 0; i < ORDERS; i++) CHECK(seen[i] > 800 && seen[i] < 1200);
}

int main(void) {
  keeps_all();
  follows_its_seed();
  prefers_none();
  return 0;
}
