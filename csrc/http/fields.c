/* Owns nothing. Any thread. */
#include "http/fields.h"

#include "http/bytes.h"

static bool is_space(char byte) {
  return byte == ' ' || byte == '\t';
}

static kio_http_outcome wrong_name(kio_http_scan *scan, kio_http_span name, char next) {
  static const char no_colon[] = "a field without a colon";
  if (is_space(next)) {
    return kio_http_fail_field(scan, name, 400, "white space before the colon of a field");
  }
  if (next == '\r' || next == '\n') return kio_http_fail_field(scan, name, 400, no_colon);
  if (name.size == 0) return kio_http_fail(scan, 400, "a field without a name");
  return kio_http_fail_field(scan, name, 400, "a byte that no field's name may have");
}

static kio_http_outcome take_name(kio_http_scan *scan, kio_http_span *name) {
  const char *bytes = scan->bytes + scan->at;
  *name = (kio_http_span){scan->at, kio_http_run(KIO_HTTP_TOKEN, bytes, scan->size - scan->at)};
  scan->at += name->size;
  if (scan->at == scan->size) return KIO_HTTP_MORE;
  if (name->size == 0 || bytes[name->size] != ':') {
    return wrong_name(scan, *name, bytes[name->size]);
  }
  scan->at++;
  return KIO_HTTP_DONE;
}

static kio_http_outcome take_value(kio_http_scan *scan, kio_http_field *field) {
  const char *bytes = scan->bytes;
  while (scan->at < scan->size && is_space(bytes[scan->at])) scan->at++;
  uint32_t size = kio_http_run_of_value(bytes + scan->at, scan->size - scan->at);
  field->value = (kio_http_span){scan->at, size};
  scan->at += size;
  while (size > 0 && is_space(bytes[field->value.at + size - 1])) size--;
  field->value.size = size;
  kio_http_outcome outcome = kio_http_scan_line_end(scan, "a control character in a field");
  if (outcome == KIO_HTTP_FAILED) scan->fault.name = field->name;
  return outcome;
}

static kio_http_outcome take_field(kio_http_scan *scan, kio_http_fields *fields) {
  if (is_space(scan->bytes[scan->at])) {
    return kio_http_fail(scan, 400, "a folded line, or white space before a field");
  }
  if (fields->count == fields->max) return kio_http_fail(scan, 431, "too many fields");
  kio_http_field *field = &fields->list[fields->count];
  kio_http_outcome outcome = take_name(scan, &field->name);
  if (outcome == KIO_HTTP_DONE) outcome = take_value(scan, field);
  if (outcome == KIO_HTTP_DONE) fields->count++;
  return outcome;
}

kio_http_outcome kio_http_fields_scan(kio_http_scan *scan, kio_http_fields *fields) {
  fields->count = 0;
  for (;;) {
    if (scan->at == scan->size) return KIO_HTTP_MORE;
    char next = scan->bytes[scan->at];
    if (next == '\r' || next == '\n') return kio_http_scan_line_end(scan, "");
    kio_http_outcome outcome = take_field(scan, fields);
    if (outcome != KIO_HTTP_DONE) return outcome;
  }
}
