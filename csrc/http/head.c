/* Owns nothing. Any thread. */
#include "http/head.h"

kio_http_outcome kio_http_head_scan(kio_http_scan *scan, const kio_http_limits *limits,
                                    kio_http_kind kind, kio_http_head *head,
                                    kio_http_field *fields) {
  kio_http_fields list = {fields, 0, limits->max_fields};
  *head = (kio_http_head){.length = -1};
  kio_http_outcome outcome = kind == KIO_HTTP_REQUEST
                                 ? kio_http_scan_request_line(scan, limits->max_target, head)
                                 : kio_http_scan_status_line(scan, head);
  if (outcome == KIO_HTTP_DONE) outcome = kio_http_fields_scan(scan, &list);
  if (outcome != KIO_HTTP_DONE) return outcome;
  head->field_count = list.count;
  head->size = scan->at;
  return kio_http_framing_read(scan, kind, head, fields);
}
