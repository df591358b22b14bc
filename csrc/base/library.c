/* Owns nothing: the loader of the process keeps count. Any thread calls. */
#include "base/library.h"

#include <dlfcn.h>
#include <stdint.h>

void kio_library_stay(void) {
  Dl_info about;
  if (dladdr((void *)(uintptr_t)kio_library_stay, &about) == 0) return;
  dlopen(about.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE); /* it is loaded: we run in it */
}
