/* Writing to a stream. A call that finds room for its bytes never yields; one past the high-water
   mark waits, and only one at a time does. Owns nothing. Called in the running task. */
#include "net/write.h"

#include <errno.h>

#include "base/config.h"
#include "net/stream_lua.h"
#include "op/buffer.h"
#include "op/misuse.h"
#include "op/op.h"
#include "op/pieces.h"
#include "task/here.h"
#include "task/task.h"
#include "task/wait.h"

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

int kio_write_park(lua_State *L, kio_stream *stream, bool drained, lua_KContext ctx,
                   lua_KFunction k) {
  kio_task *task = kio_sched_current()->current;
  int err = kio_stream_attach(stream, task->sched); /* output may have come from another thread */
  if (err) return kio_stream_fail(L, stream, "write", -err);
  if (!kio_sched_timer(task->sched, task, kio_stream_handle_at(L)->due_ns)) {
    return kio_stream_fail(L, stream, "write", ENOMEM);
  }
  kio_stream_await_output(stream, task, drained);
  kio_task_says(task, "write", stream->fd);
  task->subject = stream;
  return kio_task_park(L, task, kio_task_wake, ctx, k);
}

void kio_write_resumed(kio_stream *stream, int status) {
  if (status == LUA_YIELD && stream->writer == kio_sched_current()->current) {
    kio_stream_set_writer(stream, NULL);
  }
}

static int l_flushk(lua_State *L, int status, lua_KContext of_send) {
  kio_stream *stream = kio_stream_at(L);
  const char *what = of_send ? "send" : "flush";
  bool ended_early = status == LUA_YIELD && !kio_stream_drained(stream);
  kio_write_resumed(stream, status);
  int err = kio_stream_output_error(stream);
  if (err) return kio_stream_fail(L, stream, what, err);
  if (ended_early) return kio_stream_fail(L, stream, what, kio_stream_early_end(L, 0));
  lua_settop(L, 1);
  return 1;
}

static int flush(lua_State *L, kio_stream *stream, bool of_send) {
  bool wait = kio_stream_output_error(stream) == 0 && !kio_stream_drained(stream);
  if (wait) return kio_write_park(L, stream, true, of_send, l_flushk);
  return l_flushk(L, LUA_OK, of_send);
}

static int write_on(lua_State *L, kio_stream *stream, size_t at, int then);

static int l_writek(lua_State *L, int status, lua_KContext ctx) {
  kio_stream *stream = kio_stream_at(L);
  size_t at = (size_t)ctx >> 1;
  kio_write_resumed(stream, status);
  int err = kio_stream_output_error(stream);
  if (!err && kio_sched_current()->current->wake != KIO_WAKE_DONE) err = kio_stream_early_end(L, 0);
  if (err) return write_failed(L, stream, name_of((int)(ctx & 1)), err, at);
  return write_on(L, stream, at, (int)(ctx & 1));
}

/* Whether so many bytes of a string are worth being sent from where they lie. */
static inline bool pin_suits(const kio_stream *stream, size_t size) {
  return size >= KIO_PIN_MIN && stream->carrier->pins;
}

/* With output that waits already goes what fits; of what will be pinned then, only as much as makes
   one piece with it. */
static size_t room_beside(const kio_stream *stream, size_t size) {
  size_t used = stream->out.size;
  bool rest_is_pinned = used + size > kio_output_mark(&stream->out) && pin_suits(stream, size);
  if (!rest_is_pinned) return size;
  return used < KIO_BUFFER_MIN ? KIO_BUFFER_MIN - used : 0;
}

/* Takes over what it can of the string at index 2 from `at` on, pinned or gathered. How many bytes,
   or -ENOMEM. May raise (memory), with nothing taken. */
static int64_t pin_or_gather(lua_State *L, kio_stream *stream, size_t at) {
  size_t size;
  const char *data = lua_tolstring(L, 2, &size); /* nothing is written: NULL, of size 0 */
  kio_assert(at <= size);
  size -= at;
  if (stream->out.size > 0 || !pin_suits(stream, size)) {
    return kio_stream_gather(stream, data + at, kio_min_size(size, room_beside(stream, size)));
  }
  size = kio_min_size(size, kio_output_mark(&stream->out));
  kio_stream_pin(L, 2, stream, data + at, size);
  return (int64_t)size;
}

/* Hands the string at index 2 over from `at` on, waiting for room as often as it takes. */
static int write_on(lua_State *L, kio_stream *stream, size_t at, int then) {
  int64_t taken = pin_or_gather(L, stream, at);
  if (taken < 0) return write_failed(L, stream, name_of(then), (int)-taken, at);
  at += (size_t)taken;
  if (at < lua_rawlen(L, 2))
    return kio_write_park(L, stream, false, (lua_KContext)(at << 1) | then, l_writek);
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
  if (kio_stream_is_taken(stream)) return kio_misuse(L, "another task is writing to this stream");
  err = kio_stream_attach(stream, task->sched);
  if (err) return write_failed(L, stream, name_of(then), -err, 0);
  bool waits = !only_gathers(stream, size, then);
  if (waits) {
    kio_op_begin_waiting(L); /* may raise: nothing is gathered yet */
    h->due_ns = kio_sched_due(task->sched, h->timeout_ns);
  }
  bool pins = pin_suits(stream, size) && lua_type(L, 2) == LUA_TSTRING;
  if (waits || pins) return write_on(L, stream, 0, then);
  if (!kio_stream_add(stream, data, size)) {
    return write_failed(L, stream, name_of(then), ENOMEM, 0);
  }
  lua_pushvalue(L, 1);
  return 1;
}

bool kio_stream_put(lua_State *L, const char *bytes, size_t size) {
  const kio_stream_handle *h = kio_stream_check(L);
  kio_stream *stream = h->stream;
  const kio_task *task = kio_op_running(L);
  bool fits = stream->out.size + size <= kio_output_mark(&stream->out);
  bool may = task && fits && stream->sched == task->sched && !kio_task_is_cancelled(task) &&
             kio_stream_output_error(stream) == 0 && !kio_stream_is_taken(stream);
  return may && kio_sched_spend(task->sched) && kio_stream_add(stream, bytes, size);
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
  kio_stream *stream = h->stream;
  kio_takes(L, 2);
  kio_task *task = kio_op_begin(L);
  int64_t due = kio_stream_due(L, h, task->sched, 2);
  if (kio_stream_is_taken(stream)) return kio_misuse(L, "another task is writing to this stream");
  lua_settop(L, 1);
  h->due_ns = due;
  return flush(L, stream, false);
}

const luaL_Reg kio_write_methods[] = {
    {"write", l_write},
    {"send", l_send},
    {"flush", l_flush},
    {NULL, NULL},
};
