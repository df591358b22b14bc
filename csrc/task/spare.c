/* Owns the blocks that are kept. Invariant: each is the allocator's, of exactly its shelf's size;
   together they are no more than KIO_SPARE_BYTES. Never raises. Called by whatever takes or frees
   memory of the Lua state, on its thread. */
#include "task/spare.h"

#include "base/base.h"
#include "base/config.h"
#include "base/library.h"

enum {
  STEP = 8,      /* sizes of Lua's objects, strings apart, are multiples of that */
  LARGEST = 1024 /* a coroutine's stack takes 720 bytes; larger ones are seldom */
};

typedef struct block {
  struct block *next;
} block;

struct kio_spare {
  lua_Alloc allocate; /* what was there before, and what it is given */
  void *ud;
  size_t room;                        /* bytes that may yet be kept */
  block *shelves[LARGEST / STEP + 1]; /* by size */
};

static void give_back(kio_spare *spare) {
  for (size_t size = STEP; size <= LARGEST; size += STEP) {
    block **first = &spare->shelves[size / STEP];
    while (*first) {
      block *old = *first;
      *first = old->next;
      spare->room += size;
      spare->allocate(spare->ud, old, size, 0);
    }
  }
}

static void *ask_below(kio_spare *spare, void *ptr, size_t before, size_t size) {
  void *got = spare->allocate(spare->ud, ptr, before, size);
  if (got || size == 0) return got;
  give_back(spare);
  return spare->allocate(spare->ud, ptr, before, size);
}

static bool has_shelf(size_t size) {
  return size <= LARGEST && size % STEP == 0;
}

/* lua_Alloc: `before` is the block's size, or what it is for when there is none yet. */
static void *allocate(void *ud, void *ptr, size_t before, size_t size) {
  kio_spare *spare = ud;
  if (!ptr && has_shelf(size)) {
    block **shelf = &spare->shelves[size / STEP], *kept = *shelf;
    if (!kept) return ask_below(spare, NULL, before, size);
    *shelf = kept->next;
    spare->room += size;
    return kept;
  }
  if (ptr && size == 0 && has_shelf(before) && before <= spare->room) {
    block **shelf = &spare->shelves[before / STEP], *old = ptr;
    old->next = *shelf;
    *shelf = old;
    spare->room -= before;
    return NULL;
  }
  return ask_below(spare, ptr, before, size);
}

kio_spare *kio_spare_install(lua_State *L) {
  void *ud;
  lua_Alloc below = lua_getallocf(L, &ud);
  kio_spare *spare = ud;
  if (KIO_SPARE_BYTES == 0) return NULL;
  if (below != allocate) { /* else it was left there */
    spare = below(ud, NULL, 0, sizeof *spare);
    if (!spare) return NULL;
    *spare = (kio_spare){.allocate = below, .ud = ud};
    lua_setallocf(L, allocate, spare);
  }
  spare->room = KIO_SPARE_BYTES;
  return spare;
}

void kio_spare_remove(lua_State *L, kio_spare *spare) {
  void *ud;
  if (!spare) return;
  give_back(spare);
  spare->room = 0;
  if (lua_getallocf(L, &ud) != allocate || ud != spare) {
    kio_library_stay(); /* somebody may have its address */
    return;
  }
  lua_setallocf(L, spare->allocate, spare->ud);
  spare->allocate(spare->ud, spare, sizeof *spare, 0);
}
