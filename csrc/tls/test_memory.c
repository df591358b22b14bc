/* Test builds only. Each thread counts for itself: no work for the pool while one looks. */
#include "tls/test_memory.h"

#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdlib.h>

static _Thread_local struct {
  long left;   /* the allocation that fails is so many from now; 0: none */
  long failed; /* since the last test_fail_memory */
  long live;   /* blocks */
} count;

static bool is_to_fail(void) {
  bool fails = count.left > 0 && --count.left == 0;
  if (fails) count.failed++;
  return fails;
}

static void *allocate(size_t size, const char *file, int line) {
  (void)file;
  (void)line;
  void *ptr = size == 0 || is_to_fail() ? NULL : malloc(size);
  if (ptr) count.live++;
  return ptr;
}

static void release(void *ptr, const char *file, int line) {
  (void)file;
  (void)line;
  if (ptr) count.live--;
  free(ptr);
}

static void *resize(void *ptr, size_t size, const char *file, int line) {
  if (!ptr) return allocate(size, file, line);
  if (size == 0) {
    release(ptr, file, line);
    return NULL;
  }
  return is_to_fail() ? NULL : realloc(ptr, size);
}

void kio_tls_test_memory_start(void) {
  CRYPTO_set_mem_functions(allocate, resize, release);
}

/* test_fail_memory(n) -> how many have failed since the last call: from now OpenSSL's n-th
   allocation in this thread fails; 0: none */
static int l_fail_memory(lua_State *L) {
  lua_pushinteger(L, count.failed);
  count.failed = 0;
  count.left = (long)luaL_checkinteger(L, 1);
  return 1;
}

/* test_live_memory() -> blocks of OpenSSL that this thread has allocated and nobody in it freed */
static int l_live_memory(lua_State *L) {
  lua_pushinteger(L, count.live);
  return 1;
}

const luaL_Reg kio_tls_test_memory_ops[] = {
    {"test_fail_memory", l_fail_memory}, {"test_live_memory", l_live_memory}, {NULL, NULL}};
