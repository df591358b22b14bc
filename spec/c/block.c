/* Blocks: who may have one, and that its memory stays until the last holder lets go. */
#include "base/memory.h"
#include "ring/block.h"

#include <string.h>

static void check_acquire(void) {
  kio_block *block = kio_block_new(100);
  kio_assert(block && block->size == 100 && block->data[99] == 0);
  kio_assert(kio_block_acquire(block, KIO_BLOCK_READ) && kio_block_acquire(block, KIO_BLOCK_READ));
  kio_assert(!kio_block_acquire(block, KIO_BLOCK_WRITE));
  kio_assert(kio_block_free_to(block, false) && !kio_block_free_to(block, true));
  kio_block_release(block, NULL);
  kio_assert(!kio_block_acquire(block, KIO_BLOCK_WRITE));
  kio_block_release(block, NULL);
  kio_assert(kio_block_acquire(block, KIO_BLOCK_WRITE));
  kio_assert(!kio_block_acquire(block, KIO_BLOCK_READ) &&
             !kio_block_acquire(block, KIO_BLOCK_WRITE));
  kio_assert(!kio_block_free_to(block, false));
  kio_block_release(block, NULL);
  kio_assert(block->holders == 1 && kio_block_free_to(block, true));
  kio_block_drop(block, NULL);
}

/* The program lets go first; the request's memory is there until it returns it. */
static void check_holders(void) {
  kio_buffers set;
  kio_buffers_init(&set);
  kio_block *block = kio_block_new(8192);
  kio_block_hold(block);
  kio_assert(kio_block_acquire(block, KIO_BLOCK_WRITE));
  kio_block_drop(block, &set);
  kio_block_drop(block, &set);
  memset(block->data, 1, block->size);
  kio_block_release(block, &set);
  kio_assert(kio_memory_live() == 1); /* in quarantine */
  kio_buffers_fini(&set);
  kio_assert(kio_memory_live() == 0);
}

/* A write that comes after the last completion is seen. */
static void check_quarantine(void) {
  kio_buffers set;
  kio_buffers_init(&set);
  kio_block *block = kio_block_new(8192);
  char *data = block->data;
  kio_block_drop(block, &set);
  data[5000] = 1;
  for (int i = 0; i < KIO_QUARANTINE; i++) {
    kio_buffer_retire(&set, (kio_buffer){kio_memory_new(100), 100});
  }
  kio_assert(set.violations == 1);
  set.violations = 0; /* or the set would not be given up */
  kio_buffers_fini(&set);
}

static void check_memory(void) {
  for (long n = 1; n <= 2; n++) {
    kio_memory_fail_at(n);
    kio_assert(!kio_block_new(5000) && kio_memory_failures() == 1);
  }
  kio_memory_fail_at(0);
  kio_assert(kio_memory_live() == 0);
}

int main(void) {
  check_acquire();
  check_holders();
  check_quarantine();
  check_memory();
  return 0;
}
