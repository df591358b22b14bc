/* One way through zlib, from memory to memory: a deflater or an inflater, with its bounds, and what
   has become of it. It knows no Lua, never waits, and is used by one thread at a time. */
#ifndef KIO_ZLIB_CODER_H
#define KIO_ZLIB_CODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

/* As windowBits of zlib has them. */
typedef enum kio_zlib_format {
  KIO_ZLIB_RAW,  /* the bare data */
  KIO_ZLIB_ZLIB, /* with zlib's head and sum */
  KIO_ZLIB_GZIP, /* with gzip's */
  KIO_ZLIB_AUTO  /* an inflater's: one of these two, which the data say */
} kio_zlib_format;

/* What one is made by; checked already. */
typedef struct kio_zlib_setup {
  kio_zlib_format format;
  int level, window, memory; /* of a deflater; an inflater has a window alone */
  bool members;              /* an inflater: gzip members follow each other */
  uint64_t out_max;          /* bytes out, all in all */
  double ratio_max;          /* bytes out for each that went in, beyond KIO_ZLIB_FREE */
} kio_zlib_setup;

/* So many bytes out are no bomb, whatever their ratio. */
enum { KIO_ZLIB_FREE = 1 << 16 };

/* How far one is. */
typedef enum kio_zlib_state {
  KIO_ZLIB_CLOSED, /* it has no memory */
  KIO_ZLIB_OPEN,
  KIO_ZLIB_ENDED, /* an inflater has seen the end of the data, a deflater has written it */
  KIO_ZLIB_FAILED /* `words` and `code` tell: nothing but a reset helps */
} kio_zlib_state;

typedef struct kio_zlib_coder {
  z_stream z;
  kio_zlib_setup setup;
  bool inflates;
  bool finished; /* nothing more is to come */
  kio_zlib_state state;
  uint64_t in, out;  /* bytes so far, of all members */
  Bytef *dictionary; /* a copy; NULL: none */
  uInt dictionary_size;
  const char *words, *code; /* of the failure */
} kio_zlib_coder;

/* False when memory is out: it is closed then, as one of all zero bytes is. The dictionary may be
   NULL. */
bool kio_zlib_coder_init(kio_zlib_coder *coder, bool inflates, const kio_zlib_setup *setup,
                         const char *dictionary, size_t dictionary_size);
/* Gives all memory back. Harmless twice. */
void kio_zlib_coder_fini(kio_zlib_coder *coder);
/* As it was when it was made. */
void kio_zlib_coder_reset(kio_zlib_coder *coder);
/* One step of one that is open, or has ended a gzip member: takes of `in`, gives to `out`, sets
   both sizes to what it did; how: one of zlib's Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_FINISH.
   Whether there is more to be done with room for more: input that is left, output that waits. */
bool kio_zlib_coder_step(kio_zlib_coder *coder, const char *in, size_t *in_size, char *out,
                         size_t *out_size, int how);
/* Nothing follows: an inflater whose data have no end fails. */
void kio_zlib_coder_finish(kio_zlib_coder *coder);
/* The coder fails, in these words, which live as long as the process. */
void kio_zlib_coder_fail(kio_zlib_coder *coder, const char *words, const char *code);

#endif
