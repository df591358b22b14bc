/* Buffers the kernel reads and writes. Sizes are powers of two times KIO_BUFFER_MIN up to
   KIO_BUFFER_MAX, kept in a small cache when given back; larger ones are exact and never cached.
   Test builds put what is given back into a quarantine, filled with a poison: a byte changed there
   is a kernel write after the last completion, which neither ASan nor valgrind can see. */
#ifndef KIO_RING_BUFFER_H
#define KIO_RING_BUFFER_H

#include "base/base.h"
#include "base/config.h"

#define KIO_BUFFER_SPARE 1   /* more of them lie behind each: for the zero that ends a string */
#define KIO_BUFFER_CLASSES 7 /* 4 KiB, 8 KiB, ... 256 KiB */

#ifdef KIO_TEST
enum { KIO_BUFFER_WATCHED = 1 }; /* each one given back goes through the quarantine */
#else
enum { KIO_BUFFER_WATCHED = 0 };
#endif

typedef struct kio_buffer {
  char *data;  /* NULL: no buffer */
  size_t size; /* bytes at data */
} kio_buffer;

typedef struct kio_buffers {
  kio_buffer cache[KIO_BUFFER_CLASSES][KIO_BUFFER_CACHE]; /* ready for reuse, by size class */
  unsigned cached[KIO_BUFFER_CLASSES];                    /* how many of each */
  size_t taken;                                           /* buffers taken and not given back */
#ifdef KIO_TEST
  kio_buffer quarantine[KIO_QUARANTINE]; /* a ring of poisoned buffers */
  unsigned quarantine_next;              /* the oldest, replaced next */
  unsigned long violations;              /* poisoned buffers found changed */
#endif
} kio_buffers;

/* One set of buffers belongs to one scheduler and is used by its thread only. */
void kio_buffers_init(kio_buffers *set);
/* Frees what is cached. Taken buffers stay with their owners, who free them by kio_buffer_drop. */
void kio_buffers_fini(kio_buffers *set);
/* kio_buffer_take for any size, also when the cache is empty. */
kio_buffer kio_buffer_find(kio_buffers *set, size_t size);
/* A buffer of at least `size` bytes; data is NULL when memory is out. */
static inline kio_buffer kio_buffer_take(kio_buffers *set, size_t size) {
  if (size > KIO_BUFFER_MIN || set->cached[0] == 0) return kio_buffer_find(set, size);
  set->taken++;
  return set->cache[0][--set->cached[0]];
}
/* kio_buffer_give for any with data. */
void kio_buffer_put(kio_buffers *set, kio_buffer buffer);
/* Gives a buffer back; one without data is allowed. No request may use it any more. */
static inline void kio_buffer_give(kio_buffers *set, kio_buffer buffer) {
  bool least = buffer.size == KIO_BUFFER_MIN && !KIO_BUFFER_WATCHED;
  if (!buffer.data) return;
  if (least && set->cached[0] < KIO_BUFFER_CACHE) {
    kio_assert(set->taken > 0);
    set->taken--;
    set->cache[0][set->cached[0]++] = buffer;
  } else {
    kio_buffer_put(set, buffer);
  }
}
/* A buffer that was taken is the set's no longer: whoever has it frees it by kio_buffer_drop. */
static inline void kio_buffer_leave(kio_buffers *set, kio_buffer buffer) {
  kio_assert(buffer.data && set->taken > 0);
  set->taken--;
}
/* Frees a buffer that is no set's, or whose set is gone. */
void kio_buffer_drop(kio_buffer buffer);
/* Frees memory that was never taken from the set, in test builds through its quarantine. The set
   may be NULL. */
void kio_buffer_retire(kio_buffers *set, kio_buffer buffer);
#ifdef KIO_TEST
/* What is cached is of its class's size, and nothing in quarantine was found changed. */
void kio_buffers_verify(const kio_buffers *set);
#endif

#endif
