/* Filters under a stream. */
#ifndef KIO_NET_CARRIER_FILTER_H
#define KIO_NET_CARRIER_FILTER_H

#include "net/filter.h"
#include "net/stream.h"

#define KIO_FILTERS_MAX 4 /* under one stream */

/* Puts the filter between the stream and its carrier, over the filters that it has, and owns it
   from then on. These are ready, and fewer than KIO_FILTERS_MAX. Nothing of the stream's is under
   way, and what is unread is the filter's first input. 0, -ENOMEM, -EPROTO: one of them has failed,
   or -EPIPE: its output has ended. */
int kio_filter_put(kio_stream *stream, kio_filter filter);
/* The stream's topmost filter; NULL: it has none. */
const kio_filter *kio_filter_of(const kio_stream *stream);
/* Whether the stream has as many filters as it may have. */
bool kio_filter_full(const kio_stream *stream);
/* Whether the handshake of its topmost filter is over; true without one. */
bool kio_filter_ready(const kio_stream *stream);
/* What the stream's filter has to say by itself leaves. */
void kio_filter_stir(kio_stream *stream);
/* The next reader waits for the end of the handshake, too. */
void kio_filter_expect(kio_stream *stream);

#endif
