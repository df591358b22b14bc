/* Streams as Lua sees them. A call that can be answered at once (unread bytes, room for output)
   never yields. The userdata holds a pointer to the stream, NULL until it is connected. */
#include "net/stream_lua.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/config.h"
#include "base/errname.h"
#include "base/memory.h"
#include "base/number.h"
#include "net/handle.h"
#include "net/pin.h"
#include "op/buffer.h"
#include "op/close.h"
#include "op/misuse.h"
#include "op/op.h"
#include "op/pieces.h"
#include "system/address.h"
#include "system/socket.h"
#include "task/here.h"
#include "task/io.h"
#include "task/result.h"
#include "task/task.h"
#include "task/traceback.h"
#include "task/wait.h"

/* ---- the userdata ---- */

const char kio_stream_tag;
#ifdef KIO_TEST
void (*kio_stream_made)(kio_stream *stream);
#endif

void kio_stream_push_empty(lua_State *L) {
  kio_stream_handle *h = lua_newuserdatauv(L, sizeof *h, 0);
  *h = (kio_stream_handle){.tag = &kio_stream_tag, .timeout_ns = KIO_NEVER};
  luaL_setmetatable(L, KIO_STREAM_TYPE);
}

bool kio_stream_fill(lua_State *L, int index, int fd, const kio_sockaddr *peer) {
  kio_stream_handle *h = lua_touserdata(L, index);
  kio_assert(fd >= 0 && !h->stream);
  h->stream = kio_stream_new(fd, peer, &kio_carrier_socket);
  if (!h->stream) kio_sched_close_fd(fd);
#ifdef KIO_TEST
  if (h->stream && kio_stream_made) kio_stream_made(h->stream);
#endif
  return h->stream != NULL;
}

static kio_stream_handle *handle_at(lua_State *L) {
  return lua_touserdata(L, 1);
}

static kio_stream *stream_at(lua_State *L) {
  const kio_stream_handle *h = handle_at(L);
  kio_debug_assert(h->tag == &kio_stream_tag && h->stream); /* a frame holds it */
  return h->stream;
}

const char *kio_stream_peer_text(const kio_stream *stream, char text[KIO_ADDRESS_TEXT_MAX + 1]) {
  static const char *const standard[] = {"", "stdin", "stdout", "stderr"};
  kio_sockaddr peer = kio_stream_peer(stream);
  if (stream->standard) strcpy(text, standard[stream->standard]);
  else if (peer.size > 0) kio_address_text(&peer, text);
  else strcpy(text, kio_stream_bottom(stream)->name);
  return text;
}

static int64_t due_of(lua_State *L, const kio_stream_handle *h, kio_sched *sched, int options) {
  return kio_sched_due(sched, kio_op_timeout_or(L, options, h->timeout_ns));
}

int kio_stream_fail(lua_State *L, const kio_stream *stream, const char *what, int err) {
  char text[KIO_ADDRESS_TEXT_MAX + 1];
  kio_stream_peer_text(stream, text);
  bool same = kio_number_same(stream->fd, stream->tenant) && stream->state != KIO_STREAM_LOST;
  if (err == EBADF && stream->state == KIO_STREAM_OPEN && same) {
    return kio_fail_text(L, "EBADF", what, text, "the descriptor is not open for that");
  }
  bool moved = stream->state == KIO_STREAM_MOVED;
  if (err == EBADF) return kio_handle_fail_closed(L, what, text, "stream", moved, same);
  const char *words = stream->carrier->why ? stream->carrier->why(stream, err) : NULL;
  if (!words) return kio_fail(L, err, what, text);
  const char *code = stream->carrier->code ? stream->carrier->code(stream, err) : NULL;
  return kio_fail_text(L, code ? code : kio_errname(err), what, text, words);
}

int kio_stream_early_end(lua_State *L, int err) {
  const kio_task *task = kio_sched_current()->current;
  kio_assert(task && err >= 0);
  bool cut = err == 0 || err == ECANCELED || err == EINTR;
  if (cut && task->wake == KIO_WAKE_CANCEL) return kio_task_raise_cancelled(L);
  return cut && task->wake == KIO_WAKE_TIMEOUT ? ETIMEDOUT : err;
}

/* ---- writing ---- */

/* What the calls that write differ in; a continuation has it in its lowest bits. */
enum { THEN_RETURN = 0, THEN_FLUSH = 1 };

/* As the caller knows it. */
static const char *name_of(int then) {
  return then == THEN_FLUSH ? "send" : "write";
}

/* A failed write also tells how many of its bytes were taken over before. */
static int write_failed(lua_State *L, kio_stream *stream, const char *what, int err, size_t at) {
  kio_stream_fail(L, stream, what, err);
  lua_pushinteger(L, (lua_Integer)at);
  return 4;
}

static int park_writer(lua_State *L, kio_stream *stream, bool drained, lua_KContext ctx,
                       lua_KFunction k) {
  kio_task *task = kio_sched_current()->current;
  int err = kio_stream_attach(stream, task->sched); /* output may have come from another thread */
  if (err) return kio_stream_fail(L, stream, "write", -err);
  if (!kio_sched_timer(task->sched, task, handle_at(L)->due_ns)) {
    return kio_stream_fail(L, stream, "write", ENOMEM);
  }
  kio_stream_await_output(stream, task, drained);
  kio_task_says(task, "write", stream->fd);
  task->subject = stream;
  return kio_task_park(L, task, kio_task_wake, ctx, k);
}

/* The running task has waited for output: others may write again, unless a close has put itself in
   its place. */
static void writer_resumed(kio_stream *stream, int status) {
  if (status == LUA_YIELD && stream->writer == kio_sched_current()->current) {
    kio_stream_set_writer(stream, NULL);
  }
}

static int l_flushk(lua_State *L, int status, lua_KContext of_send) {
  kio_stream *stream = stream_at(L);
  const char *what = of_send ? "send" : "flush";
  bool ended_early = status == LUA_YIELD && !kio_stream_drained(stream);
  writer_resumed(stream, status);
  int err = kio_stream_output_error(stream);
  if (err) return kio_stream_fail(L, stream, what, err);
  if (ended_early) return kio_stream_fail(L, stream, what, kio_stream_early_end(L, 0));
  lua_settop(L, 1);
  return 1;
}

static int flush(lua_State *L, kio_stream *stream, bool of_send) {
  bool wait = kio_stream_output_error(stream) == 0 && !kio_stream_drained(stream);
  if (wait) return park_writer(L, stream, true, of_send, l_flushk);
  return l_flushk(L, LUA_OK, of_send);
}

static int write_on(lua_State *L, kio_stream *stream, size_t at, int then);

static int l_writek(lua_State *L, int status, lua_KContext ctx) {
  kio_stream *stream = stream_at(L);
  size_t at = (size_t)ctx >> 1;
  writer_resumed(stream, status);
  int err = kio_stream_output_error(stream);
  if (!err && kio_sched_current()->current->wake != KIO_WAKE_DONE) err = kio_stream_early_end(L, 0);
  if (err) return write_failed(L, stream, name_of((int)(ctx & 1)), err, at);
  return write_on(L, stream, at, (int)(ctx & 1));
}

/* Hands the string at index 2 over from `at` on, waiting for room as often as it takes. */
static int write_on(lua_State *L, kio_stream *stream, size_t at, int then) {
  int64_t taken = kio_pin_or_gather(L, 2, stream, at);
  if (taken < 0) return write_failed(L, stream, name_of(then), (int)-taken, at);
  at += (size_t)taken;
  if (at < lua_rawlen(L, 2))
    return park_writer(L, stream, false, (lua_KContext)(at << 1) | then, l_writek);
  if (then == THEN_FLUSH) return flush(L, stream, true);
  lua_settop(L, 1);
  return 1;
}

/* Whether nothing has to be waited for: so many bytes more are only gathered. */
static inline bool only_gathers(const kio_stream *stream, size_t size, int then) {
  return then == THEN_RETURN && stream->out.size + size <= kio_output_mark(&stream->out);
}

/* What is to be written, as one string at index 2: most often it is one already. Bytes of a buffer
   that are only gathered are taken from where they lie. */
static inline const char *start_of_text(lua_State *L, const kio_stream *stream, int then,
                                        size_t *size) {
  int top = lua_gettop(L);
  const char *text = top == 2 ? lua_tolstring(L, 2, size) : NULL;
  if (text) return text;
  const kio_view *view = top == 2 ? kio_view_at(L, 2) : NULL;
  if (view && view->block && only_gathers(stream, view->size, then)) {
    kio_block_check(L, view->block, false);
    *size = view->size;
    return kio_view_data(view);
  }
  kio_pieces_join(L, top);
  return lua_tolstring(L, 2, size);
}

static int start_write(lua_State *L, int then) {
  size_t size;
  kio_stream_handle *h = kio_stream_check(L);
  kio_stream *stream = h->stream;
  kio_task *task = kio_op_begin_lightly(L);
  const char *data = start_of_text(L, stream, then, &size);
  if (size > KIO_IO_MAX) kio_check_data(L, 2, &size); /* which raises */
  int err = kio_stream_output_error(stream);
  if (err) return write_failed(L, stream, name_of(then), err, 0);
  if (kio_stream_is_taken(h)) return kio_misuse(L, "another task is writing to this stream");
  err = kio_stream_attach(stream, task->sched);
  if (err) return write_failed(L, stream, name_of(then), -err, 0);
  bool waits = !only_gathers(stream, size, then);
  if (waits) {
    kio_op_begin_waiting(L); /* may raise: nothing is gathered yet */
    h->due_ns = kio_sched_due(task->sched, h->timeout_ns);
  }
  bool pins = kio_pin_suits(stream, size) && lua_type(L, 2) == LUA_TSTRING;
  if (waits || pins) return write_on(L, stream, 0, then);
  if (!kio_stream_add(stream, data, size)) {
    return write_failed(L, stream, name_of(then), ENOMEM, 0);
  }
  lua_pushvalue(L, 1);
  return 1;
}

/* stream:write(string | number | list, ...) -> stream; waits only past the high-water mark */
static int l_write(lua_State *L) {
  return start_write(L, THEN_RETURN);
}

/* stream:send(string | number | list, ...) -> stream, when the kernel has taken every byte */
static int l_send(lua_State *L) {
  return start_write(L, THEN_FLUSH);
}

/* stream:flush([options]) -> stream, when all output has left */
static int l_flush(lua_State *L) {
  kio_stream_handle *h = kio_stream_check(L);
  kio_takes(L, 2);
  kio_task *task = kio_op_begin(L);
  int64_t due = due_of(L, h, task->sched, 2);
  if (kio_stream_is_taken(h)) return kio_misuse(L, "another task is writing to this stream");
  lua_settop(L, 1);
  h->due_ns = due;
  return flush(L, h->stream, false);
}

/* ---- ending ---- */

static int cut(lua_State *L, kio_stream *stream);

static int shut(lua_State *L, kio_stream *stream, int how) {
  int err = kio_stream_shut(stream, how);
  if (err < 0) return kio_stream_fail(L, stream, "shutdown", -err);
  if (err == KIO_CARRIER_CLOSES) {
    kio_stream_begin_close(stream);
    return cut(L, stream);
  }
  lua_pushboolean(L, true);
  return 1;
}

static int l_shutdownk(lua_State *L, int status, lua_KContext how) {
  kio_stream *stream = stream_at(L);
  bool ended_early = status == LUA_YIELD && !kio_stream_drained(stream);
  writer_resumed(stream, status);
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
  if (kio_stream_is_taken(h)) return kio_misuse(L, "another task is writing to this stream");
  h->due_ns = kio_sched_due(task->sched, h->timeout_ns);
  kio_stream_end_output(stream);
  if (kio_stream_drained(stream)) return l_shutdownk(L, LUA_OK, how);
  return park_writer(L, stream, true, how, l_shutdownk);
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
  return close_done(L, stream_at(L));
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
  kio_stream *stream = stream_at(L);
  const kio_task *task = kio_sched_current()->current;
  (void)ctx;
  writer_resumed(stream, status);
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
  if (stream->state != KIO_STREAM_OPEN) return (lua_pushboolean(L, true), 1);
  if (!kio_close_may_wait(L)) return close_without_waiting(L, stream);
  kio_task *task = kio_op_begin_closing(L);
  int64_t due = due_of(L, h, task->sched, 2);
  if (stream->state != KIO_STREAM_OPEN) return (lua_pushboolean(L, true), 1); /* meanwhile */
  h->due_ns = kio_task_is_cancelled(task) ? task->sched->now_ns : due;
  begin_close(h, task->sched);
  if (!kio_stream_drained(stream)) return park_writer(L, stream, true, 0, l_close_flushedk);
  return cut(L, stream);
}

int kio_stream_l_close_value(lua_State *L) {
  lua_settop(L, 1); /* the second argument is the error that unwinds, or nil */
  return l_close(L);
}

void kio_stream_end(void *handle) {
  kio_stream_handle *h = handle;
  if (h->stream) kio_stream_drop(h->stream);
  h->stream = NULL;
}

/* ---- the rest ---- */

/* stream:peer() -> the other end's address */
static int l_peer(lua_State *L) {
  kio_stream *stream = kio_stream_check(L)->stream;
  kio_takes(L, 1);
  kio_sockaddr peer = kio_stream_peer(stream);
  if (peer.size == 0) return kio_stream_fail(L, stream, "peer", ENOTSOCK);
  return kio_push_address(L, &peer);
}

/* stream:address() -> this end's address */
static int l_address(lua_State *L) {
  kio_takes(L, 1);
  kio_sockaddr address;
  kio_stream *stream = kio_stream_check(L)->stream;
  int err = kio_socket_local(stream->fd, &address);
  return err ? kio_stream_fail(L, stream, "address", -err) : kio_push_address(L, &address);
}

/* stream:fd() -> its descriptor's number, nil when closed */
static int l_fd(lua_State *L) {
  kio_takes(L, 1);
  return kio_push_fd(L, kio_stream_check(L)->stream->fd);
}

/* stream:set_timeout(seconds | nil): for operations that name none */
static int l_set_timeout(lua_State *L) {
  return kio_op_set_timeout(L, &kio_stream_check(L)->timeout_ns);
}

/* stream:buffer(size) -> stream: output is gathered across turns until there is so much of it */
static int l_buffer(lua_State *L) {
  kio_stream *stream = kio_stream_check(L)->stream;
  kio_takes(L, 2);
  size_t size = kio_check_size(L, 2);
  luaL_argcheck(L, size <= KIO_HOLD_MAX, 2, "at most 16 MiB");
  if (stream->state != KIO_STREAM_OPEN) return kio_stream_fail(L, stream, "buffer", EBADF);
  kio_stream_hold(stream, size);
  lua_settop(L, 1);
  return 1;
}

/* ", tls" for each filter, the topmost first. */
static void push_filters(lua_State *L, const kio_stream *stream) {
  const kio_carrier *carrier = stream->carrier;
  const char *name;
  lua_pushliteral(L, "");
  for (int place = 0; carrier->over && (name = carrier->over(stream, place)); place++) {
    lua_pushfstring(L, "%s, %s", lua_tostring(L, -1), name);
    lua_remove(L, -2);
  }
}

int kio_stream_l_tostring(lua_State *L) {
  static const char *const states[] = {"open", "closing", "closed", "closed by number",
                                       "handed over"};
  char text[KIO_ADDRESS_TEXT_MAX + 1];
  kio_stream_handle *h = luaL_checkudata(L, 1, KIO_STREAM_TYPE);
  if (!h->stream) return (lua_pushliteral(L, KIO_STREAM_TYPE " (not connected)"), 1);
  lua_pushfstring(L, KIO_STREAM_TYPE " (fd %d, %s, %s%s", h->stream->fd, states[h->stream->state],
                  h->stream->peer_size > 0 ? "peer " : "", kio_stream_peer_text(h->stream, text));
  push_filters(L, h->stream);
  lua_pushliteral(L, ")");
  lua_concat(L, 3);
  kio_traceback_escape(L, KIO_ESCAPE_NAME);
  return 1;
}

const luaL_Reg kio_stream_methods[] = {
    {"write", l_write},
    {"send", l_send},
    {"flush", l_flush},
    {"close", l_close},
    {"shutdown", l_shutdown},
    {"address", l_address},
    {"peer", l_peer},
    {"fd", l_fd},
    {"set_timeout", l_set_timeout},
    {"buffer", l_buffer},
    {NULL, NULL},
};
