/* One function for each kind of operation. A descriptor is made non-blocking for the length of its
   call, so that even a pipe or a connect never holds the thread up; one that was non-blocking
   before gets its EAGAIN, as from io_uring. Called by the scheduler's thread only. */
#include "test/sim_call.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"

#define CURRENT_POSITION UINT64_MAX

static int outcome(ssize_t result) {
  return result >= 0 ? (int)result : -errno;
}

/* ---- not waiting ---- */

/* Makes fd non-blocking and tells how it was; negative: there is no such descriptor. */
static int unblock(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  if (!(flags & O_NONBLOCK)) fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  return flags;
}

/* Puts the descriptor back as it was; a call that would have waited is told from one that must
   not. */
static int reblock(int fd, int flags, int result) {
  if (flags & O_NONBLOCK) return result;
  fcntl(fd, F_SETFL, flags);
  return result == -EAGAIN || result == -EINTR ? KIO_SIM_WAIT : result;
}

/* ---- bytes ---- */

/* The part of the pieces that lies behind `skip` bytes, at most `max` of them. */
static unsigned cut(const struct iovec *in, size_t count, size_t skip, size_t max,
                    struct iovec *out) {
  unsigned pieces = 0;
  size_t left = max > 0 ? max : SIZE_MAX;
  for (size_t i = 0; i < count && i < KIO_IOV_MAX && left > 0; i++) {
    size_t from = kio_min_size(skip, in[i].iov_len);
    size_t size = kio_min_size(in[i].iov_len - from, left);
    skip -= from;
    left -= size;
    if (size > 0 || in[i].iov_len == 0) {
      out[pieces++] = (struct iovec){(char *)in[i].iov_base + from, size};
    }
  }
  return pieces;
}

static bool is_write(const kio_request *request) {
  return request->op == KIO_OP_WRITE || request->op == KIO_OP_WRITEV;
}

static int move_file(const kio_request *r, const struct iovec *iov, unsigned count,
                     uint64_t offset) {
  int n = (int)count;
  if (offset == CURRENT_POSITION) {
    return outcome(is_write(r) ? writev(r->fd, iov, n) : readv(r->fd, iov, n));
  }
  off_t at = (off_t)offset;
  ssize_t done = is_write(r) ? pwritev(r->fd, iov, n, at) : preadv(r->fd, iov, n, at);
  return outcome(done);
}

/* read, write, readv, writev. An offset into what has none (a pipe) is ignored, as by io_uring. */
static int call_file(kio_request *r, size_t max) {
  struct iovec pieces[KIO_IOV_MAX];
  bool one = r->op == KIO_OP_READ || r->op == KIO_OP_WRITE;
  struct iovec whole = {r->arg.io.buf, r->arg.io.size};
  unsigned count =
      one ? cut(&whole, 1, 0, max, pieces) : cut(r->arg.vec.iov, r->arg.vec.count, 0, max, pieces);
  uint64_t offset = one ? r->arg.io.offset : r->arg.vec.offset;
  int flags = unblock(r->fd);
  if (flags < 0) return flags;
  int result = move_file(r, pieces, count, offset);
  if (result == -ESPIPE) result = move_file(r, pieces, count, CURRENT_POSITION);
  return reblock(r->fd, flags, result);
}

static bool is_stream(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

static int call_message(const kio_request *r, struct msghdr *header, int flags) {
  bool sends = r->op == KIO_OP_SEND || r->op == KIO_OP_SENDMSG;
  flags = (flags & ~MSG_WAITALL) | MSG_DONTWAIT;
  if (sends) return outcome(sendmsg(r->fd, header, flags | MSG_NOSIGNAL));
  return outcome(recvmsg(r->fd, header, flags | MSG_CMSG_CLOEXEC));
}

static bool must_not_wait(int fd, int flags) {
  return flags & MSG_DONTWAIT || fcntl(fd, F_GETFL) & O_NONBLOCK;
}

/* What one try means: MSG_WAITALL goes on until every byte has moved, and an end or an error after
   some have moved is told by their number, as the kernel does. `max` cuts that short. */
static int moved_by(const kio_request *r, int flags, int result, size_t total, size_t max,
                    size_t *moved) {
  bool waits = (result == -EAGAIN || result == -EINTR) && !must_not_wait(r->fd, flags);
  if (waits) return KIO_SIM_WAIT;
  if (result <= 0) return *moved > 0 ? (int)*moved : result;
  *moved += (size_t)result;
  bool whole = !(flags & MSG_WAITALL) || *moved >= total || max > 0;
  return whole ? (int)*moved : KIO_SIM_WAIT;
}

static size_t total_of(const struct msghdr *header) {
  size_t total = 0;
  for (size_t i = 0; i < header->msg_iovlen; i++) total += header->msg_iov[i].iov_len;
  return total;
}

/* recv, send, recvmsg, sendmsg */
static int call_socket(kio_request *r, struct msghdr *header, int flags, size_t max,
                       size_t *moved) {
  struct iovec pieces[KIO_IOV_MAX];
  struct msghdr part = *header;
  size_t total = total_of(header);
  if (!is_stream(r->fd)) max = 0;
  part.msg_iov = pieces;
  part.msg_iovlen = cut(header->msg_iov, header->msg_iovlen, *moved, max, pieces);
  int result = call_message(r, &part, flags);
  header->msg_namelen = part.msg_namelen;
  header->msg_controllen = part.msg_controllen;
  header->msg_flags = part.msg_flags;
  return moved_by(r, flags, result, total, max, moved);
}

static int call_io(kio_request *r, size_t max, size_t *moved) {
  struct iovec whole = {r->arg.io.buf, r->arg.io.size};
  struct msghdr header = {.msg_iov = &whole, .msg_iovlen = 1};
  return call_socket(r, &header, r->arg.io.flags, max, moved);
}

static int call_splice(kio_request *r, size_t max) {
  off64_t in_at = r->arg.splice.in_offset, out_at = r->arg.splice.out_offset;
  size_t size = r->arg.splice.size;
  int in = r->arg.splice.in, flags = unblock(in);
  if (flags < 0) return flags;
  int out_flags = unblock(r->fd);
  int result = out_flags;
  if (out_flags >= 0) {
    result = outcome(splice(in, in_at < 0 ? NULL : &in_at, r->fd, out_at < 0 ? NULL : &out_at,
                            max > 0 ? kio_min_size(size, max) : size, SPLICE_F_NONBLOCK));
    result = reblock(r->fd, out_flags, result);
  }
  return reblock(in, flags, result);
}

/* ---- connections ---- */

static int call_accept(kio_request *r) {
  kio_sockaddr *peer = r->arg.address;
  int flags = unblock(r->fd);
  if (flags < 0) return flags;
  struct sockaddr *address = peer ? &peer->as.any : NULL;
  int result = outcome(accept4(r->fd, address, peer ? &peer->size : NULL, SOCK_CLOEXEC));
  return reblock(r->fd, flags, result);
}

static int connect_ended(int fd) {
  int err = 0;
  socklen_t size = sizeof err;
  struct pollfd look = {fd, POLLOUT, 0};
  if (poll(&look, 1, 0) <= 0) return KIO_SIM_WAIT;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) == 0 ? -err : -errno;
}

/* `begun`: an earlier try has started the handshake. */
static int call_connect(kio_request *r, size_t *begun) {
  if (*begun) return connect_ended(r->fd);
  int flags = unblock(r->fd);
  if (flags < 0) return flags;
  int result = outcome(connect(r->fd, &r->arg.address->as.any, r->arg.address->size));
  *begun = result == -EINPROGRESS;
  result = reblock(r->fd, flags, result);
  return *begun ? connect_ended(r->fd) : result;
}

static int call_poll(const kio_request *r) {
  struct pollfd look = {r->fd, (short)r->arg.events, 0};
  if (poll(&look, 1, 0) <= 0) return KIO_SIM_WAIT;
  return look.revents & POLLNVAL ? -EBADF : look.revents;
}

/* ---- what never waits ---- */

static int call_name(const kio_request *r) {
  const kio_arg_path *p = &r->arg.path;
  switch (r->op) {
  case KIO_OP_OPENAT: return outcome(openat(r->fd, p->name, (int)p->flags, p->mode));
  case KIO_OP_UNLINKAT: return outcome(unlinkat(r->fd, p->name, (int)p->flags));
  case KIO_OP_MKDIRAT: return outcome(mkdirat(r->fd, p->name, p->mode));
  case KIO_OP_RENAMEAT: return outcome(renameat2(r->fd, p->name, p->fd2, p->name2, p->flags));
  case KIO_OP_SYMLINKAT: return outcome(symlinkat(p->name2, r->fd, p->name));
  default: return outcome(statx(r->fd, p->name, (int)p->flags, p->mode, p->out));
  }
}

static int call_extent(const kio_request *r) {
  off_t offset = (off_t)r->arg.extent.offset, length = (off_t)r->arg.extent.length;
  if (r->op == KIO_OP_FTRUNCATE) return outcome(ftruncate(r->fd, length));
  return outcome(fallocate(r->fd, r->arg.extent.mode, offset, length));
}

int kio_sim_call(kio_request *r, size_t max, size_t *moved) {
  switch (r->op) {
  case KIO_OP_READ:
  case KIO_OP_WRITE:
  case KIO_OP_READV:
  case KIO_OP_WRITEV: return call_file(r, max);
  case KIO_OP_RECV:
  case KIO_OP_SEND: return call_io(r, max, moved);
  case KIO_OP_RECVMSG:
  case KIO_OP_SENDMSG:
    return call_socket(r, r->arg.message.header, r->arg.message.flags, max, moved);
  case KIO_OP_ACCEPT: return call_accept(r);
  case KIO_OP_CONNECT: return call_connect(r, moved);
  case KIO_OP_POLL: return call_poll(r);
  case KIO_OP_SPLICE: return call_splice(r, max);
  case KIO_OP_SHUTDOWN: return outcome(shutdown(r->fd, r->arg.how));
  case KIO_OP_CLOSE: return outcome(close(r->fd));
  case KIO_OP_FSYNC: return outcome(r->arg.sync.data_only ? fdatasync(r->fd) : fsync(r->fd));
  case KIO_OP_FALLOCATE:
  case KIO_OP_FTRUNCATE: return call_extent(r);
  default: return call_name(r);
  }
}

short kio_sim_events(const kio_request *request) {
  const kio_op_facts *facts = kio_op_look(request->op);
  return facts->arg == KIO_ARG_EVENTS ? (short)request->arg.events : facts->ready;
}
