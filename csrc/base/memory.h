/* C memory: one door, so that test builds can count it and make the n-th allocation fail. */
#ifndef KIO_BASE_MEMORY_H
#define KIO_BASE_MEMORY_H

#include "base/base.h"

/* All of these may be called from any thread. A NULL result means out of memory. */
void *kio_memory_new(size_t size);               /* zeroed */
void *kio_memory_resize(void *ptr, size_t size); /* as realloc; the old block stays on failure */
void *kio_memory_pages(size_t size);             /* zeroed; a page or more begins at a page */
void kio_memory_free(void *ptr);                 /* NULL is allowed */
/* Makes the growing list whose pointer is at `list` have room for `more` items behind `used` ones,
   of `each` bytes; *room counts items. False leaves it as it is. */
bool kio_memory_reserve(void *list, size_t *room, size_t used, size_t more, size_t each);

#ifdef KIO_TEST
/* Test builds, calling thread only: the n-th allocation from now fails (0: none does). */
void kio_memory_fail_at(long n);
/* How many have failed since the last kio_memory_fail_at. */
long kio_memory_failures(void);
/* Blocks allocated and not yet freed, by any thread. */
long kio_memory_live(void);
#endif

#endif
