/* The framing of chunked bodies (RFC 9112, 7.1): lines with sizes, ends of chunks, trailers. */
#ifndef KIO_HTTP_CHUNK_H
#define KIO_HTTP_CHUNK_H

#include "http/fields.h"

typedef enum kio_http_place {
  KIO_HTTP_AT_SIZE,     /* before the line with the size of a chunk */
  KIO_HTTP_IN_DATA,     /* in what a chunk or the whole body consists of */
  KIO_HTTP_AT_END,      /* before the CRLF behind a chunk */
  KIO_HTTP_AT_TRAILERS, /* before what is behind the last chunk */
  KIO_HTTP_ENDED
} kio_http_place;

typedef struct kio_http_chunks {
  uint8_t place;         /* kio_http_place */
  uint32_t extensions;   /* bytes of them, in all chunks up to here */
  uint64_t left;         /* bytes of the present chunk */
  kio_http_span trailer; /* what has been scanned of it: with its empty line; size 0: nothing */
} kio_http_chunks;

/* Takes framing up to the next byte of data, or the end. The scan begins where framing does;
   `max`: of the trailer; `fields`: its fields. */
kio_http_outcome kio_http_chunks_scan(kio_http_scan *scan, kio_http_chunks *chunks, uint32_t max,
                                      kio_http_fields *fields);

#endif
