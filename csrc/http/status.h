/* The reasons of statuses. */
#ifndef KIO_HTTP_STATUS_H
#define KIO_HTTP_STATUS_H

/* The reason phrase of RFC 9110; "" for a status without one. Any thread. */
const char *kio_http_reason(int status);

#endif
