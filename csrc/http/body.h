/* What is left of a body: its framing and its limit. */
#ifndef KIO_HTTP_BODY_H
#define KIO_HTTP_BODY_H

#include "http/chunk.h"
#include "http/head.h"

#define KIO_HTTP_UNLIMITED UINT64_MAX

typedef struct kio_http_body {
  kio_http_chunks chunks; /* of one with a length: `left` alone, and the place */
  uint64_t received;      /* bytes of it that were taken */
  uint64_t max;           /* bytes it may have */
  uint32_t max_trailers, max_fields;
  uint8_t framing; /* kio_http_framing */
} kio_http_body;

/* What a step has found in the bytes. */
typedef struct kio_http_piece {
  kio_http_span data;    /* size 0 when it was DONE: the end of the body */
  kio_http_span trailer; /* at that end; size 0: there was none */
  uint32_t taken;        /* bytes, with the framing around the data */
} kio_http_piece;

/* The whole body behind a head; `max` may be UNLIMITED. */
void kio_http_body_begin(kio_http_body *body, const kio_http_head *head, uint64_t max);
/* Looks for the next piece of data, at most `want` bytes, in unread bytes behind which nothing
   follows when `ended`, and steps on behind it. Unless it is DONE the body is to be thought of as
   unchanged, and the caller steps a copy. `fields` gets those of the trailer, whose spans are in
   the scan's bytes. */
kio_http_outcome kio_http_body_step(kio_http_body *body, kio_http_scan *scan, bool ended,
                                    uint32_t want, kio_http_fields *fields, kio_http_piece *piece);

#endif
