/* Owns nothing. Any thread. */
#include "http/scan.h"

kio_http_outcome kio_http_scan_line_end(kio_http_scan *scan, const char *other) {
  if (scan->at == scan->size) return KIO_HTTP_MORE;
  const char *next = scan->bytes + scan->at;
  if (*next == '\n') return kio_http_fail(scan, 400, "a line ends with a bare LF");
  if (*next != '\r') return kio_http_fail(scan, 400, other);
  if (scan->at + 1 == scan->size) return KIO_HTTP_MORE;
  if (next[1] != '\n') return kio_http_fail(scan, 400, "a CR without an LF");
  scan->at += 2;
  return KIO_HTTP_DONE;
}
