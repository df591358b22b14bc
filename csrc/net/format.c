/* The formats of stream:read and its like, and those that other rocks' readers are. Owns nothing.
   Called by the engine, in the running task. */
#include "net/format.h"

#include <string.h>

#include "base/config.h"
#include "net/bytes.h"
#include "task/here.h"

/* How many unread bytes earlier formats of this call have not taken. */
static size_t rest_size(const kio_stream_handle *h) {
  size_t unread = kio_stream_unread(h->stream);
  return unread > h->reading.taken ? unread - h->reading.taken : 0;
}

/* They. */
static const char *rest(const kio_stream_handle *h, size_t *size) {
  *size = rest_size(h);
  return *size > 0 ? kio_stream_bytes(h->stream) + h->reading.taken : ""; /* no data then */
}

static kio_format_outcome took(lua_State *L, kio_stream_handle *h, size_t size, size_t drop) {
  kio_reading *r = &h->reading;
  size_t taken = r->taken + size + drop, unread = kio_stream_unread(h->stream);
  kio_debug_assert(taken <= unread);
  bool whole = taken == unread && r->next == r->last && r->kind != KIO_READ_PEEK;
  r->taken = kio_stream_push(L, h->stream, r->taken, size, whole) ? 0 : taken;
  r->seen = 0;
  return KIO_FORMAT_GOT;
}

static kio_format_outcome nothing(lua_State *L) {
  lua_pushnil(L);
  return KIO_FORMAT_NOTHING;
}

static kio_format_outcome take_count(lua_State *L, kio_stream_handle *h, size_t count) {
  size_t size = rest_size(h);
  if (size > 0 && size >= count) return took(L, h, count, 0);
  if (!h->stream->in.ended) return KIO_FORMAT_MORE;
  return size > 0 ? took(L, h, size, 0) : nothing(L);
}

/* How many bytes a value may have: the caller's `max`, else what is usual for the format. */
static size_t limit(const kio_stream_handle *h, size_t usual) {
  return h->reading.max > 0 ? h->reading.max : usual;
}

static kio_format_outcome take_all(lua_State *L, kio_stream_handle *h) {
  size_t size = rest_size(h);
  if (size > limit(h, KIO_READ_ALL_MAX)) return KIO_FORMAT_TOO_LONG;
  return h->stream->in.ended ? took(L, h, size, 0) : KIO_FORMAT_MORE;
}

static kio_format_outcome take_line(lua_State *L, kio_stream_handle *h, bool keep) {
  size_t size, seen = h->reading.seen, max = limit(h, KIO_LINE_MAX);
  const char *data = rest(h, &size);
  const char *end = size > seen ? memchr(data + seen, '\n', size - seen) : NULL;
  if (end && (size_t)(end - data) <= max) {
    return took(L, h, (size_t)(end - data) + keep, !keep);
  }
  if (end || size > max) return KIO_FORMAT_TOO_LONG;
  h->reading.seen = size;
  if (!h->stream->in.ended) return KIO_FORMAT_MORE;
  return size > 0 ? took(L, h, size, 0) : nothing(L);
}

static kio_format_outcome take_until(lua_State *L, kio_stream_handle *h, const char *delim,
                                     size_t width) {
  size_t size, seen = h->reading.seen, max = limit(h, KIO_LINE_MAX);
  const char *data = rest(h, &size);
  const char *end = size >= width ? memmem(data + seen, size - seen, delim, width) : NULL;
  if (end && (size_t)(end - data) <= max) {
    return took(L, h, (size_t)(end - data), width);
  }
  if (end || size >= max + width) return KIO_FORMAT_TOO_LONG;
  h->reading.seen = size >= width ? size - width + 1 : 0; /* it may begin in the last bytes */
  if (!h->stream->in.ended) return KIO_FORMAT_MORE;
  return size > 0 ? KIO_FORMAT_CUT_SHORT : nothing(L);
}

/* When the read gives up: as long from its start as the first byte may take, then from that byte on
   as long as the rest may. */
static void set_due(kio_stream_handle *h, bool here) {
  kio_reader *reader = h->reading.reader;
  bool begins = here && !reader->begun && reader->rest_ns != KIO_READER_SAME;
  bool known = h->reading.due_ns != 0;
  reader->begun = here;
  if (known && !begins) return;
  int64_t ns = begins ? reader->rest_ns : reader->first_ns;
  h->reading.due_ns = kio_sched_due(h->stream->sched, ns < 0 ? h->timeout_ns : ns);
}

/* Another rock's format. Lua's memory, which it takes, may run a finalizer that closes the
   stream. */
static kio_format_outcome take_by_reader(lua_State *L, kio_stream_handle *h) {
  kio_reader *reader = h->reading.reader;
  size_t size, taken = 0;
  const char *bytes = rest(h, &size);
  bool ended = h->stream->in.ended;
  switch (reader->kind->take(L, reader, bytes, size, ended, &taken)) {
  case KIO_READER_TAKEN: h->reading.taken = taken; return KIO_FORMAT_GOT;
  case KIO_READER_FAILED: return KIO_FORMAT_REFUSED;
  default: break;
  }
  kio_assert(!ended);
  set_due(h, size > 0);
  return KIO_FORMAT_MORE;
}

kio_format_outcome kio_format_take(lua_State *L, kio_stream_handle *h, int index) {
  size_t width;
  const char *text;
  switch ((kio_read_kind)h->reading.kind) {
  case KIO_READ_UNTIL: text = lua_tolstring(L, index, &width); return take_until(L, h, text, width);
  case KIO_READ_PEEK: return take_count(L, h, (size_t)lua_tointeger(L, index));
  case KIO_READ_BY_READER: return take_by_reader(L, h);
  default: break;
  }
  if (lua_type(L, index) == LUA_TNUMBER) {
    return take_count(L, h, (size_t)lua_tointeger(L, index));
  }
  text = lua_tostring(L, index);
  text += *text == '*';
  return *text == 'a' ? take_all(L, h) : take_line(L, h, *text == 'L');
}
