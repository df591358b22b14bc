/* Owns nothing. splice(2) holds the lock of the pipe while it reads or writes the other side, for
   as long as that takes, and whoever touches the pipe meanwhile stands still: this thread, too. So
   the kernel's splice is used between pipes alone, where it can be asked not to wait. Everything
   else goes through the request's buffer. Both sides are polled first, unless they are files.
   A pipe is read and written without waiting by RWF_NOWAIT or, where the kernel or that kind of
   pipe does not know it, by way of a private one (tee, then splice): O_NONBLOCK belongs to
   everybody who has the descriptor. A pipe that splice(2) has touched does not know RWF_NOWAIT any
   more, and io_uring no longer tries it without a thread: so that comes second. What is given to
   the other side leaves the pipe when that has taken it, so nothing is lost with a request that is
   cancelled. Called by the ring's thread only. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/number.h"
#include "ring/step.h"
#include "system/fd.h"

enum {
  CHUNK = 65536, /* the most that one request moves through its buffer: a pipeful */
  PIPEFUL = 4096 /* what fits into a pipe that is ready: a page; also what a terminal gets */
};

/* ---- what the two sides are ---- */

/* Whether waiting for it means anything. */
static bool may_wait(int fd) {
  mode_t type = kio_fd_type(fd);
  return !S_ISREG(type) && !S_ISBLK(type);
}

static bool same(const struct stat *a, const struct stat *b) {
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* What splice(2) refuses, before anything is waited for: 0 or -errno. */
static int check(const kio_request *r) {
  struct stat in, out;
  int64_t in_at = r->arg.splice.in_offset, out_at = r->arg.splice.out_offset;
  int in_flags = fcntl(r->arg.splice.in, F_GETFL), out_flags = fcntl(r->fd, F_GETFL);
  if (in_flags < 0 || fstat(r->arg.splice.in, &in) != 0) return -EBADF;
  if (out_flags < 0 || fstat(r->fd, &out) != 0) return -EBADF;
  if ((in_flags | out_flags) & O_PATH) return -EBADF;
  if ((in_flags & O_ACCMODE) == O_WRONLY || (out_flags & O_ACCMODE) == O_RDONLY) return -EBADF;
  bool from_pipe = S_ISFIFO(in.st_mode), to_pipe = S_ISFIFO(out.st_mode);
  if ((from_pipe && in_at >= 0) || (to_pipe && out_at >= 0)) return -ESPIPE;
  if (in_at >= 0 && lseek(r->arg.splice.in, 0, SEEK_CUR) < 0) return -EINVAL;
  if (out_at >= 0 && lseek(r->fd, 0, SEEK_CUR) < 0) return -EINVAL;
  bool wrong = (!from_pipe && !to_pipe) || same(&in, &out) || S_ISDIR(in.st_mode) ||
               (!to_pipe && out_flags & O_APPEND);
  return wrong ? -EINVAL : 0;
}

static bool must_not_wait(const kio_request *r) {
  return (fcntl(r->arg.splice.in, F_GETFL) | fcntl(r->fd, F_GETFL)) & O_NONBLOCK;
}

/* ---- a pipe, without waiting ---- */

/* Non-blocking in itself; what is left in it goes with it. 0 or -errno. */
static int open_private(int ends[2]) {
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
  for (int i = 0; i < 2; i++) kio_number_own(ends[i]);
  return 0;
}

static void close_private(const int ends[2]) {
  for (int i = 0; i < 2; i++) kio_number_close(ends[i]); /* nobody else has it: cannot fail */
}

static int outcome(ssize_t count) {
  return count >= 0 ? (int)count : -errno;
}

static int move(int from, int to, size_t size) {
  return outcome(splice(from, NULL, to, NULL, size, SPLICE_F_NONBLOCK));
}

static bool knows_no_wait(ssize_t count) {
  return count >= 0 || errno != EOPNOTSUPP;
}

/* Copies what the pipe holds, which it keeps. How many bytes, 0 at its end, or -errno. */
static int peek(int fd, char *into, size_t size) {
  int ends[2], err = open_private(ends);
  if (err) return err;
  int count = outcome(tee(fd, ends[1], size, SPLICE_F_NONBLOCK));
  if (count > 0) count = outcome(read(ends[0], into, (size_t)count));
  close_private(ends);
  return count;
}

/* Takes away what has been peeked at. Where no pipe can be made the bytes are read: they are there,
   unless another process has them by now. */
static void consume(int fd, char *over, size_t size) {
  int ends[2], there = 0;
  if (knows_no_wait(preadv2(fd, &(struct iovec){over, size}, 1, -1, RWF_NOWAIT))) return;
  if (open_private(ends) == 0) {
    move(fd, ends[1], size); /* less only if somebody else has taken the rest */
    close_private(ends);
  } else if (ioctl(fd, FIONREAD, &there) == 0 && (size_t)there >= size) {
    if (read(fd, over, size) < 0) return; /* they are gone already */
  }
}

/* Whether a pipe can be written to now: 0, -EAGAIN, or -EPIPE. */
static int may_put(int fd) {
  struct pollfd look = {fd, POLLOUT, 0};
  if (poll(&look, 1, 0) <= 0) return -EAGAIN;
  return look.revents & POLLERR ? -EPIPE : 0;
}

/* The same without a pipe of ours, for the bytes have been taken and cannot be put back: what fits
   into a pipe that is ready, unless another process fills it at this moment. */
static int put_directly(int fd, const char *from, size_t size) {
  int err = may_put(fd);
  return err ? err : outcome(write(fd, from, kio_min_size(size, PIPE_BUF)));
}

/* How many bytes it has taken, or -errno. */
static int put(int fd, const char *from, size_t size) {
  int ends[2];
  struct iovec whole = {(char *)(uintptr_t)from, size};
  ssize_t taken = pwritev2(fd, &whole, 1, -1, RWF_NOWAIT);
  if (knows_no_wait(taken)) return outcome(taken);
  if (open_private(ends) != 0) return put_directly(fd, from, size);
  int count = outcome(write(ends[1], from, size));
  if (count > 0) count = move(ends[0], fd, (size_t)count);
  close_private(ends);
  return count;
}

/* How much a pipe that is ready takes at least. */
static size_t room_in(int fd) {
  int there = 1, size = 0;
  if (ioctl(fd, FIONREAD, &there) == 0 && there == 0) size = fcntl(fd, F_GETPIPE_SZ);
  return size > PIPEFUL ? (size_t)size : PIPEFUL;
}

/* ---- steps ---- */

static kio_step_verdict done(int *result, int value) {
  *result = value;
  return KIO_STEP_DONE;
}

/* Ready, and then it was not: somebody else was faster. */
static kio_step_verdict again(kio_request *r, int *result) {
  if (must_not_wait(r)) return done(result, -EAGAIN);
  r->step = r->arg.splice.held > 0 ? KIO_SPLICE_WAIT_OUT : KIO_SPLICE_START;
  return KIO_STEP_LATER;
}

static kio_step_verdict start(kio_request *r, int *result) {
  int err = check(r);
  if (err || r->arg.splice.size == 0) return done(result, err);
  r->arg.splice.held = r->arg.splice.moved = 0;
  r->step = must_not_wait(r)             ? KIO_SPLICE_MOVE
            : may_wait(r->arg.splice.in) ? KIO_SPLICE_WAIT_IN
                                         : KIO_SPLICE_WAIT_OUT;
  return r->step == KIO_SPLICE_MOVE ? KIO_STEP_NEXT : KIO_STEP_SUBMIT;
}

/* The bytes of the buffer that the pipe has not taken yet. */
static kio_step_verdict push(kio_request *r, int *result) {
  kio_assert(r->arg.splice.moved < r->arg.splice.held);
  size_t left = r->arg.splice.held - r->arg.splice.moved;
  int count = put(r->fd, r->buffer.data + r->arg.splice.moved, left);
  if (count > 0) r->arg.splice.moved += (uint32_t)count;
  if (count == -EAGAIN && !must_not_wait(r)) return again(r, result);
  if (count < 0) return done(result, r->arg.splice.moved > 0 ? (int)r->arg.splice.moved : count);
  if (r->arg.splice.moved == r->arg.splice.held) return done(result, (int)r->arg.splice.moved);
  r->step = KIO_SPLICE_WAIT_OUT;
  return KIO_STEP_NEXT;
}

static kio_step_verdict have_read(kio_request *r, int *result, int count) {
  kio_assert(count < 0 || (size_t)count <= r->buffer.size);
  r->arg.splice.held = count > 0 ? (uint32_t)count : 0;
  if (count == -EAGAIN) return again(r, result);
  if (count <= 0) return done(result, count);
  r->step = KIO_SPLICE_PUSH;
  return KIO_STEP_NEXT;
}

/* Into a pipe: no more than it has room for, for what has been read cannot be put back. */
static kio_step_verdict fill(kio_request *r, size_t size, int *result) {
  int err = may_put(r->fd);
  if (err) return err == -EAGAIN ? again(r, result) : done(result, err);
  size = kio_min_size(size, room_in(r->fd));
  if (S_ISSOCK(kio_fd_type(r->arg.splice.in))) {
    return have_read(r, result,
                     outcome(recv(r->arg.splice.in, r->buffer.data, size, MSG_DONTWAIT)));
  }
  r->arg.splice.held = (uint32_t)size;
  r->step = KIO_SPLICE_READ;
  return KIO_STEP_SUBMIT;
}

/* Whether another request has bytes of this pipe under way, which are still in it. */
static bool contended(const kio_ring *ring, const kio_request *r) {
  const kio_request *other;
  for (size_t i = 0; (other = kio_slab_at(&ring->slab, i)); i++) {
    bool writes = other->op == KIO_OP_SPLICE && other->step == KIO_SPLICE_WRITE && other != r;
    bool same_pipe = writes && other->arg.splice.in == r->arg.splice.in;
    if (same_pipe && kio_request_under_way(other)) return true;
  }
  return false;
}

static kio_step_verdict have_written(kio_request *r, int *result, int count) {
  if (count == -EAGAIN) return again(r, result);
  if (count > 0) consume(r->arg.splice.in, r->buffer.data, (size_t)count);
  return done(result, count);
}

/* Out of a pipe. */
static kio_step_verdict drain(const kio_ring *ring, kio_request *r, size_t size, int *result) {
  mode_t type = kio_fd_type(r->fd);
  bool patient = !S_ISSOCK(type) && !S_ISREG(type); /* a terminal, say */
  if (contended(ring, r)) return again(r, result);
  int count = peek(r->arg.splice.in, r->buffer.data, patient ? kio_min_size(size, PIPEFUL) : size);
  if (count == -EAGAIN) return again(r, result);
  if (count <= 0) return done(result, count);
  if (S_ISSOCK(type)) {
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    return have_written(r, result, outcome(send(r->fd, r->buffer.data, (size_t)count, flags)));
  }
  r->arg.splice.held = (uint32_t)count;
  r->step = KIO_SPLICE_WRITE;
  return KIO_STEP_SUBMIT;
}

static kio_step_verdict begin_move(kio_ring *ring, kio_request *r, int *result) {
  kio_assert(r->arg.splice.held == 0);
  size_t size = kio_min_size(r->arg.splice.size, CHUNK);
  bool to_pipe = S_ISFIFO(kio_fd_type(r->fd));
  if (to_pipe && S_ISFIFO(kio_fd_type(r->arg.splice.in))) {
    int count = move(r->arg.splice.in, r->fd, r->arg.splice.size);
    return count == -EAGAIN ? again(r, result) : done(result, count);
  }
  if (!r->buffer.data && ring->buffers) r->buffer = kio_buffer_take(ring->buffers, size);
  if (!r->buffer.data) return done(result, -ENOMEM);
  return to_pipe ? fill(r, size, result) : drain(ring, r, size, result);
}

kio_step_verdict kio_splice_begin(kio_ring *ring, kio_request *r, int *result) {
  switch (r->step) {
  case KIO_SPLICE_START: return start(r, result);
  case KIO_SPLICE_MOVE: return begin_move(ring, r, result);
  case KIO_SPLICE_PUSH: return push(r, result);
  default: return KIO_STEP_SUBMIT;
  }
}

/* A poll has ended. What has been moved counts, whatever has ended the wait for more. */
static kio_step_verdict end_wait(kio_request *r, int *result) {
  kio_assert(r->step == KIO_SPLICE_WAIT_IN || r->step == KIO_SPLICE_WAIT_OUT);
  bool holds = r->arg.splice.held > 0;
  bool some = holds && r->arg.splice.moved > 0;
  if (*result < 0) return done(result, some ? (int)r->arg.splice.moved : *result);
  if (r->step == KIO_SPLICE_WAIT_IN && may_wait(r->fd)) r->step = KIO_SPLICE_WAIT_OUT;
  else r->step = holds ? KIO_SPLICE_PUSH : KIO_SPLICE_MOVE;
  return KIO_STEP_NEXT;
}

kio_step_verdict kio_splice_end(kio_request *r, int *result) {
  switch (r->step) {
  case KIO_SPLICE_READ: return have_read(r, result, *result);
  case KIO_SPLICE_WRITE: r->arg.splice.held = 0; return have_written(r, result, *result);
  default: return end_wait(r, result);
  }
}
