/* Owns the memory of blocks. Invariant: `written` excludes readers, and the requests that use it
   are among the holders. Called by one thread at a time, that of the scheduler whose requests use
   the block. */
#include "ring/block.h"

#include "base/memory.h"

kio_block *kio_block_new(size_t size) {
  kio_block *block = kio_memory_new(sizeof *block);
  if (!block) return NULL;
  block->data = kio_memory_pages(size > 0 ? size : 1);
  if (!block->data) {
    kio_memory_free(block);
    return NULL;
  }
  block->size = size;
  block->holders = 1;
  return block;
}

void kio_block_drop(kio_block *block, kio_buffers *set) {
  kio_assert(block->holders > 0);
  if (--block->holders > 0) return;
  kio_assert(block->readers == 0 && !block->written);
  kio_buffer_retire(set, (kio_buffer){block->data, block->size > 0 ? block->size : 1});
  kio_memory_free(block);
}

bool kio_block_acquire(kio_block *block, kio_block_use how) {
  if (!kio_block_free_to(block, how == KIO_BLOCK_WRITE)) return false;
  if (how == KIO_BLOCK_WRITE) block->written = true;
  else block->readers++;
  block->holders++;
  return true;
}

void kio_block_release(kio_block *block, kio_buffers *set) {
  kio_assert(block->written || block->readers > 0);
  if (block->written) block->written = false;
  else block->readers--;
  kio_block_drop(block, set);
}
