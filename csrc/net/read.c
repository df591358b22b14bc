/* Reading a stream: what has arrived, and by format (net/format.h): lines, exact counts,
   everything, up to a delimiter, as another rock's reader says. One engine for the formats: try to
   satisfy them from the unread bytes; when those do not suffice receive more and try again. Nothing
   counts as read before the whole call succeeds, so a timeout, a cancellation or an error leaves
   every byte where it was. */
#include <errno.h>
#include <string.h>

#include "base/config.h"
#include "base/errname.h"
#include "net/bytes.h"
#include "net/format.h"
#include "op/buffer.h"
#include "op/misuse.h"
#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"
#include "task/task.h"
#include "task/traceback.h"
#include "task/wait.h"

/* ---- the engine ---- */

static const char *name_of(kio_read_kind kind) {
  switch (kind) {
  case KIO_READ_UNTIL: return "read_until";
  case KIO_READ_PEEK: return "peek";
  case KIO_READ_RECV: return "recv";
  case KIO_READ_RECV_INTO: return "recv_into";
  default: return "read";
  }
}

static const char *call_name(const kio_stream_handle *h) {
  const kio_reader *reader = h->reading.reader;
  return reader ? reader->kind->name : name_of((kio_read_kind)h->reading.kind);
}

static const char too_long[] = "more bytes than the limit allows";
static const char cut_short[] = "the peer ended before the delimiter";

/* A reader may have something to add to a failure. */
static int failed(lua_State *L, const kio_stream_handle *h, int pushed) {
  const kio_reader *reader = h->reading.reader;
  bool adds = reader && reader->kind->failed;
  return adds ? pushed + reader->kind->failed(L, reader) : pushed;
}

/* Nothing was taken: every byte stays. */
static int give_up(lua_State *L, kio_stream_handle *h, int err) {
  return failed(L, h, kio_stream_fail(L, h->stream, call_name(h), err));
}

static int give_up_saying(lua_State *L, kio_stream_handle *h, const char *code, const char *text) {
  char peer[KIO_ADDRESS_TEXT_MAX + 1];
  kio_stream_peer_text(h->stream, peer);
  return failed(L, h, kio_fail_text(L, code, call_name(h), peer, text));
}

/* With the words on top, in which the peer's bytes may be. */
static int give_up_refused(lua_State *L, kio_stream_handle *h) {
  const char *words = kio_traceback_escape(L, KIO_ESCAPE_NAME);
  return give_up_saying(L, h, h->reading.reader->code, words);
}

/* 0: the task may read now; else 3 pushed values. Raises when another one reads. */
static inline int refused(lua_State *L, kio_stream *stream, const kio_task *task,
                          const char *what) {
  if (stream->state != KIO_STREAM_OPEN) return kio_stream_fail(L, stream, what, EBADF);
  if (stream->reader) return kio_misuse(L, "another task is reading from this stream");
  int err = kio_stream_attach(stream, task->sched);
  return err ? kio_stream_fail(L, stream, what, -err) : 0;
}

static int l_readk(lua_State *L, int status, lua_KContext ctx);

static int receive_more(lua_State *L, kio_stream_handle *h, kio_task *task, lua_KFunction k) {
  kio_sched *sched = task->sched;
  kio_debug_assert(h->stream->sched == sched && h->stream->state == KIO_STREAM_OPEN);
  if (!kio_sched_timer(sched, task, h->reading.due_ns)) return give_up(L, h, ENOMEM);
  int err = kio_stream_receive(h->stream, task);
  if (err) {
    kio_timer_stop(&sched->timers, &task->timer);
    return give_up(L, h, -err);
  }
  const kio_reader *reader = h->reading.reader;
  h->reading.optional = reader && reader->kind->optional && !reader->begun;
  task->subject = h->stream;
  kio_task_says(task, call_name(h), h->stream->fd);
  return kio_task_park(L, task, kio_stream_abandon_read, (lua_KContext)h, k);
}

/* Whether the deadline has passed that was set when the first byte came, too. */
static bool is_past(const kio_stream_handle *h, kio_sched *sched) {
  return kio_ring_now_ns(&sched->ring) >= h->reading.due_ns;
}

/* Takes the formats from read_next to read_last; the values taken are above read_last. `late`: the
   deadline has passed, and what is there now must do, however fast more of it comes. */
static int read_on(lua_State *L, kio_stream_handle *h, kio_task *task, bool late) {
  kio_format_outcome outcome = KIO_FORMAT_GOT;
  for (; outcome == KIO_FORMAT_GOT && h->reading.next <= h->reading.last; h->reading.next++) {
    if (h->stream->state != KIO_STREAM_OPEN) return give_up(L, h, EBADF); /* by a finalizer */
    outcome = kio_format_take(L, h, h->reading.next);
    if (outcome == KIO_FORMAT_MORE && h->stream->state != KIO_STREAM_OPEN)
      return give_up(L, h, EBADF);
    if (outcome == KIO_FORMAT_MORE && late && is_past(h, task->sched)) {
      return give_up(L, h, ETIMEDOUT);
    }
    if (outcome == KIO_FORMAT_MORE) return receive_more(L, h, task, l_readk);
    if (outcome == KIO_FORMAT_TOO_LONG) {
      return give_up_saying(L, h, "EMSGSIZE", too_long);
    }
    if (outcome == KIO_FORMAT_CUT_SHORT) {
      return give_up_saying(L, h, "ENODATA", cut_short);
    }
    if (outcome == KIO_FORMAT_REFUSED) return give_up_refused(L, h);
  }
  if (h->reading.kind != KIO_READ_PEEK) kio_stream_taken(h->stream, h->reading.taken);
  return lua_gettop(L) - h->reading.last;
}

static int l_readk(lua_State *L, int status, lua_KContext ctx) {
  kio_stream_handle *h = (kio_stream_handle *)ctx; /* NOLINT: it was one when the task parked */
  kio_task *task = kio_sched_current()->current;
  (void)status;
  kio_debug_assert(h->tag == &kio_stream_tag);
  h->reading.optional = false;
  int err = kio_stream_end_read(h->stream);
  if (err) return give_up(L, h, kio_stream_early_end(L, err));
  if (h->stream->state != KIO_STREAM_OPEN) return give_up(L, h, EBADF);
  return read_on(L, h, task, task->wake == KIO_WAKE_TIMEOUT);
}

int kio_read_by(lua_State *L, kio_reader *reader) {
  kio_stream_handle *h = kio_stream_check(L);
  kio_task *task = kio_op_begin(L);
  int pushed = refused(L, h->stream, task, reader->kind->name);
  if (pushed) return pushed;
  int last = lua_gettop(L);
  reader->begun = false;
  h->reading =
      (kio_reading){.reader = reader, .kind = KIO_READ_BY_READER, .next = last, .last = last};
  return read_on(L, h, task, false);
}

static size_t max_on_top(lua_State *L, int arg) {
  bool whole = lua_isinteger(L, -1) && lua_tointeger(L, -1) >= 0;
  luaL_argcheck(L, whole, arg, "option 'max' must be an integer of 0 or more");
  return kio_min_size((size_t)lua_tointeger(L, -1), KIO_IO_MAX);
}

/* Reads { max =, timeout = } at the top, if a table is there, and pops it. */
static void read_options(lua_State *L, size_t *max, int64_t *timeout_ns) {
  static const char *const known[] = {"max", "timeout", NULL};
  int index = lua_gettop(L);
  if (!lua_istable(L, index)) return;
  kio_check_options(L, index, known);
  if (kio_option(L, index, "max") != LUA_TNIL) *max = max_on_top(L, index);
  *timeout_ns = kio_option_timeout(L, index, *timeout_ns);
  lua_settop(L, index - 1);
}

/* The arguments from 2 on are checked formats; an options table may follow them. */
static int start_read(lua_State *L, kio_read_kind kind) {
  kio_stream_handle *h = kio_stream_check(L);
  kio_task *task = kio_op_begin(L);
  size_t max = 0;
  int64_t timeout_ns = h->timeout_ns;
  read_options(L, &max, &timeout_ns);
  int pushed = refused(L, h->stream, task, name_of(kind));
  if (pushed) return pushed;
  h->reading = (kio_reading){.max = max,
                             .due_ns = kio_sched_due(task->sched, timeout_ns),
                             .kind = (uint8_t)kind,
                             .next = 2,
                             .last = lua_gettop(L)};
  return read_on(L, h, task, false);
}

/* ---- what has arrived next ---- */

static int push_unread(lua_State *L, kio_stream *stream, size_t max) {
  size_t size = kio_min_size(max, kio_stream_unread(stream));
  bool whole = size == kio_stream_unread(stream);
  if (!kio_stream_push(L, stream, 0, size, whole)) kio_stream_taken(stream, size);
  return 1;
}

/* The unread bytes into the buffer at index 2, where the arguments behind it say: looked at only
   now, for other tasks may have used it while this one waited. What it has no room for stays. */
static int fill_buffer(lua_State *L, kio_stream *stream) {
  size_t at, max;
  const kio_view *view = lua_touserdata(L, 2); /* it was one when it was called */
  if (!view->block) kio_view_refuse(L, 2);
  kio_block_check(L, view->block, true);
  kio_view_range(L, 3, view, &at, &max);
  size_t size = kio_min_size(max, kio_stream_unread(stream));
  kio_assert(size > 0);
  memcpy(kio_view_data(view) + at, kio_stream_bytes(stream), size);
  kio_stream_consume(stream, size);
  lua_pushinteger(L, (lua_Integer)size);
  return 1;
}

static int take_unread(lua_State *L, const kio_stream_handle *h) {
  bool into = h->reading.kind == KIO_READ_RECV_INTO;
  return into ? fill_buffer(L, h->stream) : push_unread(L, h->stream, h->reading.max);
}

static int l_recvk(lua_State *L, int status, lua_KContext ctx) {
  kio_stream_handle *h = (kio_stream_handle *)ctx; /* NOLINT: it was one when the task parked */
  kio_stream *stream = h->stream;
  (void)status;
  kio_debug_assert(h->tag == &kio_stream_tag);
  int err = kio_stream_end_read(stream);
  if (kio_stream_unread(stream) > 0) return take_unread(L, h);
  if (!err && stream->in.ended) return (lua_pushnil(L), 1);
  err = kio_stream_early_end(L, err);
  /* Closed meanwhile, with bytes that had come and were taken by nobody. */
  if (!err && stream->state != KIO_STREAM_OPEN) err = EBADF;
  return err ? give_up(L, h, err) : receive_more(L, h, kio_sched_current()->current, l_recvk);
}

/* Nothing is there: waits for what comes next. */
static inline int receive_next(lua_State *L, kio_stream_handle *h, kio_task *task,
                               kio_read_kind kind, size_t max, int64_t timeout_ns) {
  if (h->stream->in.ended) return (lua_pushnil(L), 1);
  h->reading.max = max;
  h->reading.kind = (uint8_t)kind;
  h->reading.reader = NULL;
  h->reading.due_ns = kio_sched_due(task->sched, timeout_ns);
  return receive_more(L, h, task, l_recvk);
}

/* stream:recv([max [, options]]) -> what has arrived next, at most max bytes | nil at the end */
static int l_recv(lua_State *L) {
  kio_stream_handle *h = kio_stream_check(L);
  kio_stream *stream = h->stream;
  int64_t timeout_ns = h->timeout_ns;
  int top = kio_takes(L, 3);
  lua_Integer max = top > 1 ? luaL_optinteger(L, 2, KIO_IO_MAX) : KIO_IO_MAX;
  if (max <= 0) luaL_argerror(L, 2, "must be at least 1 byte");
  kio_task *task = kio_op_begin(L);
  if (top > 2 && !lua_isnil(L, 3)) {
    timeout_ns = kio_op_timeout_or(L, 3, timeout_ns);
  }
  int pushed = refused(L, stream, task, "recv");
  if (pushed) return pushed;
  if (kio_stream_unread(stream) > 0) return push_unread(L, stream, (size_t)max);
  return receive_next(L, h, task, KIO_READ_RECV, (size_t)max, timeout_ns);
}

/* stream:recv_into(buffer [, at [, max [, options]]]) -> how many bytes have arrived next and are
   in the buffer now | nil at the end */
static int l_recv_into(lua_State *L) {
  size_t at, max;
  kio_stream_handle *h = kio_stream_check(L);
  kio_stream *stream = h->stream;
  const kio_view *view = kio_view_check(L, 2);
  kio_block_check(L, view->block, true);
  kio_view_range(L, 3, view, &at, &max);
  luaL_argcheck(L, max > 0, 4, "must be at least 1 byte");
  int64_t timeout_ns = kio_op_timeout_or(L, 5, h->timeout_ns);
  kio_task *task = kio_op_begin(L);
  int pushed = refused(L, stream, task, "recv_into");
  if (pushed) return pushed;
  if (kio_stream_unread(stream) > 0) return fill_buffer(L, stream);
  return receive_next(L, h, task, KIO_READ_RECV_INTO, 0, timeout_ns);
}

/* ---- the calls ---- */

static void check_format(lua_State *L, int index) {
  if (lua_type(L, index) == LUA_TNUMBER) {
    kio_check_size(L, index);
    return;
  }
  const char *text = luaL_checkstring(L, index);
  text += *text == '*';
  luaL_argcheck(L, *text == 'l' || *text == 'L' || *text == 'a', index, "invalid format");
}

/* The hot case of protocols that count: one number of bytes, all of which have arrived. It takes a
   sixth off the instructions of a message that is read and written once. */
static bool read_arrived(lua_State *L) {
  if (lua_gettop(L) != 2 || !lua_isinteger(L, 2)) return false;
  kio_stream *stream = kio_stream_check(L)->stream;
  size_t count = (size_t)lua_tointeger(L, 2); /* a negative one is more than there ever is */
  bool ready = count > 0 && count <= kio_stream_unread(stream) && !stream->reader &&
               stream->state == KIO_STREAM_OPEN && stream->sched == kio_sched_current();
  if (!ready) return false;
  kio_op_begin(L);
  push_unread(L, stream, count);
  return true;
}

/* Options that are nil are none. */
static void drop_nils(lua_State *L) {
  while (lua_gettop(L) > 2 && lua_isnil(L, -1)) lua_pop(L, 1);
}

/* stream:read([format, ... [, { max =, timeout = }]]) -> a value for each format: "l" (default),
   "L", "a", or a number of bytes; nil at the end */
static int l_read(lua_State *L) {
  if (read_arrived(L)) return 1;
  kio_stream_check(L); /* before a format stands in its place */
  drop_nils(L);
  int last = lua_gettop(L) - lua_istable(L, -1);
  if (last < 2) { /* no format: a line */
    lua_pushliteral(L, "l");
    lua_insert(L, 2);
    return start_read(L, KIO_READ_LINE);
  }
  for (int i = 2; i <= last; i++) check_format(L, i);
  return start_read(L, KIO_READ_COUNT);
}

/* stream:read_until(delimiter [, { max =, timeout = }]) -> what comes before it | nil at the end */
static int l_read_until(lua_State *L) {
  kio_takes(L, 3);
  size_t width;
  kio_stream_check(L);
  luaL_checklstring(L, 2, &width);
  luaL_argcheck(L, width > 0, 2, "the delimiter is empty");
  drop_nils(L);
  return start_read(L, KIO_READ_UNTIL);
}

/* stream:peek([size [, { timeout = }]]) -> that many bytes, which stay unread; fewer only at the
   end */
static int l_peek(lua_State *L) {
  kio_takes(L, 3);
  kio_stream_check(L);
  drop_nils(L);
  if (lua_isnoneornil(L, 2)) {
    if (lua_gettop(L) < 2) lua_settop(L, 2);
    lua_pushinteger(L, 1);
    lua_replace(L, 2);
  }
  luaL_argcheck(L, kio_check_size(L, 2) > 0, 2, "must be at least 1 byte");
  return start_read(L, KIO_READ_PEEK);
}

/* stream:unread(data) -> stream: data is what will be read next */
static int l_unread(lua_State *L) {
  kio_takes(L, 2);
  size_t size;
  kio_stream *stream = kio_stream_check(L)->stream;
  const char *data = kio_check_data(L, 2, &size);
  int pushed = refused(L, stream, kio_op_task(L), "unread");
  if (pushed) return pushed;
  if (stream->receiving) return kio_misuse(L, "the stream rests in a pool");
  int err = kio_stream_put_back(stream, data, size);
  if (err) return kio_stream_fail(L, stream, "unread", -err);
  lua_settop(L, 1);
  return 1;
}

/* error_words(code) -> the words with which operations on streams fail with it */
static int l_error_words(lua_State *L) {
  char text[128];
  int err = kio_errname_find(luaL_checkstring(L, 1));
  kio_errname_text(err, text, sizeof text);
  if (err == EMSGSIZE) lua_pushstring(L, too_long);
  else if (err == ENODATA) lua_pushstring(L, cut_short);
  else lua_pushstring(L, text);
  return 1;
}

/* error_name(number) -> the name of the errno of this number */
static int l_error_name(lua_State *L) {
  lua_pushstring(L, kio_errname((int)luaL_checkinteger(L, 1)));
  return 1;
}

const luaL_Reg kio_read_own[] = {
    {"error_words", l_error_words},
    {"error_name", l_error_name},
    {NULL, NULL},
};

const luaL_Reg kio_read_methods[] = {
    {"recv", l_recv}, {"read", l_read},     {"read_until", l_read_until},
    {"peek", l_peek}, {"unread", l_unread}, {"recv_into", l_recv_into},
    {NULL, NULL},
};
