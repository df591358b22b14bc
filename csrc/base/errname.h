/* The names of errno values, as users compare them ("ECONNRESET"). Any thread may call it. */
#ifndef KIO_BASE_ERRNAME_H
#define KIO_BASE_ERRNAME_H

#include <stddef.h>

/* The name of a positive errno; "EUNKNOWN" for one that has none here. */
const char *kio_errname(int err);
/* Its text as messages have it in the middle of a sentence, into `text`. */
void kio_errname_text(int err, char *text, size_t size);
/* The errno of that name; 0 for one that is not known here. */
int kio_errname_find(const char *name);

#endif
