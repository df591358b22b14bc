/* Bytes that are looked at from the left, and what is found wrong with them. What comes of a scan
   depends on the bytes alone and not on how many of them are there: the first that breaks a rule
   decides, and MORE is the answer only when all that are there break none. */
#ifndef KIO_HTTP_SCAN_H
#define KIO_HTTP_SCAN_H

#include "base/base.h"

typedef enum kio_http_outcome { KIO_HTTP_DONE, KIO_HTTP_MORE, KIO_HTTP_FAILED } kio_http_outcome;

/* A part of the bytes; none begins at the first of them unless it is told. */
typedef struct kio_http_span {
  uint32_t at, size;
} kio_http_span;

typedef struct kio_http_fault {
  int status;         /* to answer a request with */
  const char *words;  /* the rule that was broken */
  kio_http_span name; /* of the field it is about; size 0: of none */
} kio_http_fault;

typedef struct kio_http_scan {
  const char *bytes;
  uint32_t size;
  uint32_t at; /* the next one */
  kio_http_fault fault;
} kio_http_scan;

/* Notes the fault; returns FAILED. */
static inline kio_http_outcome kio_http_fail(kio_http_scan *scan, int status, const char *words) {
  scan->fault.status = status;
  scan->fault.words = words;
  return KIO_HTTP_FAILED;
}
static inline kio_http_outcome kio_http_fail_field(kio_http_scan *scan, kio_http_span name,
                                                   int status, const char *words) {
  scan->fault.name = name;
  return kio_http_fail(scan, status, words);
}
static inline const char *kio_http_text(const kio_http_scan *scan, kio_http_span span) {
  return scan->bytes + span.at;
}
/* Takes the CRLF that must be next; `other`: what is wrong with another byte that is no CR or
   LF. */
kio_http_outcome kio_http_scan_line_end(kio_http_scan *scan, const char *other);

#endif
