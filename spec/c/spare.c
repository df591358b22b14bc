/* flavours: test asan
   What stands between Lua and its allocator (task/spare.h) gives each block back with the size it
   was asked for, keeps no more than its bound, gives up what it has when memory is out, and leaves
   nothing behind; another allocator may come over it, or in its place. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <string.h>

#include "base/config.h"
#include "check.h"
#include "task/spare.h"

enum { ROUNDS = 200000, BLOCKS = 512, SIZE = 1200, HEAD = 16 };

/* An allocator that knows the size of each of its blocks, and holds the caller to it. */
typedef struct strict {
  size_t bytes; /* under way */
  long calls;   /* how often it was asked */
  size_t most;  /* bytes it grants; 0: no bound */
} strict;

static void *allocate(void *ud, void *ptr, size_t before, size_t size) {
  strict *s = ud;
  size_t old = 0;
  s->calls++;
  if (ptr) memcpy(&old, (char *)ptr - HEAD, sizeof old);
  if (ptr) CHECK(old == before);
  if (s->most > 0 && size > old && s->bytes - old + size > s->most) return NULL;
  s->bytes = s->bytes - old + size;
  if (size == 0) free(ptr ? (char *)ptr - HEAD : NULL);
  if (size == 0) return NULL;
  char *got = realloc(ptr ? (char *)ptr - HEAD : NULL, HEAD + size);
  CHECK(got);
  memcpy(got, &size, sizeof size);
  return got + HEAD;
}

static void *through(void *ud, void *ptr, size_t before, size_t size) {
  return allocate(ud, ptr, before, size);
}

/* Blocks come, change their sizes and go in any order; each has its own bytes in it. */
static void churn(lua_State *L) {
  static struct {
    unsigned char *at;
    size_t size;
  } blocks[BLOCKS];
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  for (int i = 0; i < ROUNDS + BLOCKS; i++) {
    size_t n = i < ROUNDS ? check_below(BLOCKS) : (size_t)(i - ROUNDS);
    bool over = i >= ROUNDS || check_below(4) > 0;
    size_t size = over && blocks[n].at ? 0 : 1 + check_below(SIZE);
    if (i >= ROUNDS && !blocks[n].at) continue;
    for (size_t k = 0; k < blocks[n].size; k += 100) CHECK(blocks[n].at[k] == n % 251);
    blocks[n].at = alloc(ud, blocks[n].at, blocks[n].size, size);
    blocks[n].size = size;
    if (size > 0) memset(blocks[n].at, (int)(n % 251), size);
  }
}

static void gives_all_back(void) {
  strict s = {0};
  void *ud;
  lua_State *L = lua_newstate(allocate, &s);
  size_t before = s.bytes;
  kio_spare *spare = kio_spare_install(L);
  churn(L);
  CHECK(s.bytes - before <= KIO_SPARE_BYTES + 16384);
  kio_spare_remove(L, spare);
  CHECK(s.bytes == before && lua_getallocf(L, &ud) == allocate && ud == &s);
  kio_spare_remove(L, NULL);
  lua_close(L);
  CHECK(s.bytes == 0);
}

static const char program[] = "local coroutines = {}\n"
                              "for round = 1, 20 do\n"
                              "  for i = 1, 100 do\n"
                              "    coroutines[i] = coroutine.wrap(function(n) return { n } end)\n"
                              "    assert(coroutines[i](i)[1] == i)\n"
                              "  end\n"
                              "  collectgarbage()\n"
                              "end";

/* How often a program that makes coroutines again and again asks below. */
static long asks(bool kept) {
  strict s = {0};
  lua_State *L = lua_newstate(allocate, &s);
  luaL_openlibs(L);
  long before = s.calls;
  kio_spare *spare = kept ? kio_spare_install(L) : NULL;
  CHECK(luaL_dostring(L, program) == LUA_OK);
  kio_spare_remove(L, spare);
  lua_close(L);
  CHECK(s.bytes == 0);
  return s.calls - before;
}

static void keeps_what_is_used_again(void) {
  if (KIO_SPARE_BYTES > 100000) CHECK(asks(true) * 3 < asks(false));
  else asks(true);
}

/* What is kept is as good as free. */
static void gives_up(void) {
  strict s = {0};
  void *ud, *kept[100];
  lua_State *L = lua_newstate(allocate, &s);
  kio_spare *spare = kio_spare_install(L);
  lua_Alloc alloc = lua_getallocf(L, &ud);
  for (int i = 0; i < 100; i++) kept[i] = alloc(ud, NULL, 0, 512);
  s.most = s.bytes;
  for (int i = 0; i < 100; i++) alloc(ud, kept[i], 512, 0);
  void *large = alloc(ud, NULL, 0, 40000);
  CHECK(large && s.bytes <= s.most);
  CHECK(!alloc(ud, NULL, 0, 40000));
  alloc(ud, large, 40000, 0);
  s.most = 0;
  kio_spare_remove(L, spare);
  lua_close(L);
  CHECK(s.bytes == 0);
}

/* One that came over it and stays is served; the next run uses what is there. */
static void is_covered(void) {
  strict s = {0};
  void *ud, *again;
  lua_State *L = lua_newstate(allocate, &s);
  kio_spare *spare = kio_spare_install(L);
  lua_Alloc alloc = lua_getallocf(L, &ud);
  lua_setallocf(L, through, &s);
  churn(L);
  kio_spare_remove(L, spare);
  lua_setallocf(L, alloc, ud); /* whoever came has kept the address */
  size_t before = s.bytes;
  churn(L);
  CHECK(s.bytes == before);
  CHECK(kio_spare_install(L) == spare);
  churn(L);
  kio_spare_remove(L, spare);
  CHECK(lua_getallocf(L, &again) == (spare ? allocate : alloc) && again == &s);
  lua_close(L);
  CHECK(s.bytes == 0);
}

int main(void) {
  gives_all_back();
  keeps_what_is_used_again();
  gives_up();
  is_covered();
  return 0;
}
