/* What fields say about the body and the connection (RFC 9112, 6 and 9). Never guesses: what could
   be read in two ways is refused. Owns nothing. Any thread. */
#include <string.h>

#include "http/bytes.h"
#include "http/head.h"

#define LENGTH_MAX (1LL << 53) /* what every language can count to */

/* The fields that matter here; a size of the name of 0: there is none. */
typedef struct facts {
  kio_http_field host, length, coding, expect, upgrade;
  bool closes, stays, upgrades; /* what Connection names */
} facts;

/* ---- fields ---- */

/* Notes the only one of its name. */
static kio_http_outcome note(kio_http_scan *scan, kio_http_field *place,
                             const kio_http_field *field, const char *words) {
  if (place->name.size > 0) return kio_http_fail_field(scan, field->name, 400, words);
  *place = *field;
  return KIO_HTTP_DONE;
}

static void read_option(const char *text, size_t size, facts *f) {
  if (kio_http_same(text, size, "close")) f->closes = true;
  else if (kio_http_same(text, size, "keep-alive")) f->stays = true;
  else if (kio_http_same(text, size, "upgrade")) f->upgrades = true;
}

/* Connection: a list, of names between commas and white space. */
static void read_connection(const char *text, size_t size, facts *f) {
  size_t at = 0;
  while (at < size) {
    size_t start = at;
    while (at < size && kio_http_is(KIO_HTTP_TOKEN, text[at])) at++;
    if (at > start) read_option(text + start, at - start, f);
    else at++;
  }
}

static kio_http_outcome read_field(kio_http_scan *scan, const kio_http_field *field, facts *f) {
  const char *name = kio_http_text(scan, field->name);
  const char *value = kio_http_text(scan, field->value);
  size_t size = field->name.size;
  switch (size) {
  case 4:
    if (!kio_http_same(name, size, "host")) break;
    return note(scan, &f->host, field, "more than one Host");
  case 6:
    if (!kio_http_same(name, size, "expect")) break;
    return note(scan, &f->expect, field, "more than one Expect");
  case 7:
    if (f->upgrade.name.size == 0 && kio_http_same(name, size, "upgrade")) f->upgrade = *field;
    break;
  case 10:
    if (kio_http_same(name, size, "connection")) read_connection(value, field->value.size, f);
    break;
  case 14:
    if (!kio_http_same(name, size, "content-length")) break;
    return note(scan, &f->length, field, "more than one Content-Length");
  case 17:
    if (!kio_http_same(name, size, "transfer-encoding")) break;
    return note(scan, &f->coding, field, "more than one Transfer-Encoding");
  default: break;
  }
  return KIO_HTTP_DONE;
}

/* ---- what they say ---- */

static bool same_text(const kio_http_scan *scan, kio_http_span a, kio_http_span b) {
  if (a.size != b.size) return false;
  for (uint32_t i = 0; i < a.size; i++) {
    char x = scan->bytes[a.at + i], y = scan->bytes[b.at + i];
    if (kio_http_lower(x) != kio_http_lower(y)) return false;
  }
  return true;
}

static kio_http_outcome check_host(kio_http_scan *scan, kio_http_head *head, const facts *f) {
  bool is_there = f->host.name.size > 0, in_target = head->authority.at > 0;
  bool of_connect = in_target && head->authority.at == head->target.at; /* says what it is for */
  if (!is_there) {
    return head->minor == 0 ? KIO_HTTP_DONE : kio_http_fail(scan, 400, "a request without a Host");
  }
  if (!kio_http_is_host(kio_http_text(scan, f->host.value), f->host.value.size)) {
    return kio_http_fail_field(scan, f->host.name, 400, "a Host that is none");
  }
  if (!in_target) head->authority = f->host.value;
  else if (!of_connect && !same_text(scan, head->authority, f->host.value)) {
    return kio_http_fail_field(scan, f->host.name, 400, "a Host that is not the target's");
  }
  return KIO_HTTP_DONE;
}

/* Allowed, but read as a part of the value by some, who then see another length or coding, and end
   the message elsewhere. */
static bool has_space_behind(const kio_http_scan *scan, const kio_http_field *field) {
  return scan->bytes[field->value.at + field->value.size] != '\r';
}

static kio_http_outcome read_length(kio_http_scan *scan, const kio_http_field *field,
                                    int64_t *length) {
  const char *text = kio_http_text(scan, field->value);
  int64_t number = 0;
  if (has_space_behind(scan, field)) {
    return kio_http_fail_field(scan, field->name, 400, "white space behind a Content-Length");
  }
  bool fits = field->value.size > 0;
  for (uint32_t i = 0; fits && i < field->value.size; i++) {
    fits = kio_http_is_digit(text[i]);
    if (fits) number = number * 10 + (text[i] - '0');
    fits = fits && number <= LENGTH_MAX;
  }
  if (!fits) {
    return kio_http_fail_field(scan, field->name, 400, "a Content-Length that is no number");
  }
  *length = number;
  return KIO_HTTP_DONE;
}

static kio_http_outcome read_coding(kio_http_scan *scan, kio_http_head *head,
                                    const kio_http_field *field) {
  if (head->minor == 0) {
    return kio_http_fail_field(scan, field->name, 400, "Transfer-Encoding in HTTP/1.0");
  }
  if (head->length >= 0) {
    return kio_http_fail_field(scan, field->name, 400, "Transfer-Encoding beside a Content-Length");
  }
  if (has_space_behind(scan, field)) {
    return kio_http_fail_field(scan, field->name, 400, "white space behind a Transfer-Encoding");
  }
  if (!kio_http_same(kio_http_text(scan, field->value), field->value.size, "chunked")) {
    return kio_http_fail_field(scan, field->name, 501, "a Transfer-Encoding other than chunked");
  }
  head->framing = KIO_HTTP_CHUNKED;
  return KIO_HTTP_DONE;
}

/* The declared length and coding. */
static kio_http_outcome read_lengths(kio_http_scan *scan, kio_http_head *head, const facts *f) {
  kio_http_outcome outcome = KIO_HTTP_DONE;
  if (f->length.name.size > 0) {
    head->framing = KIO_HTTP_LENGTH;
    outcome = read_length(scan, &f->length, &head->length);
  }
  if (outcome == KIO_HTTP_DONE && f->coding.name.size > 0) {
    outcome = read_coding(scan, head, &f->coding);
  }
  return outcome;
}

/* What follows CONNECT is no body, also when a length says that there is one. */
static kio_http_outcome check_connect(kio_http_scan *scan, const kio_http_head *head) {
  bool of_connect = head->authority.at > 0 && head->authority.at == head->target.at;
  bool has_body = head->framing == KIO_HTTP_CHUNKED || head->length > 0;
  return of_connect && has_body ? kio_http_fail(scan, 400, "CONNECT with a body") : KIO_HTTP_DONE;
}

/* HTTP/1.0 knows no expectations. */
static kio_http_outcome read_expectation(kio_http_scan *scan, kio_http_head *head,
                                         const kio_http_field *expect) {
  if (expect->name.size == 0 || head->minor == 0) return KIO_HTTP_DONE;
  if (!kio_http_same(kio_http_text(scan, expect->value), expect->value.size, "100-continue")) {
    return kio_http_fail_field(scan, expect->name, 417, "an expectation other than 100-continue");
  }
  head->expect_continue = head->framing != KIO_HTTP_NONE && head->length != 0;
  return KIO_HTTP_DONE;
}

/* Whether a response has no body, whatever its fields say. */
static bool is_bodiless(kio_http_kind kind, uint16_t status) {
  if (kind == KIO_HTTP_RESPONSE_TO_HEAD || status == 304 || status == 204) return true;
  return status < 200 || (kind == KIO_HTTP_RESPONSE_TO_CONNECT && status < 300);
}

/* A response without a body that its peer may read with one: 1xx and 204 have neither length nor
   coding. */
static kio_http_outcome end_response(kio_http_scan *scan, kio_http_kind kind, kio_http_head *head) {
  if (!is_bodiless(kind, head->status)) {
    if (head->framing == KIO_HTTP_NONE) head->framing = KIO_HTTP_CLOSE;
    return KIO_HTTP_DONE;
  }
  bool never = head->status < 200 || head->status == 204;
  if (never && (head->framing == KIO_HTTP_CHUNKED || head->length > 0)) {
    return kio_http_fail(scan, 400, "a body where the status allows none");
  }
  head->framing = KIO_HTTP_NONE;
  return KIO_HTTP_DONE;
}

kio_http_outcome kio_http_framing_read(kio_http_scan *scan, kio_http_kind kind, kio_http_head *head,
                                       const kio_http_field *fields) {
  facts f;
  memset(&f, 0, sizeof f);
  kio_http_outcome outcome = KIO_HTTP_DONE;
  for (uint32_t i = 0; outcome == KIO_HTTP_DONE && i < head->field_count; i++) {
    outcome = read_field(scan, &fields[i], &f);
  }
  bool of_request = kind == KIO_HTTP_REQUEST;
  if (outcome == KIO_HTTP_DONE && of_request) outcome = check_host(scan, head, &f);
  if (outcome == KIO_HTTP_DONE) outcome = read_lengths(scan, head, &f);
  if (outcome == KIO_HTTP_DONE && of_request) outcome = check_connect(scan, head);
  if (outcome == KIO_HTTP_DONE) {
    outcome = of_request ? read_expectation(scan, head, &f.expect) : end_response(scan, kind, head);
  }
  if (outcome != KIO_HTTP_DONE) return outcome;
  if (f.upgrades && f.upgrade.name.size > 0) head->upgrade = f.upgrade.value;
  head->keep_alive = !f.closes && (head->minor == 1 || f.stays) && head->framing != KIO_HTTP_CLOSE;
  return KIO_HTTP_DONE;
}
