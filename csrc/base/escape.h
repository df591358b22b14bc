/* Names from outside, made fit for a line of a log or a terminal. Any thread may call it. */
#ifndef KIO_BASE_ESCAPE_H
#define KIO_BASE_ESCAPE_H

#include "base/base.h"

typedef enum kio_escape_kind {
  KIO_ESCAPE_NAME, /* stays one line: a line's end is written as \n */
  KIO_ESCAPE_TEXT, /* its lines stay, each behind a tab: none looks like a line of its own */
} kio_escape_kind;

/* Writes the text to `out`, ended by a zero, as much as fits; how many bytes that are. Control
   characters, what is no UTF-8, and what changes the direction of text are written as escapes of
   Lua's. `room` is 1 at least. */
size_t kio_escape(char *out, size_t room, const char *text, size_t size, kio_escape_kind kind);
/* The room that any text of this size needs. */
static inline size_t kio_escape_room(size_t size) {
  return 4 * size + 1;
}

#endif
