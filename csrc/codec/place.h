/* Where a value is among those that are packed, for the message when it cannot cross. */
#ifndef KIO_CODEC_PLACE_H
#define KIO_CODEC_PLACE_H

#include <lua.h>

typedef enum kio_place_kind {
  KIO_PLACE_ROOT,   /* one of the values themselves */
  KIO_PLACE_FIELD,  /* a value in a table */
  KIO_PLACE_KEY,    /* a key of a table */
  KIO_PLACE_UPVALUE /* a variable of a function */
} kio_place_kind;

typedef struct kio_place {
  const struct kio_place *up; /* of the value it is in */
  kio_place_kind kind;
  int at;           /* root: its number; field or key: the stack index of the key */
  const char *name; /* upvalue: what the function calls it */
} kio_place;

/* Raises "path: why"; `what` is what the roots are called. The path begins at the root and shows at
   most 16 steps. */
int kio_place_refuse(lua_State *L, const char *what, const kio_place *at, const char *why);

#endif
