/* Owns nothing: whether lines are wanted is for the environment to say. Any thread may call it. */
#include "base/log.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

void kio_log(const char *format, ...) {
  char line[512] = "kio: ";
  const char *level = getenv("KIO_LOG");
  if (!level || strcmp(level, "debug") != 0) return;
  size_t used = strlen(line), room = sizeof line - used - 1;
  va_list args;
  va_start(args, format);
  int size = vsnprintf(line + used, room, format, args);
  va_end(args);
  if (size < 0) return;
  used += kio_min_size((size_t)size, room - 1);
  line[used++] = '\n';
  if (write(STDERR_FILENO, line, used) < 0) return; /* there is nobody to tell */
}
