/* A parcel: Lua values on their way from one Lua state to another, perhaps on another thread. It is
   memory and nothing else: it may be made, passed on and freed by different threads, one at a time.
   codec/pack.h fills and empties it; here nothing is known of what it means. */
#ifndef KIO_THREAD_PARCEL_H
#define KIO_THREAD_PARCEL_H

#include "base/base.h"

/* Something the bytes of a parcel refer to by its number. Bytes that come from elsewhere have
   nothing beside them, so they can bring neither code nor names of modules nor handles. */
typedef struct kio_beside {
  int tag;                    /* which reference it is for (codec/wire.h) */
  const void *kind;           /* of a handle: its kio_handle_kind */
  void *object;               /* the handle; NULL: taken */
  void (*drop)(void *object); /* frees a handle that nobody took; any thread may call it */
  size_t at;                  /* where in `trusted` */
  size_t size;                /* how many bytes */
} kio_beside;

enum { KIO_PARCEL_SMALL = 24 }; /* bytes that need no memory of their own */

typedef struct kio_parcel {
  char *data;          /* the values; NULL: they are in `small` */
  size_t size;         /* how many bytes; 0: nothing, or not a parcel any more */
  char *trusted;       /* code and names, which only this process can have put there */
  size_t trusted_size; /* bytes at trusted */
  kio_beside *beside;  /* what `data` refers to by number */
  size_t beside_count; /* how many */
  char small[KIO_PARCEL_SMALL];
} kio_parcel;

static inline const char *kio_parcel_bytes(const kio_parcel *parcel) {
  return parcel->data ? parcel->data : parcel->small;
}

/* Frees what a parcel holds, and disposes of the handles in it that nobody took. Empties it: a
   second call does nothing. */
void kio_parcel_free(kio_parcel *parcel);

#endif
