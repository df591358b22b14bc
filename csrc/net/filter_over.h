/* One filter over another: together they are a filter, so that whoever has one can have several. */
#ifndef KIO_NET_FILTER_OVER_H
#define KIO_NET_FILTER_OVER_H

#include "net/filter.h"

/* A filter that is shown so many bytes and takes none of them has failed: no memory holds all that
   a peer may send. */
enum { KIO_FILTER_UNTAKEN_MAX = 262144 };

/* *filter becomes `upper` over what it was, which is ready, and owns both. `lower` has decoded
   `size` bytes that nobody has taken: they are the first of `upper`; `ended`: none come behind
   them. False when memory is out: nothing has changed. */
bool kio_filter_over(kio_filter *filter, kio_filter upper, const char *first, size_t size,
                     bool ended);
/* The filters that it is made of, by their places: 0 is the topmost. NULL: there are no more. */
const kio_filter *kio_filter_at(const kio_filter *filter, int place);
/* Whether it has taken bytes that it has not decoded: it will when its output has left. */
bool kio_filter_keeps(const kio_filter *filter);

#endif
