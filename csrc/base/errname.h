/* The names of errno values, as users compare them ("ECONNRESET"). Any thread may call it. */
#ifndef KIO_BASE_ERRNAME_H
#define KIO_BASE_ERRNAME_H

/* The name of a positive errno; "EUNKNOWN" for one that has none here. */
const char *kio_errname(int err);
/* The errno of that name; 0 for one that is not known here. */
int kio_errname_find(const char *name);

#endif
