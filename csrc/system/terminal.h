/* What is special about terminals. Any thread may call it. */
#ifndef KIO_SYSTEM_TERMINAL_H
#define KIO_SYSTEM_TERMINAL_H

#include <stdbool.h>

/* Whether a read that has failed with this negative errno has come to the end: that is how the
   master of a pseudoterminal is told that nobody has the other end open any more (pty(7)). */
bool kio_terminal_ended(int fd, int err);

#endif
