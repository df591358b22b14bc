/* Names of signals, written without SIG: "TERM", "HUP", "RTMIN+3". Any thread may call. */
#ifndef KIO_BASE_SIGNAME_H
#define KIO_BASE_SIGNAME_H

#include "base/base.h"

enum { KIO_SIGNAL_MAX = 64 }; /* the highest number Linux has: one bit of a uint64_t for each */

/* The bit that stands for a signal in a set of them. */
static inline uint64_t kio_signal_bit(int number) {
  return (uint64_t)1 << (number - 1);
}
/* Writes the name of a signal to `text`, ended by a zero byte; "17?" for one without a name. */
void kio_signame(int number, char text[16]);
/* The signal of that name; 0 when there is none. */
int kio_signame_find(const char *name);

#endif
