/* SHA-1, for the handshake of WebSocket, which proves nothing by it but that the server knows the
   protocol. */
#ifndef KIO_HTTP_SHA1_H
#define KIO_HTTP_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define KIO_HTTP_SHA1_SIZE 20

/* The digest of a text. */
void kio_http_sha1(const char *data, size_t size, uint8_t digest[KIO_HTTP_SHA1_SIZE]);

#endif
