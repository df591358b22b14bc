/* Targets of requests (RFC 9112, 3.2) and names of hosts (RFC 3986, 3.2.2). Owns nothing. Any
   thread. */
#include <string.h>

#include "http/bytes.h"
#include "http/head.h"

/* ---- hosts ---- */

enum { PORT_MAX = 65535 };

/* How many bytes the name or the address in brackets is; 0 also when it is none. */
static uint32_t host_size(const char *text, uint32_t size) {
  uint32_t n = 0;
  if (size > 0 && text[0] == '[') {
    for (n = 1; n < size && (kio_http_is(KIO_HTTP_HEX, text[n]) || text[n] == ':'); n++) {}
    for (; n < size && (kio_http_is_digit(text[n]) || text[n] == '.'); n++) {}
    return n > 2 && n < size && text[n] == ']' ? n + 1 : 0;
  }
  for (; n < size; n++) {
    if (kio_http_is(KIO_HTTP_NAME, text[n])) continue;
    bool escape = text[n] == '%' && size - n > 2 && kio_http_is(KIO_HTTP_HEX, text[n + 1]) &&
                  kio_http_is(KIO_HTTP_HEX, text[n + 2]);
    if (!escape) break;
    n += 2;
  }
  return n;
}

/* ":" and digits. */
static bool is_port(const char *text, uint32_t size) {
  unsigned number = 0;
  if (size < 2 || size > 6 || text[0] != ':') return false;
  for (uint32_t i = 1; i < size; i++) {
    if (!kio_http_is_digit(text[i])) return false;
    number = number * 10 + (unsigned)(text[i] - '0');
  }
  return number <= PORT_MAX;
}

bool kio_http_is_host(const char *text, uint32_t size) {
  uint32_t n = host_size(text, size);
  return n == size || (n > 0 && is_port(text + n, size - n));
}

static bool has_port(const char *text, uint32_t size) {
  uint32_t n = host_size(text, size);
  return n > 0 && is_port(text + n, size - n);
}

/* ---- targets ---- */

/* From a "/" or "?" to the end. */
static void read_path(const kio_http_scan *scan, uint32_t from, kio_http_head *head) {
  uint32_t end = head->target.at + head->target.size;
  const char *mark = memchr(scan->bytes + from, '?', end - from);
  uint32_t path_end = mark ? (uint32_t)(mark - scan->bytes) : end;
  head->path = (kio_http_span){from, path_end - from};
  if (mark) head->query = (kio_http_span){path_end + 1, end - path_end - 1};
}

/* How many bytes "http://" or "https://" is; 0: neither is there. */
static uint32_t scheme_size(const char *text, uint32_t size) {
  if (size >= 7 && kio_http_same(text, 7, "http://")) return 7;
  return size >= 8 && kio_http_same(text, 8, "https://") ? 8 : 0;
}

static kio_http_outcome read_absolute(kio_http_scan *scan, kio_http_head *head) {
  uint32_t size = head->target.size;
  const char *text = kio_http_text(scan, head->target);
  uint32_t scheme = scheme_size(text, size), n = scheme;
  if (scheme == 0) return kio_http_fail(scan, 400, "a target of no form that there is");
  while (n < size && text[n] != '/' && text[n] != '?') n++;
  head->authority = (kio_http_span){head->target.at + scheme, n - scheme};
  if (n == scheme || !kio_http_is_host(text + scheme, n - scheme)) {
    return kio_http_fail(scan, 400, "a target whose host is none");
  }
  read_path(scan, head->target.at + n, head);
  return KIO_HTTP_DONE;
}

kio_http_outcome kio_http_target_read(kio_http_scan *scan, kio_http_head *head) {
  const char *text = kio_http_text(scan, head->target);
  const char *method = kio_http_text(scan, head->method);
  uint32_t size = head->target.size, method_size = head->method.size;
  if (method_size == 7 && memcmp(method, "CONNECT", 7) == 0) {
    if (!has_port(text, size)) return kio_http_fail(scan, 400, "CONNECT without host and port");
    head->authority = head->target;
    head->path = (kio_http_span){head->target.at, 0};
    return KIO_HTTP_DONE;
  }
  if (text[0] == '/') {
    read_path(scan, head->target.at, head);
    return KIO_HTTP_DONE;
  }
  if (size == 1 && text[0] == '*') {
    head->path = head->target;
    bool fits = method_size == 7 && memcmp(method, "OPTIONS", 7) == 0;
    return fits ? KIO_HTTP_DONE : kio_http_fail(scan, 400, "a target * without OPTIONS");
  }
  return read_absolute(scan, head);
}
