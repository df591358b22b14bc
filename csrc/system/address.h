/* Socket addresses as text and back: "127.0.0.1:80", "[::1]:80", "[fe80::1%2]:80",
   "localhost:80" (127.0.0.1, RFC 6761), "unix:/path", "unix:@abstract". Never asks a name server;
   any thread may call it. */
#ifndef KIO_SYSTEM_ADDRESS_H
#define KIO_SYSTEM_ADDRESS_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/base.h"

/* A socket address of any family kio speaks. */
typedef struct kio_sockaddr {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
  } as;
  socklen_t size; /* bytes of `as` in use */
} kio_sockaddr;

enum { KIO_ADDRESS_TEXT_MAX = 128 }; /* longest text of an address, end included */

/* Reads an address. NULL on success, else what is wrong with the text (a constant): this very
   pointer when the host is a name that somebody could look up. */
const char *kio_address_parse(const char *text, size_t size, kio_sockaddr *out);
extern const char kio_address_is_name[];
/* Writes an address; how many bytes (an abstract name may contain zero bytes). */
size_t kio_address_format(const kio_sockaddr *address, char text[KIO_ADDRESS_TEXT_MAX]);
/* kio_address_format, ended by a zero byte; returns `text`. */
const char *kio_address_text(const kio_sockaddr *address, char text[KIO_ADDRESS_TEXT_MAX + 1]);
/* Makes room for the kernel to fill in an address. */
void kio_address_blank(kio_sockaddr *address);

#endif
