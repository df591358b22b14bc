/* Bodies: whatever pieces the bytes come in, and however much is wanted at a time, the same data is
   taken, to the same end or the same refusal. */
#include <string.h>

#include "http/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 1 << 16 };

typedef struct result {
  kio_http_outcome outcome;
  char data[ROOM];
  size_t size;
  uint32_t taken; /* bytes of the input, to the end */
  uint32_t trailers;
  const char *words;
} result;

/* A step on the unread bytes, in memory of their own size. False: more must come, or it is over. */
static bool step(kio_http_body *body, const char *bytes, size_t size, bool ended, uint32_t want,
                 result *r) {
  static kio_http_field list[KIO_HTTP_FIELDS_MAX];
  kio_http_fields fields = {list, 0, body->max_fields};
  kio_http_piece piece;
  kio_http_body next = *body;
  char *copy = malloc(size > 0 ? size : 1);
  if (!copy) abort();
  if (size > 0) memcpy(copy, bytes, size);
  kio_http_scan scan = {.bytes = copy, .size = (uint32_t)size};
  r->outcome = kio_http_body_step(&next, &scan, ended, want, &fields, &piece);
  r->words = scan.fault.words;
  if (r->outcome == KIO_HTTP_DONE) {
    kio_assert(piece.taken <= size && r->size + piece.data.size <= ROOM);
    memcpy(r->data + r->size, copy + piece.data.at, piece.data.size);
    r->size += piece.data.size;
    r->taken += piece.taken;
    if (piece.trailer.size > 0) r->trailers = fields.count;
    *body = next;
    kio_assert(body->received == r->size);
  }
  free(copy);
  return r->outcome == KIO_HTTP_DONE && piece.data.size > 0;
}

static void begin(kio_http_body *body, uint8_t kind) {
  static const int64_t lengths[] = {0, 1, 7, 300};
  const kio_http_head head = {.framing = (uint8_t)(kind & 3), .length = lengths[kind >> 2 & 3]};
  kio_http_body_begin(body, &head, kind & 16 ? 40 : KIO_HTTP_UNLIMITED);
  body->max_trailers = 100;
  body->max_fields = 5;
}

static void run(const char *bytes, size_t size, uint8_t kind, uint32_t seed, result *r) {
  kio_http_body body;
  size_t there = 0;
  begin(&body, kind);
  *r = (result){.outcome = KIO_HTTP_MORE};
  for (;;) {
    there = seed == 0 ? size : kio_min_size(size, there + (seed >> 16) % 9);
    uint32_t want = seed == 0 ? UINT32_MAX : 1 + (seed >> 8) % 13;
    while (step(&body, bytes + r->taken, there - r->taken, there == size, want, r)) {}
    if (r->outcome != KIO_HTTP_MORE) break;
    kio_assert(there < size);
    seed = seed * 1664525u + 1013904223u;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static result whole, parts;
  if (size < 1 || size > 4096) return 0;
  const char *bytes = (const char *)data + 1;
  run(bytes, size - 1, data[0], 0, &whole);
  kio_assert(whole.outcome != KIO_HTTP_MORE);
  for (uint32_t seed = 1; seed < 6; seed++) {
    run(bytes, size - 1, data[0], seed * 2654435761u, &parts);
    kio_assert(parts.outcome == whole.outcome && parts.words == whole.words);
    kio_assert(parts.size == whole.size && memcmp(parts.data, whole.data, whole.size) == 0);
    kio_assert(parts.outcome != KIO_HTTP_DONE || parts.taken == whole.taken);
    kio_assert(parts.trailers == whole.trailers);
  }
  return 0;
}
