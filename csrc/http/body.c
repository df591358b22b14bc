/* Owns nothing. Any thread. */
#include "http/body.h"

void kio_http_body_begin(kio_http_body *body, const kio_http_head *head, uint64_t max) {
  *body = (kio_http_body){.framing = head->framing, .max = max};
  kio_http_chunks *chunks = &body->chunks;
  switch ((kio_http_framing)head->framing) {
  case KIO_HTTP_CHUNKED: chunks->place = KIO_HTTP_AT_SIZE; return;
  case KIO_HTTP_CLOSE: chunks->left = UINT64_MAX; break;
  case KIO_HTTP_LENGTH: chunks->left = (uint64_t)head->length; break;
  case KIO_HTTP_NONE: break;
  }
  chunks->place = chunks->left > 0 ? KIO_HTTP_IN_DATA : KIO_HTTP_ENDED;
}

/* Nothing follows where something must. */
static kio_http_outcome early_end(kio_http_scan *scan) {
  return kio_http_fail(scan, 0, "the peer ended in the middle of the body");
}

/* Whether the body, or its present chunk, has more bytes than are allowed. */
static bool is_too_long(const kio_http_body *body) {
  bool announced = body->framing != KIO_HTTP_CLOSE;
  return announced && body->chunks.left > body->max - body->received;
}

static kio_http_outcome take_framing(kio_http_body *body, kio_http_scan *scan,
                                     kio_http_fields *fields) {
  kio_http_outcome outcome = KIO_HTTP_DONE;
  if (body->chunks.place != KIO_HTTP_IN_DATA && body->chunks.place != KIO_HTTP_ENDED) {
    outcome = kio_http_chunks_scan(scan, &body->chunks, body->max_trailers, fields);
  }
  bool refused = outcome == KIO_HTTP_DONE && is_too_long(body);
  return refused ? kio_http_fail(scan, 413, "a body of more bytes than the limit allows") : outcome;
}

static void take_data(kio_http_body *body, kio_http_scan *scan, uint32_t size) {
  scan->at += size;
  body->received += size;
  if (body->framing == KIO_HTTP_CLOSE) return;
  body->chunks.left -= size;
  if (body->chunks.left > 0) return;
  body->chunks.place = body->framing == KIO_HTTP_CHUNKED ? KIO_HTTP_AT_END : KIO_HTTP_ENDED;
}

/* Framing that is there already is taken with the data before it, so that the end is known with the
   last byte; but not a trailer, which is a string of its own, and nothing that is wrong. */
static void step_over_framing(kio_http_body *body, kio_http_scan *scan, kio_http_fields *fields) {
  kio_http_body next = *body;
  kio_http_scan look = *scan;
  if (take_framing(&next, &look, fields) != KIO_HTTP_DONE || next.chunks.trailer.size > 0) return;
  *body = next;
  *scan = look;
}

/* At the first byte of data, or the end. */
static kio_http_outcome take_next(kio_http_body *body, kio_http_scan *scan, bool ended,
                                  uint32_t want, kio_http_piece *piece) {
  uint64_t size = scan->size - scan->at;
  if (size > want) size = want;
  if (size > body->chunks.left) size = body->chunks.left;
  if (body->framing == KIO_HTTP_CLOSE && size > body->max - body->received) {
    size = body->max - body->received;
    if (size == 0) return kio_http_fail(scan, 413, "a body of more bytes than the limit allows");
  }
  piece->data = (kio_http_span){scan->at, (uint32_t)size};
  take_data(body, scan, (uint32_t)size);
  if (size > 0) return KIO_HTTP_DONE;
  if (!ended) return KIO_HTTP_MORE;
  if (body->framing != KIO_HTTP_CLOSE) return early_end(scan);
  body->chunks.place = KIO_HTTP_ENDED;
  return KIO_HTTP_DONE;
}

kio_http_outcome kio_http_body_step(kio_http_body *body, kio_http_scan *scan, bool ended,
                                    uint32_t want, kio_http_fields *fields, kio_http_piece *piece) {
  *piece = (kio_http_piece){{0, 0}, {0, 0}, 0};
  kio_http_outcome outcome = take_framing(body, scan, fields);
  if (outcome == KIO_HTTP_MORE && ended) return early_end(scan);
  if (outcome == KIO_HTTP_DONE && body->chunks.place == KIO_HTTP_IN_DATA) {
    outcome = take_next(body, scan, ended, want, piece);
  }
  if (outcome != KIO_HTTP_DONE) return outcome;
  if (piece->data.size > 0) step_over_framing(body, scan, fields);
  else piece->trailer = body->chunks.trailer;
  piece->taken = scan->at;
  return KIO_HTTP_DONE;
}
