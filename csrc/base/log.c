/* Owns nothing: whether lines are wanted is for the environment to say. Any thread may call it. */
#include "base/log.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"

enum { TEXT_MAX = 2048, ROOM = 3 * TEXT_MAX }; /* bytes, before and behind escaping */

/* Writes "kio: ", what it says, and the end of a line. */
static void say(kio_escape_kind kind, const char *format, va_list args) {
  static const char head[] = "kio: ";
  char text[TEXT_MAX], line[ROOM];
  int size = vsnprintf(text, sizeof text, format, args);
  if (size < 0) return;
  size_t used = strlen(strcpy(line, head)), count = kio_min_size((size_t)size, sizeof text - 1);
  used += kio_escape(line + used, sizeof line - used - 1, text, count, kind);
  line[used++] = '\n';
  if (write(STDERR_FILENO, line, used) < 0) return; /* there is nobody to tell */
}

void kio_log(const char *format, ...) {
  const char *level = getenv("KIO_LOG");
  if (!level || strcmp(level, "debug") != 0) return;
  va_list args;
  va_start(args, format);
  say(KIO_ESCAPE_NAME, format, args);
  va_end(args);
}

void kio_log_always(const char *format, ...) {
  va_list args;
  va_start(args, format);
  say(KIO_ESCAPE_TEXT, format, args);
  va_end(args);
}
