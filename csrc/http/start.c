/* First lines. Owns nothing. Any thread. */
#include "http/bytes.h"
#include "http/head.h"

enum { METHOD_MAX = 32 /* no registered one is half as long */ };

/* Takes bytes of one kind, at most `max`: more is a `status`. */
static kio_http_outcome take_run(kio_http_scan *scan, kio_http_bytes kind, uint32_t max, int status,
                                 kio_http_span *span) {
  uint32_t left = scan->size - scan->at;
  *span = (kio_http_span){scan->at, kio_http_run(kind, scan->bytes + scan->at, left)};
  if (span->size > max) return kio_http_fail(scan, status, "more bytes than the limit allows");
  scan->at += span->size;
  return span->size == left ? KIO_HTTP_MORE : KIO_HTTP_DONE;
}

static kio_http_outcome take_byte(kio_http_scan *scan, char byte, const char *words) {
  if (scan->at == scan->size) return KIO_HTTP_MORE;
  if (scan->bytes[scan->at] != byte) return kio_http_fail(scan, 400, words);
  scan->at++;
  return KIO_HTTP_DONE;
}

/* "HTTP/1.0" or "HTTP/1.1". */
static kio_http_outcome take_version(kio_http_scan *scan, uint8_t *minor) {
  static const char form[] = "HTTP/0.0";
  const char *bytes = scan->bytes + scan->at;
  for (uint32_t i = 0; form[i]; i++) {
    if (scan->at + i == scan->size) return KIO_HTTP_MORE;
    bool fits = form[i] == '0' ? kio_http_is_digit(bytes[i]) : bytes[i] == form[i];
    if (!fits) return kio_http_fail(scan, 400, "a first line without a version");
  }
  if (bytes[5] != '1' || bytes[7] > '1') {
    return kio_http_fail(scan, 505, "a version that is neither HTTP/1.0 nor HTTP/1.1");
  }
  *minor = bytes[7] == '1';
  scan->at += sizeof form - 1;
  return KIO_HTTP_DONE;
}

static kio_http_outcome take_method(kio_http_scan *scan, kio_http_head *head) {
  kio_http_outcome outcome = take_run(scan, KIO_HTTP_TOKEN, METHOD_MAX, 501, &head->method);
  if (outcome != KIO_HTTP_DONE) return outcome;
  if (head->method.size == 0) return kio_http_fail(scan, 400, "a request line without a method");
  return take_byte(scan, ' ', "a method that does not end with a space");
}

static kio_http_outcome take_target(kio_http_scan *scan, uint32_t max, kio_http_head *head) {
  kio_http_outcome outcome = take_run(scan, KIO_HTTP_TARGET, max, 414, &head->target);
  if (outcome != KIO_HTTP_DONE) return outcome;
  if (head->target.size == 0) return kio_http_fail(scan, 400, "a request line without a target");
  char next = scan->bytes[scan->at];
  if (next == '\r' || next == '\n') return kio_http_fail(scan, 400, "a request without a version");
  return take_byte(scan, ' ', "a byte that no target may have");
}

/* One empty line is passed over, which old clients send behind a body. */
kio_http_outcome kio_http_scan_request_line(kio_http_scan *scan, uint32_t max_target,
                                            kio_http_head *head) {
  kio_http_outcome outcome = KIO_HTTP_DONE;
  bool is_empty = scan->size > 0 && (scan->bytes[0] == '\r' || scan->bytes[0] == '\n');
  if (is_empty) outcome = kio_http_scan_line_end(scan, "");
  if (outcome == KIO_HTTP_DONE) outcome = take_method(scan, head);
  if (outcome == KIO_HTTP_DONE) outcome = take_target(scan, max_target, head);
  if (outcome == KIO_HTTP_DONE) outcome = take_version(scan, &head->minor);
  if (outcome == KIO_HTTP_DONE) {
    outcome = kio_http_scan_line_end(scan, "something behind the version");
  }
  return outcome == KIO_HTTP_DONE ? kio_http_target_read(scan, head) : outcome;
}

static kio_http_outcome take_status(kio_http_scan *scan, uint16_t *status) {
  *status = 0;
  for (int i = 0; i < 3; i++) {
    if (scan->at == scan->size) return KIO_HTTP_MORE;
    char digit = scan->bytes[scan->at];
    bool fits = kio_http_is_digit(digit) && (i > 0 || digit > '0');
    if (!fits) return kio_http_fail(scan, 400, "a status that is no number from 100 to 999");
    *status = (uint16_t)(*status * 10 + (digit - '0'));
    scan->at++;
  }
  return KIO_HTTP_DONE;
}

/* The space belongs there also when no reason follows; who leaves it out is understood. */
static kio_http_outcome take_reason(kio_http_scan *scan, kio_http_span *reason) {
  if (scan->at == scan->size) return KIO_HTTP_MORE;
  bool has_space = scan->bytes[scan->at] == ' ';
  scan->at += has_space;
  uint32_t left = scan->size - scan->at;
  uint32_t size = has_space ? kio_http_run_of_value(scan->bytes + scan->at, left) : 0;
  *reason = (kio_http_span){scan->at, size};
  scan->at += size;
  return kio_http_scan_line_end(scan, has_space ? "a control character in the reason"
                                                : "a status of more than three digits");
}

kio_http_outcome kio_http_scan_status_line(kio_http_scan *scan, kio_http_head *head) {
  kio_http_outcome outcome = take_version(scan, &head->minor);
  if (outcome == KIO_HTTP_DONE) {
    outcome = take_byte(scan, ' ', "a version that does not end with a space");
  }
  if (outcome == KIO_HTTP_DONE) outcome = take_status(scan, &head->status);
  return outcome == KIO_HTTP_DONE ? take_reason(scan, &head->reason) : outcome;
}
