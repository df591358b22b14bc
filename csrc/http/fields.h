/* The fields of a head or a trailer. */
#ifndef KIO_HTTP_FIELDS_H
#define KIO_HTTP_FIELDS_H

#include "http/scan.h"

#define KIO_HTTP_FIELDS_MAX 1000 /* the most that limits may allow: 16 KiB of stack */

typedef struct kio_http_field {
  kio_http_span name, value; /* the value without the white space around it */
} kio_http_field;

typedef struct kio_http_fields {
  kio_http_field *list; /* room for `max` of them */
  uint32_t count, max;
} kio_http_fields;

/* Takes fields and the empty line behind them. */
kio_http_outcome kio_http_fields_scan(kio_http_scan *scan, kio_http_fields *fields);

#endif
