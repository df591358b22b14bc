/* One format against what a stream has unread: what net/read.c is an engine for. */
#ifndef KIO_NET_FORMAT_H
#define KIO_NET_FORMAT_H

#include "net/stream_lua.h"

typedef enum kio_read_kind {
  KIO_READ_COUNT,     /* n bytes, fewer only at the end */
  KIO_READ_LINE,      /* up to a newline, which is dropped */
  KIO_READ_LINE_KEEP, /* up to a newline, which is kept */
  KIO_READ_ALL,       /* up to the end */
  KIO_READ_UNTIL,     /* up to a delimiter, which is dropped */
  KIO_READ_PEEK,      /* n bytes, which stay unread */
  KIO_READ_RECV,      /* whatever comes next */
  KIO_READ_RECV_INTO, /* the same, into a buffer of the program's */
  KIO_READ_BY_READER  /* as another rock's C says */
} kio_read_kind;

typedef enum kio_format_outcome {
  KIO_FORMAT_GOT,       /* its value is pushed */
  KIO_FORMAT_NOTHING,   /* nil is: the end */
  KIO_FORMAT_MORE,      /* more must come */
  KIO_FORMAT_TOO_LONG,  /* more bytes than its limit */
  KIO_FORMAT_CUT_SHORT, /* the end came before the delimiter */
  KIO_FORMAT_REFUSED    /* a reader has pushed why */
} kio_format_outcome;

/* Tries to satisfy the format at `index`, a checked one, from the unread bytes that earlier formats
   of the call have not taken. */
kio_format_outcome kio_format_take(lua_State *L, kio_stream_handle *h, int index);

#endif
