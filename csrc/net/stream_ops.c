/* What the methods of streams that are written in Lua need: kio.core.own. Owns
   nothing. Called by the thread of the Lua state. */
#include <errno.h>

#include "net/carrier_filter.h"
#include "net/stream_lua.h"
#include "op/misuse.h"
#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"
#include "task/task.h"
#include "task/wait.h"

/* stream_way(stream) -> whether its bytes are its descriptor's, what messages call it, its timeout
   in seconds or nil, how many bytes it gathers before a writer waits */
static int l_way(lua_State *L) {
  char text[KIO_ADDRESS_TEXT_MAX + 1];
  const kio_stream_handle *h = kio_stream_check(L);
  lua_pushboolean(L, h->stream->carrier->direct);
  lua_pushstring(L, kio_stream_peer_text(h->stream, text));
  if (h->timeout_ns == KIO_NEVER) lua_pushnil(L);
  else lua_pushnumber(L, (lua_Number)h->timeout_ns / (lua_Number)KIO_NS_PER_SEC);
  lua_pushinteger(L, (lua_Integer)kio_output_mark(&h->stream->out));
  return 4;
}

/* stream_reserve(stream, whether): its output is somebody's own from now on, or no longer */
static int l_reserve(lua_State *L) {
  kio_stream *stream = kio_stream_check(L)->stream;
  bool reserve = lua_toboolean(L, 2);
  if (reserve && kio_stream_is_taken(stream)) {
    return kio_misuse(L, "another task is writing to this stream");
  }
  kio_stream_set_reserved(stream, reserve);
  return 0;
}

/* ---- filters ---- */

static void free_filter(void *self) {
  kio_filter *filter = self;
  if (filter->self) filter->kind->free(filter->self);
  filter->self = NULL;
}

const kio_type kio_filter_type = {.name = KIO_FILTER_TYPE, .end = free_filter};

/* The filter at index 2, which nobody has taken. */
static kio_filter *check_filter(lua_State *L) {
  kio_filter *filter = luaL_checkudata(L, 2, KIO_FILTER_TYPE);
  luaL_argcheck(L, lua_rawlen(L, 2) == sizeof *filter && filter->kind, 2, "no filter");
  luaL_argcheck(L, filter->kind->abi == KIO_FILTER_ABI, 2,
                "made for another version of kio's interface for filters");
  luaL_argcheck(L, filter->self, 2, "it is under a stream already");
  return filter;
}

/* stream_filter(stream, filter) -> stream, which owns the filter from now on; unread bytes are the
   first that it decodes */
static int l_filter(lua_State *L) {
  kio_takes(L, 2);
  kio_stream *stream = kio_stream_check(L)->stream;
  kio_filter *filter = check_filter(L);
  const kio_task *task = kio_op_begin(L);
  if (stream->state != KIO_STREAM_OPEN) return kio_stream_fail(L, stream, "filter", EBADF);
  if (stream->reader) return kio_misuse(L, "another task is reading from this stream");
  if (stream->receiving) return kio_misuse(L, "the stream rests in a pool");
  if (kio_stream_is_taken(stream)) return kio_misuse(L, "another task is writing to this stream");
  if (!kio_stream_drained(stream)) return kio_misuse(L, "output is on its way: flush it first");
  if (kio_filter_full(stream)) return kio_misuse(L, "this stream has four filters already");
  if (!kio_filter_ready(stream)) return kio_misuse(L, "its filter is shaking hands");
  int err = kio_stream_attach(stream, task->sched);
  if (!err) err = kio_filter_put(stream, *filter);
  if (err) return kio_stream_fail(L, stream, "filter", -err);
  filter->self = NULL;
  lua_settop(L, 1);
  return 1;
}

static int shake(lua_State *L, kio_stream_handle *h);

static int l_shakek(lua_State *L, int status, lua_KContext ctx) {
  kio_stream_handle *h = (kio_stream_handle *)ctx; /* NOLINT: it was one when the task parked */
  (void)status;
  kio_assert(h->tag == &kio_stream_tag);
  int err = kio_stream_end_read(h->stream);
  if (err) err = kio_stream_early_end(L, err);
  if (err == ETIMEDOUT && h->stream->out.error == ENOMEM) err = ENOMEM; /* which has ended it */
  else if (!err && h->stream->state != KIO_STREAM_OPEN) err = EBADF;
  return err ? kio_stream_fail(L, h->stream, "handshake", err) : shake(L, h);
}

static int shake(lua_State *L, kio_stream_handle *h) {
  kio_stream *stream = h->stream;
  kio_task *task = kio_sched_current()->current;
  int err = stream->out.error;
  bool ready = kio_filter_ready(stream);
  if (err == EPIPE || err == ECONNRESET) err = 0; /* what the peer has said before tells why */
  if (!err && !ready && stream->in.ended) err = ECONNRESET;
  if (!err && ready) {
    kio_filter_stir(stream); /* its rock may have gone on with it */
    return (lua_settop(L, 1), 1);
  }
  if (!err && !kio_sched_timer(task->sched, task, h->reading.due_ns)) err = ENOMEM;
  if (err) return kio_stream_fail(L, stream, "handshake", err);
  kio_assert(kio_filter_of(stream)); /* without one it is always ready */
  kio_filter_expect(stream);
  err = kio_stream_receive(stream, task);
  if (err) {
    kio_timer_stop(&task->sched->timers, &task->timer);
    return kio_stream_fail(L, stream, "handshake", -err);
  }
  task->subject = stream;
  kio_task_says(task, "handshake", stream->fd);
  return kio_task_park(L, task, kio_stream_abandon_read, (lua_KContext)h, l_shakek);
}

/* stream_handshake(stream [, options]) -> stream, when its filter is ready */
static int l_handshake(lua_State *L) {
  kio_takes(L, 2);
  kio_stream_handle *h = kio_stream_check(L);
  int64_t timeout_ns = kio_op_timeout_or(L, 2, h->timeout_ns);
  kio_task *task = kio_op_begin(L);
  if (h->stream->state != KIO_STREAM_OPEN) return kio_stream_fail(L, h->stream, "handshake", EBADF);
  if (h->stream->reader) return kio_misuse(L, "another task is reading from this stream");
  int err = kio_stream_attach(h->stream, task->sched);
  if (err) return kio_stream_fail(L, h->stream, "handshake", -err);
  h->reading.due_ns = kio_sched_due(task->sched, timeout_ns);
  return shake(L, h);
}

const luaL_Reg kio_stream_own[] = {
    {"stream_filter", l_filter},
    {"stream_handshake", l_handshake},
    {"stream_way", l_way},
    {"stream_reserve", l_reserve},
    {NULL, NULL},
};
