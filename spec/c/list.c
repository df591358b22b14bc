/* The list against a plain array: random pushes, pops, and removals from the middle. */
#include "check.h"
#include "base/list.h"

enum { THINGS = 64, STEPS = 200000 };

typedef struct thing {
  kio_link link;
  int number;
} thing;

static thing things[THINGS];
static kio_list list;
static thing *model[THINGS]; /* what the list must hold, in order */
static size_t count;

static void model_remove(size_t at) {
  count--;
  for (size_t i = at; i < count; i++) model[i] = model[i + 1];
}

static void push(thing *t) {
  if (kio_link_linked(&t->link)) return;
  kio_list_push(&list, &t->link);
  model[count++] = t;
}

static void pop(void) {
  kio_link *link = kio_list_pop(&list);
  CHECK((link == NULL) == (count == 0));
  if (!link) return;
  CHECK(KIO_CONTAINER(link, thing, link) == model[0]);
  CHECK(!kio_link_linked(link));
  model_remove(0);
}

static void remove_any(void) {
  if (count == 0) return;
  size_t at = check_below(count);
  kio_link_remove(&model[at]->link);
  model_remove(at);
}

/* Removes each odd one while walking. */
static void remove_odd(void) {
  size_t kept = 0;
  KIO_LIST_EACH(&list, link) {
    if (KIO_CONTAINER(link, thing, link)->number % 2) kio_link_remove(link);
  }
  for (size_t i = 0; i < count; i++) {
    if (model[i]->number % 2 == 0) model[kept++] = model[i];
  }
  count = kept;
}

static void compare(void) {
  size_t i = 0;
  KIO_LIST_EACH(&list, link) {
    CHECK(i < count && KIO_CONTAINER(link, thing, link) == model[i]);
    CHECK(kio_link_linked(link));
    i++;
  }
  CHECK(i == count);
  CHECK(kio_list_empty(&list) == (count == 0));
  CHECK(kio_list_first(&list) == (count ? &model[0]->link : NULL));
}

int main(void) {
  kio_list_init(&list);
  for (int i = 0; i < THINGS; i++) things[i].number = i;
  for (int step = 0; step < STEPS; step++) {
    size_t dice = check_below(100);
    if (dice < 50) push(&things[check_below(THINGS)]);
    else if (dice < 75) pop();
    else if (dice < 99) remove_any();
    else remove_odd();
    compare();
  }
  return 0;
}
