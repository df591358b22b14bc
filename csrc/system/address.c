/* Owns nothing. Formats: ip(7), ipv6(7), unix(7); brackets as in RFC 3986, section 3.2.2. */
#include "system/address.h"

#include <arpa/inet.h>
#include <string.h>

enum { HOST_MAX = 64, PORT_MAX = 65535, NAME_MAX_SIZE = 253, LABEL_MAX = 63 };

const char kio_address_is_name[] = "the host is a name, and must be numeric here: kio.net.resolve";
static const char bad_host[] =
    "the host must be a numeric IPv4 address, an IPv6 address in brackets, or a name";

void kio_address_blank(kio_sockaddr *address) {
  *address = (kio_sockaddr){.size = sizeof address->as};
}

/* Decimal digits only, within the range; -1 otherwise. */
static long number(const char *text, size_t size, long max) {
  long value = 0;
  if (size == 0) return -1;
  for (size_t i = 0; i < size; i++) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
    if (value > max) return -1;
  }
  return value;
}

static const char *parse_unix(const char *name, size_t size, kio_sockaddr *out) {
  struct sockaddr_un *local = &out->as.local;
  bool abstract = size > 0 && name[0] == '@';
  if (size == 0) return "the path is empty";
  if (!abstract && memchr(name, 0, size)) return "the path contains a zero byte";
  if (size + !abstract > sizeof local->sun_path) return "the path is longer than 107 bytes";
  local->sun_family = AF_UNIX;
  memcpy(local->sun_path, name, size);
  if (abstract) local->sun_path[0] = 0;
  out->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + !abstract);
  return NULL;
}

static const char *parse_v6(char *host, uint16_t port, kio_sockaddr *out) {
  struct sockaddr_in6 *v6 = &out->as.v6;
  char *scope = strchr(host, '%');
  if (scope) {
    *scope++ = 0;
    long id = number(scope, strlen(scope), UINT32_MAX);
    if (id < 0) return "the scope after '%' must be an interface's number";
    v6->sin6_scope_id = (uint32_t)id;
  }
  if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1) return "not an IPv6 address";
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  out->size = sizeof *v6;
  return NULL;
}

static const char *parse_v4(const char *host, uint16_t port, kio_sockaddr *out) {
  struct sockaddr_in *v4 = &out->as.v4;
  if (strcmp(host, "localhost") == 0) host = "127.0.0.1";
  if (inet_pton(AF_INET, host, &v4->sin_addr) != 1) return bad_host;
  v4->sin_family = AF_INET;
  v4->sin_port = htons(port);
  out->size = sizeof *v4;
  return NULL;
}

/* ---- names: RFC 1123, section 2.1, and the underscore that is in use ---- */

static bool is_in_name(unsigned char c) {
  bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return letter || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* "1.2.3" and "0x7f.1" are numbers to the C library, and 0.0.0.0 is never far: no name ends so. */
static bool is_number(const char *label, size_t size) {
  if (size > 2 && label[0] == '0' && (label[1] | 0x20) == 'x') return true;
  for (size_t i = 0; i < size; i++) {
    if (label[i] < '0' || label[i] > '9') return false;
  }
  return true;
}

/* What is wrong with a name; the constant that says it is one when nothing is. */
static const char *check_name(const char *name, size_t size) {
  size_t begin = 0;
  if (name[size - 1] == '.') size--; /* "example.org." is never completed by a search domain */
  if (size == 0 || size > NAME_MAX_SIZE) return "a name has 1 to 253 bytes";
  for (size_t i = 0; i <= size; i++) {
    if (i < size && (unsigned char)name[i] >= 0x80) {
      return "a name that is not ASCII must be given in its encoded form, xn--...";
    }
    if (i < size && name[i] != '.') {
      if (!is_in_name((unsigned char)name[i])) return bad_host;
      continue;
    }
    if (i == begin || i - begin > LABEL_MAX) return "each part of a name has 1 to 63 bytes";
    if (i == size && is_number(name + begin, i - begin)) return bad_host;
    begin = i + 1;
  }
  return kio_address_is_name;
}

static const char *parse_host(const char *text, size_t size, uint16_t port, kio_sockaddr *out) {
  char host[HOST_MAX];
  bool bracketed = size >= 2 && text[0] == '[' && text[size - 1] == ']';
  if (bracketed) text++, size -= 2;
  if (size == 0) return "the host is missing";
  if (memchr(text, 0, size)) return "not a host address";
  if (bracketed && size >= sizeof host) return "not a host address";
  if (size < sizeof host) {
    memcpy(host, text, size);
    host[size] = 0;
    if (bracketed) return parse_v6(host, port, out);
    if (!parse_v4(host, port, out)) return NULL;
  }
  *out = (kio_sockaddr){0};
  return check_name(text, size);
}

const char *kio_address_parse(const char *text, size_t size, kio_sockaddr *out) {
  *out = (kio_sockaddr){0};
  if (size == 0) return "the address is empty";
  if (size >= 5 && memcmp(text, "unix:", 5) == 0) return parse_unix(text + 5, size - 5, out);
  const char *colon = memrchr(text, ':', size);
  if (!colon) return "the port is missing (\"host:port\")";
  size_t host_size = (size_t)(colon - text);
  if (text[0] != '[' && memchr(text, ':', host_size)) return "an IPv6 host must be in brackets";
  long port = number(colon + 1, size - host_size - 1, PORT_MAX);
  if (port < 0) return "the port must be a number from 0 to 65535";
  return parse_host(text, host_size, (uint16_t)port, out);
}

static size_t format_unix(const kio_sockaddr *address, char *text) {
  const char *path = address->as.local.sun_path;
  size_t head = offsetof(struct sockaddr_un, sun_path);
  size_t size = address->size > head ? address->size - head : 0;
  if (size > sizeof address->as.local.sun_path) size = sizeof address->as.local.sun_path;
  bool abstract = size > 0 && path[0] == 0;
  if (!abstract) size = strnlen(path, size);
  memcpy(text, "unix:", 5);
  memcpy(text + 5, path, size);
  if (abstract) text[5] = '@';
  return 5 + size;
}

size_t kio_address_format(const kio_sockaddr *address, char text[KIO_ADDRESS_TEXT_MAX]) {
  char host[INET6_ADDRSTRLEN];
  const struct sockaddr_in6 *v6 = &address->as.v6;
  const struct sockaddr_in *v4 = &address->as.v4;
  int size = 0;
  if (address->size == 0) return (size_t)snprintf(text, KIO_ADDRESS_TEXT_MAX, "unknown");
  switch (address->as.any.sa_family) {
  case AF_UNIX: return format_unix(address, text);
  case AF_INET:
    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
    size = snprintf(text, KIO_ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(v4->sin_port));
    break;
  case AF_INET6:
    inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
    if (v6->sin6_scope_id) {
      size = snprintf(text, KIO_ADDRESS_TEXT_MAX, "[%s%%%u]:%u", host, v6->sin6_scope_id,
                      ntohs(v6->sin6_port));
    } else {
      size = snprintf(text, KIO_ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(v6->sin6_port));
    }
    break;
  default: size = snprintf(text, KIO_ADDRESS_TEXT_MAX, "unknown");
  }
  kio_assert(size > 0 && size < KIO_ADDRESS_TEXT_MAX);
  return (size_t)size;
}

const char *kio_address_text(const kio_sockaddr *address, char text[KIO_ADDRESS_TEXT_MAX + 1]) {
  text[kio_address_format(address, text)] = 0;
  return text;
}
