/* Parts of files that the kernel has in memory, from there to a stream's socket: by sendfile(2), in
   this thread, without anybody's copy. Owns nothing. Invariant: neither a disk nor a peer is waited
   for. sendfile(2) heeds nothing but O_NONBLOCK, which the socket has for the length of the call,
   and only while nothing else of the stream is under way. Called in the running task. */
#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "net/stream_lua.h"
#include "op/misuse.h"
#include "op/op.h"
#include "op/registry.h"
#include "system/fd.h"

enum { PAGE = 4096, PIECE = KIO_BUFFER_MAX };

/* Whether the kernel has all of it: then to read it again and again into one page needs no disk.
   What is behind the end is not there. */
static bool is_cached(int file, uint64_t offset, size_t size) {
  char page[PAGE];
  struct iovec pieces[PIECE / PAGE + 1];
  int count = 0;
  for (size_t left = size; left > 0; left -= pieces[count++].iov_len) {
    pieces[count] = (struct iovec){page, kio_min_size(left, PAGE)};
  }
  return preadv2(file, pieces, count, (off_t)offset, RWF_NOWAIT) == (ssize_t)size;
}

/* Whether the bytes may go past the ring, and past what the stream sends by itself. */
static bool may_pass(const kio_stream *stream) {
  bool alone = !stream->receiving && !stream->sending && !stream->standard;
  return stream->carrier == &kio_carrier_socket && stream->sched->ring.backend->plain_calls &&
         alone && !stream->out.pinned;
}

/* What was gathered leaves before. 0, -EAGAIN when the socket has no room for all of it, or
   another -errno. */
static int send_gathered(kio_stream *stream) {
  size_t size = stream->out.size;
  if (size == 0) return 0;
  int flags = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE;
  ssize_t sent = send(stream->fd, stream->out.buffer.data, size, flags);
  if (sent < 0) return -errno;
  kio_stream_sent_past(stream, (size_t)sent);
  return stream->out.size == 0 ? 0 : -EAGAIN;
}

/* How many bytes went, or -errno. */
static ssize_t send_part(const kio_stream *stream, int file, uint64_t offset, size_t size) {
  off_t at = (off_t)offset;
  int flags = kio_fd_unblock(stream->fd);
  if (flags < 0) return flags;
  ssize_t sent = sendfile(stream->fd, file, &at, size);
  if (sent < 0) sent = -errno;
  kio_fd_reblock(stream->fd, flags);
  return sent;
}

/* stream_send_cached(stream, file, offset, size [, reserved]) -> bytes that have left: fewer when
   there is no room for more, or more are for the next call | false: it must be read first */
static int l_send_cached(lua_State *L) {
  kio_stream_handle *h = kio_stream_check(L);
  kio_stream *stream = h->stream;
  int file = kio_check_fd(L, 2);
  uint64_t offset = (uint64_t)luaL_checkinteger(L, 3);
  size_t size = kio_min_size((size_t)luaL_checkinteger(L, 4), PIECE);
  const kio_task *task = kio_op_begin(L);
  int err = kio_stream_output_error(stream);
  if (err) return kio_stream_fail(L, stream, "send_file", err);
  if (!lua_toboolean(L, 5) && kio_stream_is_taken(stream)) {
    return kio_misuse(L, "another task is writing to this stream");
  }
  err = -kio_stream_attach(stream, task->sched);
  if (err) return kio_stream_fail(L, stream, "send_file", err);
  kio_stream_move_on(stream);
  if (size == 0 || !may_pass(stream) || !is_cached(file, offset, size)) {
    lua_pushboolean(L, false);
    return 1;
  }
  ssize_t sent = send_gathered(stream);
  if (sent == 0) sent = send_part(stream, file, offset, size);
  bool full = sent == -EAGAIN || sent == -EINTR;
  if (sent < 0 && !full) {
    kio_stream_output_failed(stream, (int)-sent);
    return kio_stream_fail(L, stream, "send_file", (int)-sent);
  }
  lua_pushinteger(L, full ? 0 : sent);
  return 1;
}

const luaL_Reg kio_sends_own[] = {
    {"stream_send_cached", l_send_cached},
    {NULL, NULL},
};
