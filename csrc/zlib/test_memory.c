/* Test builds only. Each thread counts for itself. */
#include "zlib/test_memory.h"

#include <stdlib.h>

static _Thread_local struct {
  long left;   /* the allocation that fails is so many from now; 0: none */
  long failed; /* since the last test_fail_memory */
  long live;   /* blocks */
} count;

static voidpf allocate(voidpf self, uInt items, uInt size) {
  (void)self;
  if (count.left > 0 && --count.left == 0) {
    count.failed++;
    return NULL;
  }
  voidpf ptr = malloc((size_t)items * size);
  if (ptr) count.live++;
  return ptr;
}

static void release(voidpf self, voidpf ptr) {
  (void)self;
  if (ptr) count.live--;
  free(ptr);
}

void kio_zlib_test_memory_use(z_stream *z) {
  z->zalloc = allocate;
  z->zfree = release;
}

/* test_fail_memory(n) -> how many have failed since the last call: from now zlib's n-th allocation
   in this thread fails; 0: none */
static int l_fail_memory(lua_State *L) {
  lua_pushinteger(L, count.failed);
  count.failed = 0;
  count.left = (long)luaL_checkinteger(L, 1);
  return 1;
}

/* test_live_memory() -> blocks of zlib that this thread has allocated and nobody in it freed */
static int l_live_memory(lua_State *L) {
  lua_pushinteger(L, count.live);
  return 1;
}

const luaL_Reg kio_zlib_test_memory_ops[] = {
    {"test_fail_memory", l_fail_memory}, {"test_live_memory", l_live_memory}, {NULL, NULL}};
