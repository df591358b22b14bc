/* Owns the map: open addressing, at most three quarters full, so that a search ends. Whoever owns
   the map calls. */
#include "base/ptrmap.h"

#include <string.h>

#include "base/memory.h"

void kio_seen_init(kio_seen *seen) {
  memset(seen->first, 0, sizeof seen->first);
  seen->places = seen->first;
  seen->room = KIO_SEEN_INLINE;
  seen->count = 0;
}

void kio_seen_init_fixed(kio_seen *seen, kio_seen_entry *places, size_t room) {
  memset(places, 0, room * sizeof *places);
  seen->places = places;
  seen->room = room;
  seen->count = 0;
}

void kio_seen_fini(kio_seen *seen) {
  if (seen->places != seen->first) kio_memory_free(seen->places);
}

/* The place an address has, or would get. */
static kio_seen_entry *place(kio_seen_entry *places, size_t mask, const void *address) {
  uint64_t mixed = (uint64_t)(uintptr_t)address * 0x9E3779B97F4A7C15u; /* Knuth, TAOCP 6.4 */
  size_t at = (size_t)(mixed >> 32) & mask;
  while (places[at].address && places[at].address != address) at = (at + 1) & mask;
  return &places[at];
}

kio_seen_entry *kio_seen_find(kio_seen *seen, const void *address) {
  kio_seen_entry *entry = place(seen->places, seen->room - 1, address);
  return entry->address ? entry : NULL;
}

static bool grow(kio_seen *seen) {
  size_t room = seen->room * 4;
  kio_seen_entry *places = kio_memory_new(room * sizeof *places);
  if (!places) return false;
  for (size_t i = 0; i < seen->room; i++) {
    const kio_seen_entry *entry = &seen->places[i];
    if (entry->address) *place(places, room - 1, entry->address) = *entry;
  }
  kio_seen_fini(seen);
  seen->places = places;
  seen->room = room;
  return true;
}

kio_seen_entry *kio_seen_put(kio_seen *seen, const void *address, int kind, uintptr_t value) {
  kio_debug_assert((seen->room & (seen->room - 1)) == 0); /* the mask */
  if ((seen->count + 1) * 4 > seen->room * 3 && !grow(seen)) return NULL;
  kio_seen_entry *entry = place(seen->places, seen->room - 1, address);
  kio_assert(!entry->address);
  *entry = (kio_seen_entry){address, value, kind};
  seen->count++;
  return entry;
}
