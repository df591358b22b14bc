/* Filters: what stands between a stream's bytes and those of its descriptor, such as TLS or
   compression. This file is all that another rock needs: it fills in a kio_filter_kind and puts a
   kio_filter into a full userdata; docs/filters.md tells how.
   A filter works on memory only: it never waits, touches no descriptor and calls nobody. kio calls
   it from one thread at a time, and never from within itself. */
#ifndef KIO_NET_FILTER_H
#define KIO_NET_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#define KIO_FILTER_ABI 2
#define KIO_FILTER_TYPE "kio.Filter" /* the name of the userdata's metatable, which kio makes */

typedef enum kio_filter_result {
  KIO_FILTER_OK,    /* it went as far as `in` and `out` allow */
  KIO_FILTER_ENDED, /* decode: the peer has said that nothing follows */
  KIO_FILTER_FAILED /* `why` tells; this way is over, and what failed is not called again */
} kio_filter_result;

typedef struct kio_filter_kind {
  unsigned abi;     /* KIO_FILTER_ABI */
  const char *name; /* "tls": for messages */
  /* From the descriptor's bytes to the stream's. Takes at most *in_size bytes of `in` and gives at
     most *out_size to `out`; sets both to what it did. What it does not take it is shown again,
     with more behind it; what it leaves while `has_output`, when that has left, and nothing is
     received meanwhile. `in` NULL: the descriptor's input is over; ENDED when that is a fair end,
     FAILED when something is missing. */
  kio_filter_result (*decode)(void *self, const char *in, size_t *in_size, char *out,
                              size_t *out_size);
  /* From the stream's bytes to the descriptor's, as `decode`. With *in_size 0 it gives what
     `has_output` has promised, also after `decode` has failed: last words for the peer. While it
     shakes hands it may take nothing: it is asked again when something has come. */
  kio_filter_result (*encode)(void *self, const char *in, size_t *in_size, char *out,
                              size_t *out_size);
  /* Whether nobody has to wait for the handshake: it is over, or cannot go on without its rock,
     which does what is to be done and shakes on. NULL: there is none. */
  bool (*ready)(const void *self);
  bool (*has_output)(const void *self); /* whether it has bytes to send that nobody wrote */
  void (*finish)(void *self); /* nothing will be written any more: has_output may follow */
  const char *(*why)(const void *self);      /* after FAILED: words for the message */
  const char *(*code)(const void *self);     /* ... and a code of its own; NULL: EPROTO */
  const char *(*may_move)(const void *self); /* NULL, or why it cannot change threads now */
  void (*free)(void *self); /* once, at the end, on whatever thread has the stream */
} kio_filter_kind;

/* What the userdata holds. kio takes `self` out of it when the filter is put under a stream. */
typedef struct kio_filter {
  const kio_filter_kind *kind;
  void *self; /* NULL: taken */
} kio_filter;

#endif
