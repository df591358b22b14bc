/* Owns nothing. Any thread. */
#include "http/chunk.h"

#include "http/bytes.h"

enum {
  SIZE_DIGITS = 16,
  EXTENSION_MAX = 256,   /* bytes of one chunk's */
  EXTENSIONS_MAX = 16384 /* and of all: a body of nothing but extensions is an attack */
};
#define CHUNK_MAX (1ULL << 53)

/* ---- the line with the size ---- */

static kio_http_outcome take_size(kio_http_scan *scan, uint64_t *size) {
  const char *bytes = scan->bytes + scan->at;
  uint32_t n = kio_http_run(KIO_HTTP_HEX, bytes, scan->size - scan->at);
  if (n > SIZE_DIGITS) return kio_http_fail(scan, 400, "a chunk's size of too many digits");
  scan->at += n;
  if (scan->at == scan->size) return KIO_HTTP_MORE;
  if (n == 0) return kio_http_fail(scan, 400, "a chunk without a size");
  *size = 0;
  for (uint32_t i = 0; i < n; i++) {
    unsigned digit = (unsigned char)kio_http_lower(bytes[i]);
    *size = *size << 4 | (digit <= '9' ? digit - '0' : digit - 'a' + 10);
  }
  return *size > CHUNK_MAX ? kio_http_fail(scan, 413, "a chunk of more than 2^53 bytes")
                           : KIO_HTTP_DONE;
}

/* Behind the opening quote, to behind the closing one. */
static kio_http_outcome take_quoted(kio_http_scan *scan, uint32_t end) {
  const char *bytes = scan->bytes;
  while (scan->at < end && bytes[scan->at] != '"') {
    if (bytes[scan->at] != '\\') {
      if (!kio_http_is(KIO_HTTP_QUOTED, bytes[scan->at])) {
        return kio_http_fail(scan, 400, "a control character in a chunk's extension");
      }
    } else if (++scan->at < end && !kio_http_is(KIO_HTTP_VALUE, bytes[scan->at])) {
      return kio_http_fail(scan, 400, "a control character in a chunk's extension");
    }
    scan->at++;
  }
  if (scan->at >= end) return KIO_HTTP_MORE;
  scan->at++;
  return KIO_HTTP_DONE;
}

static kio_http_outcome take_token(kio_http_scan *scan, uint32_t end) {
  uint32_t n = kio_http_run(KIO_HTTP_TOKEN, scan->bytes + scan->at, end - scan->at);
  scan->at += n;
  if (scan->at == end) return KIO_HTTP_MORE;
  return n > 0 ? KIO_HTTP_DONE : kio_http_fail(scan, 400, "a chunk's extension of no form");
}

/* `name`, `name=token` or `name="quoted"`, behind the semicolon. */
static kio_http_outcome take_extension(kio_http_scan *scan, uint32_t end) {
  kio_http_outcome outcome = take_token(scan, end);
  if (outcome != KIO_HTTP_DONE || scan->bytes[scan->at] != '=') return outcome;
  if (++scan->at == end) return KIO_HTTP_MORE;
  if (scan->bytes[scan->at] != '"') return take_token(scan, end);
  scan->at++;
  outcome = take_quoted(scan, end);
  return outcome == KIO_HTTP_DONE && scan->at == end ? KIO_HTTP_MORE : outcome;
}

/* All of a chunk's extensions. They are looked at as far as they may reach, and refused when they
   have not ended there. */
static kio_http_outcome take_extensions(kio_http_scan *scan, uint32_t *total) {
  uint32_t start = scan->at, room = EXTENSIONS_MAX - *total;
  if (room > EXTENSION_MAX) room = EXTENSION_MAX;
  bool is_short = scan->size - start > room;
  uint32_t end = is_short ? start + room + 1 : scan->size;
  kio_http_outcome outcome = KIO_HTTP_DONE;
  while (outcome == KIO_HTTP_DONE && scan->at < end && scan->bytes[scan->at] == ';') {
    if (++scan->at == end) outcome = KIO_HTTP_MORE;
    else outcome = take_extension(scan, end);
  }
  *total += scan->at - start;
  bool is_long = outcome == KIO_HTTP_MORE && is_short;
  return is_long ? kio_http_fail(scan, 400, "too many bytes of chunks' extensions") : outcome;
}

static kio_http_outcome take_size_line(kio_http_scan *scan, kio_http_chunks *chunks) {
  kio_http_outcome outcome = take_size(scan, &chunks->left);
  if (outcome == KIO_HTTP_DONE) outcome = take_extensions(scan, &chunks->extensions);
  if (outcome == KIO_HTTP_DONE) {
    outcome = kio_http_scan_line_end(scan, "something behind a chunk's size");
  }
  if (outcome == KIO_HTTP_DONE) {
    chunks->place = chunks->left > 0 ? KIO_HTTP_IN_DATA : KIO_HTTP_AT_TRAILERS;
  }
  return outcome;
}

/* ---- the end ---- */

/* What would change where messages end, or for whom they are. */
static kio_http_outcome check_trailer(kio_http_scan *scan, const kio_http_field *field) {
  static const char *const forbidden[] = {"content-length", "transfer-encoding", "host"};
  for (size_t i = 0; i < KIO_COUNT(forbidden); i++) {
    if (kio_http_same(kio_http_text(scan, field->name), field->name.size, forbidden[i])) {
      return kio_http_fail_field(scan, field->name, 400, "a field that no trailer may have");
    }
  }
  return KIO_HTTP_DONE;
}

static kio_http_outcome take_trailer(kio_http_scan *scan, kio_http_chunks *chunks, uint32_t max,
                                     kio_http_fields *fields) {
  uint32_t start = scan->at, whole = scan->size;
  bool is_short = whole - start >= max;
  if (is_short) scan->size = start + max;
  kio_http_outcome outcome = kio_http_fields_scan(scan, fields);
  scan->size = whole;
  if (outcome == KIO_HTTP_MORE && is_short) {
    return kio_http_fail(scan, 431, "a trailer of more bytes than the limit allows");
  }
  for (uint32_t i = 0; outcome == KIO_HTTP_DONE && i < fields->count; i++) {
    outcome = check_trailer(scan, &fields->list[i]);
  }
  if (outcome != KIO_HTTP_DONE) return outcome;
  chunks->place = KIO_HTTP_ENDED;
  if (fields->count > 0) chunks->trailer = (kio_http_span){start, scan->at - start};
  return KIO_HTTP_DONE;
}

kio_http_outcome kio_http_chunks_scan(kio_http_scan *scan, kio_http_chunks *chunks, uint32_t max,
                                      kio_http_fields *fields) {
  kio_http_outcome outcome = KIO_HTTP_DONE;
  if (chunks->place == KIO_HTTP_AT_END) {
    outcome = kio_http_scan_line_end(scan, "something behind a chunk's bytes");
    if (outcome == KIO_HTTP_DONE) chunks->place = KIO_HTTP_AT_SIZE;
  }
  if (outcome == KIO_HTTP_DONE && chunks->place == KIO_HTTP_AT_SIZE) {
    outcome = take_size_line(scan, chunks);
  }
  if (outcome == KIO_HTTP_DONE && chunks->place == KIO_HTTP_AT_TRAILERS) {
    outcome = take_trailer(scan, chunks, max, fields);
  }
  return outcome;
}
