/* A doubly linked list whose links live inside the things listed: no allocation, O(1) removal.
   A link is in at most one list; an unlinked one has next == NULL. */
#ifndef KIO_BASE_LIST_H
#define KIO_BASE_LIST_H

#include "base/base.h"

typedef struct kio_link {
  struct kio_link *next;
  struct kio_link *prev;
} kio_link;

typedef struct kio_list {
  kio_link head; /* head.next is the first, head.prev the last; points to itself when empty */
} kio_list;

static inline void kio_list_init(kio_list *list) {
  list->head.next = list->head.prev = &list->head;
}

static inline bool kio_list_empty(const kio_list *list) {
  return list->head.next == &list->head;
}

static inline bool kio_link_linked(const kio_link *link) {
  return link->next != NULL;
}

static inline void kio_list_push(kio_list *list, kio_link *link) {
  kio_assert(!kio_link_linked(link));
  link->prev = list->head.prev;
  link->next = &list->head;
  link->prev->next = link;
  list->head.prev = link;
}

/* Pushes at the front: it will be popped next. */
static inline void kio_list_push_front(kio_list *list, kio_link *link) {
  kio_assert(!kio_link_linked(link));
  link->next = list->head.next;
  link->prev = &list->head;
  link->next->prev = link;
  list->head.next = link;
}

static inline void kio_link_remove(kio_link *link) {
  kio_assert(kio_link_linked(link));
  link->prev->next = link->next;
  link->next->prev = link->prev;
  link->next = link->prev = NULL;
}

static inline kio_link *kio_list_first(const kio_list *list) {
  return kio_list_empty(list) ? NULL : list->head.next;
}

static inline kio_link *kio_list_pop(kio_list *list) {
  kio_link *first = list->head.next, *second = first->next;
  if (first == &list->head) return NULL;
  kio_assert(second);
  list->head.next = second;
  second->prev = &list->head;
  first->next = first->prev = NULL;
  return first;
}

#ifdef KIO_TEST
/* How many are in it; each knows both its neighbours. */
static inline size_t kio_list_verify(const kio_list *list) {
  size_t count = 0;
  for (const kio_link *link = list->head.next; link != &list->head; link = link->next, count++) {
    kio_assert(link->next && link->next->prev == link && link->prev->next == link);
  }
  return count;
}
#endif

/* Walks a list; the body may remove `link` itself but nothing else. */
#define KIO_LIST_EACH(list, link)                                                            \
  for (kio_link *link = (list)->head.next, *link##_next = link->next; link != &(list)->head; \
       link = link##_next, link##_next = link->next)

#endif
