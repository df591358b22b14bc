/* The head of a request or a response: its first line and its fields, checked, and what they say
   about the connection and the body. */
#ifndef KIO_HTTP_HEAD_H
#define KIO_HTTP_HEAD_H

#include "http/fields.h"

typedef struct kio_http_limits {
  uint32_t max_head;     /* bytes, its lines' ends and the empty line among them */
  uint32_t max_fields;   /* KIO_HTTP_FIELDS_MAX at most */
  uint32_t max_target;   /* bytes */
  uint32_t max_trailers; /* bytes, likewise */
} kio_http_limits;

/* What is asked for; of responses, what was. */
typedef enum kio_http_kind {
  KIO_HTTP_REQUEST,
  KIO_HTTP_RESPONSE,
  KIO_HTTP_RESPONSE_TO_HEAD,
  KIO_HTTP_RESPONSE_TO_CONNECT
} kio_http_kind;

typedef enum kio_http_framing {
  KIO_HTTP_NONE,    /* no body */
  KIO_HTTP_LENGTH,  /* so many bytes */
  KIO_HTTP_CHUNKED, /* chunks, and trailers */
  KIO_HTTP_CLOSE    /* all that comes */
} kio_http_framing;

/* Spans are in the bytes that were scanned. */
typedef struct kio_http_head {
  kio_http_span method, target;
  kio_http_span authority;   /* of the target, else of Host; without a place: neither */
  kio_http_span path, query; /* of the target; without a place: there is none */
  kio_http_span reason;      /* of a response */
  kio_http_span upgrade;     /* the Upgrade field that Connection names, else without a place */
  int64_t length;            /* as declared; -1: not */
  uint32_t size;             /* bytes of the whole head */
  uint32_t field_count;
  uint16_t status;      /* of a response; 0: a request */
  uint8_t minor;        /* HTTP/1.`minor` */
  uint8_t framing;      /* kio_http_framing */
  bool keep_alive;      /* the connection may go on behind it */
  bool expect_continue; /* the body is held back until "100 Continue" */
} kio_http_head;

/* Scans a whole head, from the first byte on. The limits' max_head is the caller's matter. */
kio_http_outcome kio_http_head_scan(kio_http_scan *scan, const kio_http_limits *limits,
                                    kio_http_kind kind, kio_http_head *head,
                                    kio_http_field *fields);

/* The parts of it. The first line: */
kio_http_outcome kio_http_scan_request_line(kio_http_scan *scan, uint32_t max_target,
                                            kio_http_head *head);
kio_http_outcome kio_http_scan_status_line(kio_http_scan *scan, kio_http_head *head);
/* What form the target has: sets path, query and authority. */
kio_http_outcome kio_http_target_read(kio_http_scan *scan, kio_http_head *head);
/* Whether the text is the name or address of a host, perhaps with a port; "" is. */
bool kio_http_is_host(const char *text, uint32_t size);
/* What the fields say, when all of them are there. */
kio_http_outcome kio_http_framing_read(kio_http_scan *scan, kio_http_kind kind, kio_http_head *head,
                                       const kio_http_field *fields);

#endif
