/* A block: bytes that a program keeps outside of Lua's memory, for the kernel to read and write.
   It has a reference count: of the Lua values that see it and the requests that use it. The last
   reference frees it, so a request that outlives every Lua value still has its memory.
   It belongs to one thread. With one holder and no request it may change threads. */
#ifndef KIO_RING_BLOCK_H
#define KIO_RING_BLOCK_H

#include "ring/buffer.h"

typedef struct kio_block {
  char *data;       /* of 4 KiB or more: begins at a page */
  size_t size;      /* bytes at data; never changes */
  size_t holders;   /* who sees it, requests included */
  unsigned readers; /* requests that read it */
  bool written;     /* one request writes it: nobody else may look */
} kio_block;

typedef enum kio_block_use { KIO_BLOCK_READ, KIO_BLOCK_WRITE } kio_block_use;

/* A zeroed block with one holder; NULL when memory is out. */
kio_block *kio_block_new(size_t size);
/* One holder more. */
static inline void kio_block_hold(kio_block *block) {
  kio_assert(block->holders > 0);
  block->holders++;
}
/* One holder less. `set`: whose quarantine the memory passes through in test builds; or NULL. */
void kio_block_drop(kio_block *block, kio_buffers *set);
/* For a request that will read or write it, and becomes a holder. False: it is in use in a way
   that this would disturb. */
bool kio_block_acquire(kio_block *block, kio_block_use how);
/* The request that has acquired it is complete. */
void kio_block_release(kio_block *block, kio_buffers *set);
/* Whether the program may read it, or else (`change`) write it, now. */
static inline bool kio_block_free_to(const kio_block *block, bool change) {
  return !block->written && (!change || block->readers == 0);
}

#ifdef KIO_TEST
/* Nobody reads while one writes, and whoever it is lent to holds it. */
static inline void kio_block_verify(const kio_block *block) {
  kio_assert(block->data && !(block->written && block->readers > 0));
  kio_assert(block->holders >= block->readers + block->written);
}
#endif

#endif
