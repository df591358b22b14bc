/* A filter under a stream. */
#ifndef KIO_NET_CARRIER_FILTER_H
#define KIO_NET_CARRIER_FILTER_H

#include "net/filter.h"
#include "net/stream.h"

/* Puts the filter between the stream and its carrier, and owns it from then on. Nothing of the
   stream's is under way, and what is unread is the filter's first input. 0 or -ENOMEM. */
int kio_filter_put(kio_stream *stream, kio_filter filter);
/* The stream's filter; NULL: it has none. */
const kio_filter *kio_filter_of(const kio_stream *stream);
/* Whether the handshake of the stream's filter is over; true without one. */
bool kio_filter_ready(const kio_stream *stream);
/* What the stream's filter has to say by itself leaves. */
void kio_filter_stir(kio_stream *stream);
/* The next reader waits for the end of the handshake, too. */
void kio_filter_expect(kio_stream *stream);

#endif
