/* Owns nothing. */
#include "system/kernel.h"

#include <stdio.h>
#include <sys/utsname.h>

int kio_kernel_version(void) {
  int major = 0, minor = 0;
  struct utsname name;
  if (uname(&name) != 0 || sscanf(name.release, "%d.%d", &major, &minor) != 2) return 0;
  return KIO_KERNEL(major, minor);
}
