/* Large strings are not copied: they are pinned, and leave from where they lie. A stream then has a
   piece of one gathered in place of a buffer, and is sending a piece of one; both strings are
   anchored in the Lua registry. */
#ifndef KIO_NET_PIN_H
#define KIO_NET_PIN_H

#include <lua.h>

#include "net/carrier.h"

/* Whether so many bytes of a string are worth it. */
static inline bool kio_pin_suits(const kio_stream *stream, size_t size) {
  return size >= KIO_PIN_MIN && stream->carrier->pins;
}
/* Takes over what it can of the string at `index` from `at` on, pinned or gathered. How many bytes,
   or -ENOMEM. May raise (memory), with nothing taken. */
int64_t kio_pin_or_gather(lua_State *L, int index, kio_stream *stream, size_t at);

/* For net/stream.c, and for who moves streams: */
/* what is pinned and has not begun to leave is in a buffer from now on. False: memory is out. */
bool kio_pin_copy(kio_stream *stream);
/* What is pinned and has not begun to leave will not; harmless when there is none. */
void kio_pin_drop(kio_stream *stream);
/* Sends what is pinned; nothing else is being sent. */
void kio_pin_send(kio_stream *stream);
/* The send of what was pinned has ended: lets the string go. */
void kio_pin_sent(kio_stream *stream);

#endif
