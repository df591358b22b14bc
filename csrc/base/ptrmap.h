/* What a writer has met already: a map from addresses to what they stand for. Addresses are only
   compared, never followed. */
#ifndef KIO_BASE_PTRMAP_H
#define KIO_BASE_PTRMAP_H

#include "base/base.h"

enum { KIO_SEEN_INLINE = 32 }; /* places before memory is needed; a power of two */

typedef struct kio_seen_entry {
  const void *address; /* NULL: a free place */
  uintptr_t value;     /* what the writer remembers */
  int kind;            /* and of which kind that is */
} kio_seen_entry;

typedef struct kio_seen {
  kio_seen_entry *places; /* room of them; some are free */
  size_t room;            /* a power of two */
  size_t count;           /* how many are taken */
  kio_seen_entry first[KIO_SEEN_INLINE];
} kio_seen;

/* An empty map. */
void kio_seen_init(kio_seen *seen);
/* One with places of its owner's, all it will ever need; it needs no fini. */
void kio_seen_init_fixed(kio_seen *seen, kio_seen_entry *places, size_t room);
/* Frees what it has needed; it is to be initialized again before it is used. */
void kio_seen_fini(kio_seen *seen);
/* The entry of an address, until the next put; NULL when there is none. */
kio_seen_entry *kio_seen_find(kio_seen *seen, const void *address);
/* Enters an address that is not there yet. NULL when memory is out. */
kio_seen_entry *kio_seen_put(kio_seen *seen, const void *address, int kind, uintptr_t value);

#endif
