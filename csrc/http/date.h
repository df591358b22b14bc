/* The time as HTTP writes it. */
#ifndef KIO_HTTP_DATE_H
#define KIO_HTTP_DATE_H

#include <stdint.h>

#define KIO_HTTP_DATE_LINE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

typedef struct kio_http_date {
  int64_t second;                           /* whose it is; 0: none's yet */
  char text[sizeof KIO_HTTP_DATE_LINE - 1]; /* the field; no zero byte ends it */
} kio_http_date;

enum { KIO_HTTP_DATE_SIZE = sizeof KIO_HTTP_DATE_LINE - sizeof "Date: \r\n" };

/* Writes a time, in seconds since 1970, without a zero byte behind it. */
void kio_http_date_write(char text[KIO_HTTP_DATE_SIZE], int64_t time);
/* Makes it that of the present second. */
void kio_http_date_now(kio_http_date *date);

#endif
