/* Owns a constant table. glibc's strerrorname_np would do, but other libcs lack it. */
#include "base/errname.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/base.h"

#define NAME(e) [e] = #e
static const char *const names[] = {
    NAME(EPERM),
    NAME(ENOENT),
    NAME(ESRCH),
    NAME(EINTR),
    NAME(EIO),
    NAME(ENXIO),
    NAME(E2BIG),
    NAME(ENOEXEC),
    NAME(EBADF),
    NAME(ECHILD),
    NAME(EAGAIN),
    NAME(ENOMEM),
    NAME(EACCES),
    NAME(EFAULT),
    NAME(ENOTBLK),
    NAME(EBUSY),
    NAME(EEXIST),
    NAME(EXDEV),
    NAME(ENODEV),
    NAME(ENOTDIR),
    NAME(EISDIR),
    NAME(EINVAL),
    NAME(ENFILE),
    NAME(EMFILE),
    NAME(ENOTTY),
    NAME(ETXTBSY),
    NAME(EFBIG),
    NAME(ENOSPC),
    NAME(ESPIPE),
    NAME(EROFS),
    NAME(EMLINK),
    NAME(EPIPE),
    NAME(EDOM),
    NAME(ERANGE),
    NAME(EDEADLK),
    NAME(ENAMETOOLONG),
    NAME(ENOLCK),
    NAME(ENOSYS),
    NAME(ENOTEMPTY),
    NAME(ELOOP),
    NAME(EOVERFLOW),
    NAME(EILSEQ),
    NAME(EUSERS),
    NAME(ENOTSOCK),
    NAME(EDESTADDRREQ),
    NAME(EMSGSIZE),
    NAME(EPROTOTYPE),
    NAME(ENOPROTOOPT),
    NAME(EPROTONOSUPPORT),
    NAME(ESOCKTNOSUPPORT),
    NAME(EOPNOTSUPP),
    NAME(EPFNOSUPPORT),
    NAME(EAFNOSUPPORT),
    NAME(EADDRINUSE),
    NAME(EADDRNOTAVAIL),
    NAME(ENETDOWN),
    NAME(ENETUNREACH),
    NAME(ENETRESET),
    NAME(ECONNABORTED),
    NAME(ECONNRESET),
    NAME(ENOBUFS),
    NAME(EISCONN),
    NAME(ENOTCONN),
    NAME(ESHUTDOWN),
    NAME(ETOOMANYREFS),
    NAME(ETIMEDOUT),
    NAME(ECONNREFUSED),
    NAME(EHOSTDOWN),
    NAME(EHOSTUNREACH),
    NAME(EALREADY),
    NAME(EINPROGRESS),
    NAME(ESTALE),
    NAME(EDQUOT),
    NAME(ENOMEDIUM),
    NAME(ECANCELED),
    NAME(EPROTO),
    NAME(EBADMSG),
    NAME(ENODATA),
    NAME(ETIME),
};
#undef NAME

const char *kio_errname(int err) {
  bool known = err > 0 && (size_t)err < KIO_COUNT(names) && names[err];
  return known ? names[err] : "EUNKNOWN";
}

int kio_errname_find(const char *name) {
  for (size_t i = 0; i < KIO_COUNT(names); i++) {
    if (names[i] && strcmp(names[i], name) == 0) return (int)i;
  }
  return 0;
}

void kio_errname_text(int err, char *text, size_t size) {
  /* Mostly a deadline of the program's own, and often no connection is about. */
  snprintf(text, size, "%s", err == ETIMEDOUT ? "timed out" : strerror(err));
  /* Abbreviations keep their capitals. */
  if (text[0] && !isupper((unsigned char)text[1])) text[0] = (char)tolower((unsigned char)text[0]);
}
