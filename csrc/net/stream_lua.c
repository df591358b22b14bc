/* Streams as Lua sees them, but for reading (net/read.c), writing (net/write.c) and their end
   (net/stream_close.c). The userdata holds a pointer to the stream, NULL until it is connected. */
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

kio_sockaddr kio_stream_peer(const kio_stream *stream) {
  kio_sockaddr peer = {.size = stream->peer_size};
  memcpy(&peer.as, stream->tail->peer, stream->peer_size);
  return peer;
}

const char *kio_stream_peer_text(const kio_stream *stream, char text[KIO_ADDRESS_TEXT_MAX + 1]) {
  static const char *const standard[] = {"", "stdin", "stdout", "stderr"};
  kio_sockaddr peer = kio_stream_peer(stream);
  if (stream->standard) strcpy(text, standard[stream->standard]);
  else if (peer.size > 0) kio_address_text(&peer, text);
  else strcpy(text, kio_stream_bottom(stream)->name);
  return text;
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
    {"address", l_address},         {"peer", l_peer},     {"fd", l_fd},
    {"set_timeout", l_set_timeout}, {"buffer", l_buffer}, {NULL, NULL},
};
