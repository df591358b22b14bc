/* The bytes of a parcel, which codec/pack.c writes and codec/unpack.c reads: the number of values,
   then each of them as a tag and what belongs to it. Numbers are written in groups of 7 bits,
   lowest first, the 8th bit set in all but the last; others in the machine's own form, since a
   parcel never leaves the process. What may come twice is counted as it comes ("objects"), and
   named by that number later. */
#ifndef KIO_CODEC_WIRE_H
#define KIO_CODEC_WIRE_H

#include <stdint.h>

typedef enum kio_wire_tag {
  KIO_WIRE_NIL,
  KIO_WIRE_FALSE,
  KIO_WIRE_TRUE,
  KIO_WIRE_INTEGER,  /* zigzag number */
  KIO_WIRE_FLOAT,    /* lua_Number */
  KIO_WIRE_STRING,   /* length, bytes; an object when it is long enough */
  KIO_WIRE_TABLE,    /* kio_wire_sizes, list values, pairs; an object */
  KIO_WIRE_FUNCTION, /* beside (code), count, upvalues; an object. Upvalue: its number, counted like
                        objects, and its value the first time */
  KIO_WIRE_NAME,     /* beside (module, zero byte, and for a member: key, zero byte); an object */
  KIO_WIRE_HANDLE,   /* beside (handle); an object */
  KIO_WIRE_GLOBALS,  /* the table of globals */
  KIO_WIRE_AGAIN,    /* number of an object */
  KIO_WIRE_SMALL = 128 /* this and above: the integers from 0 to 127 */
} kio_wire_tag;

enum {
  KIO_WIRE_SHARED = 8,     /* strings of so many bytes are objects: a repetition costs about 3 */
  KIO_WIRE_DEPTH_MAX = 200 /* as deep as Lua lets C functions nest (LUAI_MAXCCALLS) */
};

/* Stands before the values of a table, filled in when they are written. */
typedef struct kio_wire_sizes {
  uint32_t list;  /* values for 1, 2, 3 ... */
  uint32_t pairs; /* keys with values behind them */
} kio_wire_sizes;

#endif
