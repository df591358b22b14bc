/* Putting lists into a random order that a seed alone decides. No system call, any thread. */
#ifndef KIO_BASE_SHUFFLE_H
#define KIO_BASE_SHUFFLE_H

#include "base/base.h"
#include "base/list.h"

/* Puts a list of `count` links into a random order, each as likely as any other. O(n log n). The
   number at `state`, at first a seed, decides it, and becomes the one for the next list. */
void kio_shuffle(kio_list *list, size_t count, uint64_t *state);

#endif
