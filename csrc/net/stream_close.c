/* The end of a stream: shutdown and close. Output leaves first, within the deadline; what is still
   in flight then is cut off, and waited for. Owns nothing. Called by the thread of the Lua
   state. */
#include "net/stream_close.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/config.h"
#include "net/stream_lua.h"
#include "net/write.h"
#include "op/close.h"
#include "op/misuse.h"
#include "op/op.h"
#include "task/here.h"
#include "task/task.h"
#include "task/wait.h"

static int cut(lua_State *L, kio_stream *stream);

static int shut(lua_State *L, kio_stream *stream, int how) {
  int err = stream->carrier->shut(stream, how);
  if (err < 0) return kio_stream_fail(L, stream, "shutdown", -err);
  if (err == KIO_CARRIER_CLOSES) {
    kio_stream_begin_close(stream);
    return cut(L, stream);
  }
  lua_pushboolean(L, true);
  return 1;
}

static int l_shutdownk(lua_State *L, int status, lua_KContext how) {
  kio_stream *stream = kio_stream_at(L);
  bool ended_early = status == LUA_YIELD && !kio_stream_drained(stream);
  kio_write_resumed(stream, status);
  int err = kio_stream_output_error(stream);
  if (err) return kio_stream_fail(L, stream, "shutdown", err);
  if (ended_early) return kio_stream_fail(L, stream, "shutdown", kio_stream_early_end(L, 0));
  return shut(L, stream, (int)how);
}

/* stream:shutdown(["read" | "write" | "both"]) -> true; output leaves before writing ends */
static int l_shutdown(lua_State *L) {
  kio_takes(L, 2);
  static const char *const names[] = {"read", "write", "both", NULL};
  kio_stream_handle *h = kio_stream_check(L);
  kio_stream *stream = h->stream;
  int how = luaL_checkoption(L, 2, "both", names); /* in the order of SHUT_RD, _WR, _RDWR */
  kio_task *task = kio_op_begin(L);
  if (stream->state != KIO_STREAM_OPEN) return kio_stream_fail(L, stream, "shutdown", EBADF);
  if (how == SHUT_RD) return shut(L, stream, how);
  if (kio_stream_is_taken(stream)) return kio_misuse(L, "another task is writing to this stream");
  h->due_ns = kio_sched_due(task->sched, h->timeout_ns);
  kio_stream_end_output(stream);
  if (kio_stream_drained(stream)) return l_shutdownk(L, LUA_OK, how);
  return kio_write_park(L, stream, true, how, l_shutdownk);
}

static int close_done(lua_State *L, kio_stream *stream) {
  kio_stream_finish(stream);
  if (stream->out.error) return kio_stream_fail(L, stream, "close", stream->out.error);
  lua_pushboolean(L, true);
  return 1;
}

static int l_close_cutk(lua_State *L, int status, lua_KContext fd) {
  (void)status;
  kio_desc_reopen(&kio_sched_current()->descs, (int)fd);
  return close_done(L, kio_stream_at(L));
}

/* Its number is closed without it: what is left of it ends by itself. */
static int close_lost(lua_State *L, kio_stream *stream) {
  bool lost_output = stream->out.error != 0;
  if (lost_output) kio_stream_fail(L, stream, "close", EBADF);
  kio_stream_close_lost(stream);
  return lost_output ? KIO_FAILED : (lua_pushboolean(L, true), 1);
}

/* Ends what is still in flight, waits for it, and closes. */
static int cut(lua_State *L, kio_stream *stream) {
  kio_sched *sched = kio_sched_current();
  kio_stream_look(stream);
  if (stream->state == KIO_STREAM_LOST) return close_lost(L, stream);
  if (!kio_desc_busy(&sched->descs, stream->fd)) return close_done(L, stream);
  bool other = kio_desc_close(&sched->descs, stream->fd) != 0; /* another handle closes it */
  return other ? close_lost(L, stream) : kio_close_wait(L, stream->fd, l_close_cutk);
}

static int l_close_flushedk(lua_State *L, int status, lua_KContext ctx) {
  kio_stream *stream = kio_stream_at(L);
  const kio_task *task = kio_sched_current()->current;
  (void)ctx;
  kio_write_resumed(stream, status);
  int early = kio_task_is_cancelled(task) ? ECANCELED : ETIMEDOUT;
  bool late = !kio_stream_drained(stream) && stream->state == KIO_STREAM_CLOSING;
  if (late) kio_stream_cut_output(stream, early);
  return cut(L, stream);
}

/* Closes without waiting: outside a task, or where Lua cannot yield. */
static int close_without_waiting(lua_State *L, kio_stream *stream) {
  kio_stream_close_later(stream);
  lua_pushboolean(L, true);
  return 1;
}

/* From now on only what was written before goes on, and the carrier may have to say so. When that
   is all that has to leave, it does not wait for ever for a peer that takes nothing. */
static void begin_close(kio_stream_handle *h, kio_sched *sched) {
  kio_stream *stream = h->stream;
  bool had_left = kio_stream_drained(stream);
  kio_stream_begin_close(stream);
  kio_stream_end_output(stream);
  bool mark = had_left && !kio_stream_drained(stream);
  if (mark) h->due_ns = kio_min_ns(h->due_ns, kio_sched_due(sched, KIO_FAREWELL_NS));
}

/* stream:close([options]) -> true; output leaves first. Never refused to a cancelled task, whose
   output gets the one turn that a timeout of 0 gives. A second close does nothing. */
static int l_close(lua_State *L) {
  kio_stream_handle *h = kio_stream_check(L);
  kio_takes(L, 2);
  kio_stream *stream = h->stream;
  if (stream->state == KIO_STREAM_LOST) return close_lost(L, stream);
  if (stream->state != KIO_STREAM_OPEN) {
    lua_pushboolean(L, true);
    return kio_op_done_at_once(L, 1);
  }
  if (!kio_close_may_wait(L)) return close_without_waiting(L, stream);
  kio_task *task = kio_op_begin_closing(L);
  int64_t due = kio_stream_due(L, h, task->sched, 2);
  if (stream->state != KIO_STREAM_OPEN) return (lua_pushboolean(L, true), 1); /* meanwhile */
  h->due_ns = kio_task_is_cancelled(task) ? task->sched->now_ns : due;
  begin_close(h, task->sched);
  if (!kio_stream_drained(stream)) return kio_write_park(L, stream, true, 0, l_close_flushedk);
  return cut(L, stream);
}

int kio_stream_l_close_value(lua_State *L) {
  lua_settop(L, 1); /* the second argument is the error that unwinds, or nil */
  return l_close(L);
}

const luaL_Reg kio_stream_close_methods[] = {
    {"close", l_close},
    {"shutdown", l_shutdown},
    {NULL, NULL},
};
