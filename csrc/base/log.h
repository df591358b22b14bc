/* What happens seldom and explains a program that behaves oddly: a full queue, a late job, a ring
   that got less than it asked for. One line each on stderr, and only with KIO_LOG=debug in the
   environment. Names in it may come from anywhere: what cannot be printed is escaped. Any thread
   may call it; each line is one write(2). */
#ifndef KIO_BASE_LOG_H
#define KIO_BASE_LOG_H

#include "base/base.h"

/* Writes "kio: " and the text. Looks into the environment each time: nothing for a path that is
   taken often. `format` as for printf(3). */
void kio_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* kio_log for what must be said: always. Its lines stay lines, the later ones behind a tab. */
void kio_log_always(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Counts an event that may come every turn, and logs its 1st, 2nd, 4th, 8th... */
static inline void kio_log_count(uint64_t *count, const char *what) {
  uint64_t n = ++*count;
  if ((n & (n - 1)) == 0) kio_log("%s (%llu so far)", what, (unsigned long long)n);
}

#endif
