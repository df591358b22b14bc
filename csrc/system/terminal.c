/* Owns nothing. */
#include "system/terminal.h"

#include <errno.h>
#include <sys/ioctl.h>

/* Only a master has the number of its other end. There, and anywhere else, EIO is an error. */
bool kio_terminal_ended(int fd, int err) {
  unsigned number;
  return err == -EIO && ioctl(fd, TIOCGPTN, &number) == 0;
}
