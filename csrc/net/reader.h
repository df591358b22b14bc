/* Readers: formats by which other rocks' C reads a stream, where its bytes lie and before they are
   strings. The engine is that of stream:read (net/read.c): deadlines, one reader at a time, and
   nothing counts as read before the whole call succeeds. A rock fills in a kio_reader_kind and puts
   a kio_reader into what it keeps of one read; docs/filters.md tells how. */
#ifndef KIO_NET_READER_H
#define KIO_NET_READER_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KIO_READER_STREAMS (-1) /* in place of a time: the stream's own timeout */
#define KIO_READER_SAME (-2)    /* in place of rest_ns: first_ns is for all of it */

typedef enum kio_reader_result {
  KIO_READER_TAKEN, /* it has pushed its results, and set how many bytes they were */
  KIO_READER_MORE,  /* bytes are missing that may still come: it has pushed nothing */
  KIO_READER_FAILED /* it has pushed words for the message, and set `code` */
} kio_reader_result;

typedef struct kio_reader kio_reader;

typedef struct kio_reader_kind {
  const char *name; /* of the operation, for messages */
  /* Looks at the unread bytes, `size` of them, behind which nothing follows when `ended`. They are
     there until Lua makes something: what is needed of them is copied by the first call that takes
     its memory. What raises takes nothing. Called anew, with all of them, whenever more have come;
     never with MORE as the answer to `ended`. */
  kio_reader_result (*take)(lua_State *L, kio_reader *reader, const char *bytes, size_t size,
                            bool ended, size_t *taken);
  /* The read fails, whatever by: pushes what is to follow nil, message, code; how many that are.
     NULL: nothing. */
  int (*failed)(lua_State *L, const kio_reader *reader);
  bool optional; /* nothing is missing when not even its first byte comes: a server that stops ends
                    the wait for that, as if its time were over */
} kio_reader_kind;

/* One read. Who starts it keeps it on the stack of its C function, in a userdata. */
struct kio_reader {
  const kio_reader_kind *kind;
  int64_t first_ns; /* how long the first byte may take */
  int64_t rest_ns;  /* and how long, from when that is there, the rest */
  const char *code; /* after FAILED: a name as of an errno */
  bool begun;       /* the first byte has come, and more is waited for */
};

#endif
