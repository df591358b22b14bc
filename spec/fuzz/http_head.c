/* Heads: one that is cut anywhere is read as far as the whole is, and to the same end; what is
   accepted is read alike when it is written anew from what was found in it. */
#include <string.h>

#include "http/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CUTS = 24, ROOM = 1 << 16 };

static const kio_http_limits limits = {
    .max_head = 1024, .max_fields = 20, .max_target = 100, .max_trailers = 100};

typedef struct result {
  kio_http_outcome outcome;
  kio_http_scan scan;
  kio_http_head head;
  kio_http_field fields[KIO_HTTP_FIELDS_MAX];
} result;

/* In memory of its own size, so that a sanitizer sees its end. */
static void scan_copy(const char *bytes, size_t size, kio_http_kind kind, result *r) {
  char *copy = malloc(size > 0 ? size : 1);
  if (!copy) abort();
  if (size > 0) memcpy(copy, bytes, size);
  r->scan = (kio_http_scan){.bytes = copy, .size = (uint32_t)size};
  r->outcome = kio_http_head_scan(&r->scan, &limits, kind, &r->head, r->fields);
  r->scan.bytes = bytes;
  free(copy);
}

static void check_cut(const result *whole, const result *part, size_t cut) {
  if (part->outcome == KIO_HTTP_MORE) {
    kio_assert(whole->outcome != KIO_HTTP_DONE || cut < whole->head.size);
    return;
  }
  kio_assert(part->outcome == whole->outcome);
  if (part->outcome == KIO_HTTP_DONE) {
    kio_assert(part->head.size == whole->head.size && part->head.size <= cut);
    kio_assert(part->head.field_count == whole->head.field_count);
    return;
  }
  kio_assert(part->scan.fault.words == whole->scan.fault.words);
  kio_assert(part->scan.fault.status == whole->scan.fault.status);
}

static void check_cuts(const char *bytes, size_t size, kio_http_kind kind, const result *whole) {
  static result part;
  uint32_t state = (uint32_t)size * 2654435761u + 1;
  for (int i = 0; i < CUTS; i++) {
    state = state * 1664525u + 1013904223u;
    size_t cut = i == 0 ? 0 : i == 1 ? size : (state >> 8) % (size + 1);
    scan_copy(bytes, cut, kind, &part);
    check_cut(whole, &part, cut);
  }
}

/* ---- written anew ---- */

typedef struct text {
  char bytes[ROOM];
  size_t size;
} text;

static void add(text *t, const char *bytes, size_t size) {
  kio_assert(t->size + size <= ROOM);
  memcpy(t->bytes + t->size, bytes, size);
  t->size += size;
}

static void add_span(text *t, const result *r, kio_http_span span, const char *behind) {
  add(t, r->scan.bytes + span.at, span.size);
  add(t, behind, strlen(behind));
}

static void write_anew(const result *r, kio_http_kind kind, text *t) {
  char line[32];
  t->size = 0;
  if (kind == KIO_HTTP_REQUEST) {
    add_span(t, r, r->head.method, " ");
    add_span(t, r, r->head.target, r->head.minor ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
  } else {
    int n = snprintf(line, sizeof line, "HTTP/1.%d %03d ", r->head.minor, r->head.status);
    add(t, line, (size_t)n);
    add_span(t, r, r->head.reason, "\r\n");
  }
  for (uint32_t i = 0; i < r->head.field_count; i++) {
    add_span(t, r, r->fields[i].name, ": ");
    add_span(t, r, r->fields[i].value, "\r\n");
  }
  add(t, "\r\n", 2);
}

static bool same(const result *a, kio_http_span x, const result *b, kio_http_span y) {
  return x.size == y.size && memcmp(a->scan.bytes + x.at, b->scan.bytes + y.at, x.size) == 0;
}

static void check_same(const result *a, const result *b) {
  kio_assert(b->outcome == KIO_HTTP_DONE && a->head.field_count == b->head.field_count);
  kio_assert(same(a, a->head.method, b, b->head.method));
  kio_assert(same(a, a->head.path, b, b->head.path));
  kio_assert(same(a, a->head.query, b, b->head.query));
  kio_assert(same(a, a->head.authority, b, b->head.authority));
  kio_assert(same(a, a->head.reason, b, b->head.reason));
  kio_assert(same(a, a->head.upgrade, b, b->head.upgrade));
  kio_assert(a->head.status == b->head.status && a->head.minor == b->head.minor);
  kio_assert(a->head.framing == b->head.framing && a->head.length == b->head.length);
  kio_assert(a->head.keep_alive == b->head.keep_alive);
  kio_assert(a->head.expect_continue == b->head.expect_continue);
  for (uint32_t i = 0; i < a->head.field_count; i++) {
    kio_assert(same(a, a->fields[i].name, b, b->fields[i].name));
    kio_assert(same(a, a->fields[i].value, b, b->fields[i].value));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static result whole, again;
  static text t;
  if (size < 1 || size > 4096) return 0;
  kio_http_kind kind = (kio_http_kind)(data[0] & 3);
  const char *bytes = (const char *)data + 1;
  scan_copy(bytes, size - 1, kind, &whole);
  check_cuts(bytes, size - 1, kind, &whole);
  if (whole.outcome != KIO_HTTP_DONE) return 0;
  write_anew(&whole, kind, &t);
  scan_copy(t.bytes, t.size, kind, &again);
  check_same(&whole, &again);
  kio_assert(again.head.size == t.size);
  return 0;
}
