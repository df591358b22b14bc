/* Where tasks are spawned: a file and a line, for people. All tasks that were spawned there share
   one record, as long as it is among those that the scheduler has used last. */
#ifndef KIO_TASK_SITE_H
#define KIO_TASK_SITE_H

#include <stddef.h>

typedef struct kio_site {
  size_t holders; /* tasks that have not ended */
  int line;       /* from 1 */
  char file[];    /* as Lua shortens its name */
} kio_site;

typedef struct kio_sites {
  kio_site *recent[16]; /* by line, while somebody holds them; or NULL */
} kio_sites;

/* That place, with one holder more; NULL when memory is out. */
kio_site *kio_site_hold(kio_sites *sites, const char *file, int line);
/* One holder less; the last one frees it. NULL is allowed. */
void kio_site_drop(kio_sites *sites, kio_site *site);

#endif
