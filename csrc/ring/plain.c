/* Owns nothing. Sockets are told not to wait by a flag of the call (recvmsg(2), MSG_DONTWAIT),
   pipes and terminals by RWF_NOWAIT (preadv2(2)) or, on kernels and files that do not know that, by
   a descriptor of our own to the same pipe or terminal, which is O_NONBLOCK. One that was
   O_NONBLOCK before gets its EAGAIN, as from io_uring. Called by backends: kio_plain_work on any
   thread, the others by the ring's. */
#include "ring/plain.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/number.h"
#include "ring/step.h"
#include "system/fd.h"
#include "system/newer.h"
#include "system/sockopt.h"

#define CURRENT_POSITION UINT64_MAX

static int outcome(ssize_t result) {
  return result >= 0 ? (int)result : -errno;
}

/* A call that would have waited, told from one that must not. */
static int unless_waits(int fd, int result) {
  bool waits = result == -EINTR || (result == -EAGAIN && !kio_fd_must_not_wait(fd));
  return waits ? KIO_PLAIN_WAIT : result;
}

/* ---- pieces of memory ---- */

/* The part of the pieces that lies behind `skip` bytes, at most `max` of them. */
static int cut(const struct iovec *in, size_t count, size_t skip, size_t max, struct iovec *out) {
  int pieces = 0;
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

static size_t total_of(const struct iovec *pieces, size_t count) {
  size_t total = 0;
  for (size_t i = 0; i < count; i++) total += pieces[i].iov_len;
  return total;
}

/* ---- read, write, readv, writev ---- */

typedef struct transfer {
  struct iovec pieces[KIO_IOV_MAX];
  int count;
  size_t size; /* of all pieces */
  int fd;
  bool writes;
  uint64_t offset; /* CURRENT_POSITION: none */
} transfer;

/* The step of a splice that moves bytes between one side and the request's buffer. */
static void describe_splice(const kio_request *r, transfer *t) {
  t->writes = r->step == KIO_SPLICE_WRITE;
  t->fd = t->writes ? r->fd : r->arg.splice.in;
  t->offset = (uint64_t)(t->writes ? r->arg.splice.out_offset : r->arg.splice.in_offset);
  t->pieces[0] = (struct iovec){r->buffer.data, t->size = r->arg.splice.held};
  t->count = 1;
}

static void describe(const kio_request *r, size_t max, transfer *t) {
  if (r->op == KIO_OP_SPLICE) {
    describe_splice(r, t);
    return;
  }
  bool one = r->op == KIO_OP_READ || r->op == KIO_OP_WRITE;
  struct iovec whole = {r->arg.io.buf, r->arg.io.size};
  t->count = one ? cut(&whole, 1, 0, max, t->pieces)
                 : cut(r->arg.vec.iov, r->arg.vec.count, 0, max, t->pieces);
  t->size = total_of(t->pieces, (size_t)t->count);
  t->fd = r->fd;
  t->writes = r->op == KIO_OP_WRITE || r->op == KIO_OP_WRITEV;
  t->offset = one ? r->arg.io.offset : r->arg.vec.offset;
}

static int move_on(int fd, const transfer *t, uint64_t offset, int flags) {
  off_t at = (off_t)offset; /* -1 means the position to these two, also without flags */
  return outcome(t->writes ? pwritev2(fd, t->pieces, t->count, at, flags)
                           : preadv2(fd, t->pieces, t->count, at, flags));
}

/* An offset into what has none, such as a pipe, is ignored, as by io_uring. */
static int move(int fd, const transfer *t, int flags) {
  int result = move_on(fd, t, t->offset, flags);
  if (result != -ESPIPE) return result;
  return move_on(fd, t, CURRENT_POSITION, flags);
}

static int move_socket(const transfer *t) {
  struct msghdr header = {.msg_iov = (struct iovec *)(uintptr_t)t->pieces,
                          .msg_iovlen = (size_t)t->count};
  int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  return outcome(t->writes ? sendmsg(t->fd, &header, flags) : recvmsg(t->fd, &header, flags));
}

/* Whether opening it once more gives the same: of a pseudoterminal's master it gives a new one. */
static bool can_be_opened(int fd) {
  unsigned number;
  return S_ISFIFO(kio_fd_type(fd)) || (isatty(fd) && ioctl(fd, TIOCGPTN, &number) != 0);
}

/* A descriptor of our own to the same pipe or terminal; negative: there is none. */
static int open_own(const transfer *t) {
  char path[sizeof "/proc/self/fd/" + 11];
  if (!can_be_opened(t->fd)) return -1;
  snprintf(path, sizeof path, "/proc/self/fd/%d", t->fd);
  return open(path, (t->writes ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Where nothing else helps. */
static int move_unblocked(const transfer *t) {
  int flags = kio_fd_unblock(t->fd);
  if (flags < 0) return flags;
  int result = move(t->fd, t, 0);
  kio_fd_reblock(t->fd, flags);
  return result;
}

static int move_own(const transfer *t) {
  int own = open_own(t);
  if (own < 0) return move_unblocked(t);
  kio_number_own(own);
  int result = move(own, t, 0);
  kio_number_close(own); /* what could fail has been told by the call */
  return result;
}

/* A fifo that nobody has opened for writing yet has not ended. */
static bool is_without_writer(int fd) {
  return S_ISFIFO(kio_fd_type(fd)) && !kio_fd_is_ready(fd, POLLIN);
}

/* As the kernel has it for io_uring, which looks whether the position is 0. */
static bool is_socket_elsewhere(const transfer *t) {
  return t->offset != 0 && t->offset != CURRENT_POSITION && S_ISSOCK(kio_fd_type(t->fd));
}

/* Which is a message all the same, or an error; write(2) would not ask the socket. */
static bool sends_nothing(const transfer *t) {
  return t->writes && S_ISSOCK(kio_fd_type(t->fd));
}

static int try_transfer(const transfer *t) {
  if (is_socket_elsewhere(t)) return -ESPIPE;
  if (t->size == 0 && !sends_nothing(t)) return move(t->fd, t, 0); /* waits for nothing */
  int result = move_socket(t);
  if (result == -ENOTSOCK) result = move(t->fd, t, RWF_NOWAIT);
  if (result == -EOPNOTSUPP) result = move_own(t);
  if (result == 0 && !t->writes && is_without_writer(t->fd)) return KIO_PLAIN_WAIT;
  return unless_waits(t->fd, result);
}

int kio_plain_cached(kio_request *r) {
  transfer t;
  if (r->op != KIO_OP_READ && r->op != KIO_OP_READV) return KIO_PLAIN_WAIT;
  describe(r, 0, &t);
  if (t.offset == CURRENT_POSITION) return KIO_PLAIN_WAIT;
  int result = move(t.fd, &t, RWF_NOWAIT);
  return result == 0 || (result > 0 && (size_t)result == t.size) ? result : KIO_PLAIN_WAIT;
}

/* ---- recv, send, recvmsg, sendmsg ---- */

static bool is_stream(int fd) {
  int type;
  return kio_sockopt_ask(fd, SOL_SOCKET, SO_TYPE, &type) == 0 && type == SOCK_STREAM;
}

/* A message is whole, however long it is. */
static bool is_datagram(int fd) {
  int type;
  return kio_sockopt_ask(fd, SOL_SOCKET, SO_TYPE, &type) == 0 && type == SOCK_DGRAM;
}

static int call_message(const kio_request *r, struct msghdr *header, int flags) {
  flags = (flags & ~MSG_WAITALL) | MSG_DONTWAIT;
  if (kio_op_look(r->op)->ready == POLLOUT) {
    return outcome(sendmsg(r->fd, header, flags | MSG_NOSIGNAL));
  }
  return outcome(recvmsg(r->fd, header, flags | MSG_CMSG_CLOEXEC));
}

/* What one try means: MSG_WAITALL goes on until every byte has moved, and an end or an error after
   some have moved is told by their number, as the kernel does. `max` cuts that short. */
static int moved_by(const kio_request *r, int flags, int result, size_t total, size_t max,
                    size_t *moved) {
  if (result == -EINTR || result == -EAGAIN) {
    result = flags & MSG_DONTWAIT ? result : unless_waits(r->fd, result);
  }
  if (result == KIO_PLAIN_WAIT) return result;
  if (result <= 0) return *moved > 0 ? (int)*moved : result;
  *moved += (size_t)result;
  bool whole = *moved >= total || max > 0 || !(flags & MSG_WAITALL) || is_datagram(r->fd);
  return whole ? (int)*moved : KIO_PLAIN_WAIT;
}

static int try_part(const kio_request *r, struct msghdr *header, int flags, size_t max,
                    size_t *moved) {
  struct iovec pieces[KIO_IOV_MAX];
  struct msghdr part = *header;
  size_t total = total_of(header->msg_iov, header->msg_iovlen);
  if (max > 0 && !is_stream(r->fd)) max = 0;
  part.msg_iov = pieces;
  part.msg_iovlen = (size_t)cut(header->msg_iov, header->msg_iovlen, *moved, max, pieces);
  int result = call_message(r, &part, flags);
  header->msg_namelen = part.msg_namelen;
  header->msg_controllen = part.msg_controllen;
  header->msg_flags = part.msg_flags;
  return moved_by(r, flags, result, total, max, moved);
}

/* An event tells of readiness only after a call that found none: part of it is not enough. */
static int try_socket(const kio_request *r, struct msghdr *header, int flags, size_t max,
                      size_t *moved) {
  size_t before;
  int result;
  do {
    before = *moved;
    result = try_part(r, header, flags, max, moved);
  } while (result == KIO_PLAIN_WAIT && *moved > before);
  return result;
}

static int try_io(const kio_request *r, size_t max, size_t *moved) {
  struct iovec whole = {r->arg.io.buf, r->arg.io.size};
  struct msghdr header = {.msg_iov = &whole, .msg_iovlen = 1};
  return try_socket(r, &header, r->arg.io.flags, max, moved);
}

int kio_plain_receive(kio_buffers *buffers, kio_request *request) {
  kio_arg_io *io = &request->arg.io;
  kio_buffer buffer = kio_buffer_take(buffers, io->size);
  if (!buffer.data) return -ENOMEM;
  int result = outcome(recv(request->fd, buffer.data, io->size, io->flags | MSG_DONTWAIT));
  if (result > 0) request->buffer = buffer;
  else kio_buffer_give(buffers, buffer);
  if (result == (int)io->size) request->flags |= KIO_REQUEST_MORE;
  return result == -EAGAIN || result == -EINTR ? KIO_PLAIN_WAIT : result;
}

/* ---- connections ---- */

static int try_accept(kio_request *r) {
  kio_sockaddr *peer = r->arg.address;
  int flags = kio_fd_unblock(r->fd);
  if (flags < 0) return flags;
  struct sockaddr *address = peer ? &peer->as.any : NULL;
  int result = outcome(accept4(r->fd, address, peer ? &peer->size : NULL, SOCK_CLOEXEC));
  kio_fd_reblock(r->fd, flags);
  return unless_waits(r->fd, result);
}

static int connect_ended(int fd) {
  int err;
  if (!kio_fd_is_ready(fd, POLLOUT)) return KIO_PLAIN_WAIT;
  int failed = kio_sockopt_ask(fd, SOL_SOCKET, SO_ERROR, &err);
  return failed ? failed : -err;
}

/* `begun`: an earlier try has started the handshake. */
static int try_connect(kio_request *r, size_t *begun) {
  if (*begun) return connect_ended(r->fd);
  int flags = kio_fd_unblock(r->fd);
  if (flags < 0) return flags;
  int result = outcome(connect(r->fd, &r->arg.address->as.any, r->arg.address->size));
  kio_fd_reblock(r->fd, flags);
  bool waits = !(flags & O_NONBLOCK);
  *begun = waits && result == -EINPROGRESS;
  if (*begun) return connect_ended(r->fd);
  return waits && (result == -EAGAIN || result == -EINTR) ? KIO_PLAIN_WAIT : result;
}

static int try_poll(int fd, short events) {
  struct pollfd look = {fd, events, 0};
  if (poll(&look, 1, 0) <= 0) return KIO_PLAIN_WAIT;
  return look.revents & POLLNVAL ? -EBADF : look.revents;
}

/* One step of it (ring/step.h). */
static int try_splice(const kio_request *r) {
  transfer t;
  if (r->step == KIO_SPLICE_WAIT_IN) return try_poll(r->arg.splice.in, POLLIN);
  if (r->step == KIO_SPLICE_WAIT_OUT) return try_poll(r->fd, POLLOUT);
  describe_splice(r, &t);
  return try_transfer(&t);
}

int kio_plain_try(kio_request *r, size_t max, size_t *moved) {
  transfer t;
  switch (r->op) {
  case KIO_OP_READ:
  case KIO_OP_WRITE:
  case KIO_OP_READV:
  case KIO_OP_WRITEV: describe(r, max, &t); return try_transfer(&t);
  case KIO_OP_RECV:
  case KIO_OP_SEND: return try_io(r, max, moved);
  case KIO_OP_RECVMSG:
  case KIO_OP_SENDMSG:
    return try_socket(r, r->arg.message.header, r->arg.message.flags, max, moved);
  case KIO_OP_ACCEPT: return try_accept(r);
  case KIO_OP_CONNECT: return try_connect(r, moved);
  case KIO_OP_SHUTDOWN: return outcome(shutdown(r->fd, r->arg.how));
  case KIO_OP_CLOSE: return outcome(close(r->fd));
  case KIO_OP_SPLICE: return try_splice(r);
  default: kio_assert(r->op == KIO_OP_POLL); return try_poll(r->fd, kio_plain_events(r));
  }
}

/* ---- work ---- */

static bool is_file(int fd) {
  mode_t type = kio_fd_type(fd);
  return S_ISREG(type) || S_ISBLK(type) || S_ISDIR(type);
}

bool kio_plain_is_work(const kio_request *r) {
  switch (r->op) {
  case KIO_OP_READ:
  case KIO_OP_WRITE:
  case KIO_OP_READV:
  case KIO_OP_WRITEV: return is_file(r->fd);
  case KIO_OP_POLL:
  case KIO_OP_SHUTDOWN:
  case KIO_OP_CLOSE: return false;
  case KIO_OP_SPLICE:
    return (r->step == KIO_SPLICE_READ && is_file(r->arg.splice.in)) ||
           (r->step == KIO_SPLICE_WRITE && is_file(r->fd));
  default: return kio_op_look(r->op)->ready == 0;
  }
}

static bool is_fifo(const kio_request *r) {
  struct stat about;
  int nofollow = r->arg.path.flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0;
  return fstatat(r->fd, r->arg.path.name, &about, nofollow) == 0 && S_ISFIFO(about.st_mode);
}

static int open_below(const kio_request *r) {
  const kio_arg_path *p = &r->arg.path;
  struct open_how how = {.flags = p->flags, .resolve = p->resolve};
  return outcome((int)syscall(SYS_openat2, r->fd, p->name, &how, sizeof how));
}

/* An open of a fifo waits for its other end, and would hold the thread. */
static int open_name(const kio_request *r) {
  int flags = (int)r->arg.path.flags;
  if (r->arg.path.resolve) return open_below(r);
  bool waits = !(flags & (O_NONBLOCK | O_PATH)) && (flags & O_ACCMODE) != O_RDWR && is_fifo(r);
  if (!waits) return outcome(openat(r->fd, r->arg.path.name, flags, r->arg.path.mode));
  int fd = outcome(openat(r->fd, r->arg.path.name, flags | O_NONBLOCK, r->arg.path.mode));
  if (fd >= 0) fcntl(fd, F_SETFL, flags); /* it takes the flags it knows, and leaves the others */
  return fd == -ENXIO ? KIO_PLAIN_WAIT : fd;
}

static int call_name(const kio_request *r) {
  const kio_arg_path *p = &r->arg.path;
  switch (r->op) {
  case KIO_OP_OPENAT: return open_name(r);
  case KIO_OP_UNLINKAT: return outcome(unlinkat(r->fd, p->name, (int)p->flags));
  case KIO_OP_MKDIRAT: return outcome(mkdirat(r->fd, p->name, p->mode));
  case KIO_OP_RENAMEAT: return outcome(renameat2(r->fd, p->name, p->fd2, p->name2, p->flags));
  case KIO_OP_SYMLINKAT: return outcome(symlinkat(p->name2, r->fd, p->name));
  default: return outcome(statx(r->fd, p->name, (int)p->flags, p->mode, kio_request_statx(r)));
  }
}

static int call_extent(const kio_request *r) {
  off_t offset = (off_t)r->arg.extent.offset, length = (off_t)r->arg.extent.length;
  if (r->op == KIO_OP_FTRUNCATE) return outcome(ftruncate(r->fd, length));
  return outcome(fallocate(r->fd, r->arg.extent.mode, offset, length));
}

static int work_once(kio_request *r, size_t max) {
  transfer t;
  switch (r->op) {
  case KIO_OP_READ:
  case KIO_OP_WRITE:
  case KIO_OP_READV:
  case KIO_OP_WRITEV:
  case KIO_OP_SPLICE: describe(r, max, &t); return move(t.fd, &t, 0);
  case KIO_OP_FSYNC: return outcome(r->arg.sync.data_only ? fdatasync(r->fd) : fsync(r->fd));
  case KIO_OP_FALLOCATE:
  case KIO_OP_FTRUNCATE: return call_extent(r);
  default: return call_name(r);
  }
}

int kio_plain_work(kio_request *r, size_t max) {
  int result;
  do result = work_once(r, max);
  while (result == -EINTR);
  return result;
}

short kio_plain_events(const kio_request *request) {
  const kio_op_facts *facts = kio_op_look(request->op);
  if (facts->arg != KIO_ARG_EVENTS) return facts->ready;
  return (short)(request->arg.events | POLLRDHUP); /* io_uring tells of that unasked */
}
