/* How a stream changes threads: with its descriptor, what is unread and what has not left. It moves
   as it is; the sender keeps another one in its place that is closed. Called by the thread that has
   the stream. */
#include "base/memory.h"
#include "net/stream_lua.h"
#include "task/here.h"

typedef struct moved_stream {
  kio_stream *stream; /* of a spare: the closed one that stays */
  int64_t timeout_ns; /* of the handle */
} moved_stream;

/* A closed one in place of one that changes threads; NULL when memory is out. */
static kio_stream *new_closed(const kio_stream *stream) {
  kio_sockaddr peer = kio_stream_peer(stream);
  kio_stream *left = kio_stream_new(-1, &peer, kio_stream_bottom(stream));
  if (left) left->state = KIO_STREAM_MOVED;
  return left;
}

static moved_stream *new_spare(const kio_stream *stream) {
  moved_stream *spare = kio_memory_new(sizeof *spare);
  if (!spare) return NULL;
  spare->stream = new_closed(stream);
  if (spare->stream) return spare;
  kio_memory_free(spare);
  return NULL;
}

/* NULL, or why it cannot change threads now; `sched` is the caller's, or NULL. What is pinned is
   copied: strings stay in their state. */
static const char *stays(kio_stream *stream, const kio_sched *sched) {
  kio_stream_look(stream);
  if (stream->state == KIO_STREAM_MOVED) return "it was handed over before";
  if (stream->state != KIO_STREAM_OPEN) return "it is closed";
  if (stream->reader) return "a task is reading from it";
  if (kio_stream_is_taken(stream)) return "a task is writing to it";
  if (stream->sched && stream->sched != sched) return "it belongs to another loop";
  if (stream->sending) return "its output is still leaving: flush it first";
  if (sched && kio_desc_busy(&sched->descs, stream->fd)) return "an operation on it is under way";
  if (!kio_stream_unpin(stream)) return "not enough memory";
  return stream->carrier->may_move ? stream->carrier->may_move(stream) : NULL;
}

static const char *prepare(lua_State *L, int index, void **spare) {
  const kio_stream_handle *h = lua_touserdata(L, index);
  kio_stream *stream = h->stream;
  if (!stream) return "it was never connected";
  const char *why = stays(stream, kio_sched_here());
  if (why) return why;
  *spare = new_spare(stream);
  return *spare ? NULL : "not enough memory";
}

static void *give(lua_State *L, int index, void *spare) {
  moved_stream *moved = spare;
  kio_stream_handle *h = lua_touserdata(L, index);
  kio_stream *left = moved->stream;
  kio_assert(left->state == KIO_STREAM_MOVED && !left->sched);
  kio_stream_leave(h->stream);
  *moved = (moved_stream){h->stream, h->timeout_ns};
  h->stream = left;
  return moved;
}

static void take(lua_State *L, void *object) {
  moved_stream *moved = object;
  kio_stream_push_empty(L);
  kio_stream_handle *h = lua_touserdata(L, -1);
  kio_stream *stream = moved->stream;
  kio_sched *sched = kio_sched_here();
  kio_assert(!stream->sched); /* whoever gave it has left with it */
  h->stream = stream;
  h->timeout_ns = moved->timeout_ns;
  kio_memory_free(moved);
  /* Output leaves at once. When memory is out, then with the next operation. */
  if (sched && stream->out.size > 0) kio_stream_attach(stream, sched);
}

static void drop(void *object) {
  moved_stream *moved = object;
  kio_stream_drop(moved->stream);
  kio_memory_free(moved);
}

static void restore(lua_State *L, int index, void *object) {
  moved_stream *moved = object;
  kio_stream_handle *h = lua_touserdata(L, index);
  kio_sched *sched = kio_sched_here();
  kio_stream *left = h->stream;
  kio_assert(left->state == KIO_STREAM_MOVED && !moved->stream->sched);
  h->stream = moved->stream;
  kio_stream_drop(left);
  kio_memory_free(moved);
  if (sched && h->stream->out.size > 0) kio_stream_attach(h->stream, sched);
}

const kio_handle_kind kio_stream_moves = {prepare, give, take, drop, restore};
