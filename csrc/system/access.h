/* Who may read and write a file that is to take another one's place. All by descriptor: a name may
   lead elsewhere by the time it is used. No Lua here; any thread may call. */
#ifndef KIO_SYSTEM_ACCESS_H
#define KIO_SYSTEM_ACCESS_H

#include "base/base.h"

enum {
  KIO_ACCESS_LIKE = -1, /* the permissions and the access ACL of the other file */
  KIO_ACCESS_KEEP = -2, /* the permissions it has */
};

/* Gives the open file `fd` the owner and group of the file that `like` (also O_PATH; -1: there is
   none) is, as far as this process may, and the permissions `mode` or one of the above. Those of
   `like` are narrowed, never widened, where its group or its ACL cannot be had. 0 or -errno. */
int kio_access_set(int fd, int like, int mode);

#endif
