/* Putting lists into a random order that a seed alone decides. No system call, any thread. */
#ifndef KIO_SHUFFLE_H
#define KIO_SHUFFLE_H

#include "base.h"
#include "list.h"

/* The next number of the sequence whose state (at first: whose seed) is at `state`. */
uint64_t kio_shuffle_next(uint64_t *state);
/* Puts a list of `count` links into a random order, each as likely as any other. O(n log n). */
void kio_shuffle(kio_list *list, size_t count, uint64_t *state);

#endif
