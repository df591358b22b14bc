/* Owns nothing: one small function for each operation, which fills a submission entry in. Called by
   ring/uring.c, on the ring's thread. */
#include "ring/uring_prep.h"

#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/stat.h>

#include "ring/step.h"
#include "system/newer.h"

/* The thread sanitizer does not see the ring close a descriptor. Untold, it would take the next use
   of its number, on another thread, for a use of the same descriptor. */
#ifdef __SANITIZE_THREAD__
void __sanitizer_syscall_pre_impl_close(long fd); /* NOLINT: its own name for it */
#define KIO_TELL_OF_CLOSE(fd) __sanitizer_syscall_pre_impl_close(fd)
#else
#define KIO_TELL_OF_CLOSE(fd) ((void)0)
#endif

static void prep_read(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_read(sqe, r->fd, r->arg.io.buf, (unsigned)r->arg.io.size, r->arg.io.offset);
}

static void prep_write(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_write(sqe, r->fd, r->arg.io.buf, (unsigned)r->arg.io.size, r->arg.io.offset);
  if (r->step == KIO_STEP_THREAD) sqe->flags |= IOSQE_ASYNC;
}

static void prep_readv(struct io_uring_sqe *sqe, kio_request *r) {
  kio_debug_assert(r->arg.vec.count <= KIO_IOV_MAX);
  io_uring_prep_readv(sqe, r->fd, r->arg.vec.iov, r->arg.vec.count, r->arg.vec.offset);
}

static void prep_writev(struct io_uring_sqe *sqe, kio_request *r) {
  kio_debug_assert(r->arg.vec.count <= KIO_IOV_MAX);
  io_uring_prep_writev(sqe, r->fd, r->arg.vec.iov, r->arg.vec.count, r->arg.vec.offset);
  if (r->step == KIO_STEP_THREAD) sqe->flags |= IOSQE_ASYNC;
}

static void prep_fsync(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_fsync(sqe, r->fd, r->arg.sync.data_only ? IORING_FSYNC_DATASYNC : 0);
}

static void prep_fallocate(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_fallocate(sqe, r->fd, r->arg.extent.mode, (off_t)r->arg.extent.offset,
                          (off_t)r->arg.extent.length);
}

static void prep_ftruncate(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_rw(KIO_URING_FTRUNCATE, sqe, r->fd, NULL, 0, r->arg.extent.length);
}

/* What it is to be opened by lies where no statx will: nobody asks for the type of what is opened
   without waiting. */
static void prep_openat2(struct io_uring_sqe *sqe, kio_request *r) {
  const kio_arg_path *path = &r->arg.path;
  struct open_how *how = (struct open_how *)(void *)r->buffer.data;
  kio_assert(how && r->step == KIO_STEP_WHOLE);
  *how = (struct open_how){.flags = path->flags, .resolve = path->resolve};
  io_uring_prep_openat2(sqe, r->fd, path->name, how);
}

static void prep_openat(struct io_uring_sqe *sqe, kio_request *r) {
  const kio_arg_path *path = &r->arg.path;
  if (path->resolve) {
    prep_openat2(sqe, r);
    return;
  }
  int flags = (int)path->flags | (r->step == KIO_STEP_TRY ? O_NONBLOCK : 0);
  int nofollow = path->flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0;
  if (r->step == KIO_STEP_TYPE) {
    kio_assert(r->buffer.data); /* without room for it the type is not asked for */
    io_uring_prep_statx(sqe, r->fd, path->name, nofollow, STATX_TYPE, kio_request_statx(r));
  } else {
    io_uring_prep_openat(sqe, r->fd, path->name, flags, path->mode);
  }
}

static void prep_unlinkat(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_unlinkat(sqe, r->fd, r->arg.path.name, (int)r->arg.path.flags);
}

static void prep_mkdirat(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_mkdirat(sqe, r->fd, r->arg.path.name, r->arg.path.mode);
}

static void prep_renameat(struct io_uring_sqe *sqe, kio_request *r) {
  const kio_arg_path *path = &r->arg.path;
  io_uring_prep_renameat(sqe, r->fd, path->name, path->fd2, path->name2, path->flags);
}

static void prep_symlinkat(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_symlinkat(sqe, r->arg.path.name2, r->fd, r->arg.path.name);
}

static void prep_statx(struct io_uring_sqe *sqe, kio_request *r) {
  const kio_arg_path *path = &r->arg.path;
  io_uring_prep_statx(sqe, r->fd, path->name, (int)path->flags, path->mode, kio_request_statx(r));
}

static void prep_close(struct io_uring_sqe *sqe, kio_request *r) {
  KIO_TELL_OF_CLOSE(r->fd);
  io_uring_prep_close(sqe, r->fd);
}

static void prep_accept(struct io_uring_sqe *sqe, kio_request *r) {
  kio_sockaddr *peer = r->arg.address;
  if (r->arg.accept.more) {
    io_uring_prep_multishot_accept(sqe, r->fd, NULL, NULL, SOCK_CLOEXEC);
    return;
  }
  io_uring_prep_accept(sqe, r->fd, &peer->as.any, &peer->size, SOCK_CLOEXEC);
}

static void prep_connect(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_connect(sqe, r->fd, &r->arg.address->as.any, r->arg.address->size);
}

static void prep_recv(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_recv(sqe, r->fd, r->arg.io.buf, r->arg.io.size, r->arg.io.flags);
}

static void prep_send(struct io_uring_sqe *sqe, kio_request *r) {
  int flags = r->arg.io.flags | MSG_NOSIGNAL;
  io_uring_prep_send(sqe, r->fd, r->arg.io.buf, r->arg.io.size, flags);
}

static void prep_recvmsg(struct io_uring_sqe *sqe, kio_request *r) {
  unsigned flags = (unsigned)(r->arg.message.flags | MSG_CMSG_CLOEXEC);
  io_uring_prep_recvmsg(sqe, r->fd, r->arg.message.header, flags);
}

static void prep_sendmsg(struct io_uring_sqe *sqe, kio_request *r) {
  int patience = r->step == KIO_STEP_TRY ? MSG_DONTWAIT : 0;
  unsigned flags = (unsigned)(r->arg.message.flags | MSG_NOSIGNAL | patience);
  io_uring_prep_sendmsg(sqe, r->fd, r->arg.message.header, flags);
}

static void prep_shutdown(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_shutdown(sqe, r->fd, r->arg.how);
}

static void prep_poll(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_poll_add(sqe, r->fd, r->arg.events);
}

/* The step of it that the kernel does. */
static void prep_splice(struct io_uring_sqe *sqe, kio_request *r) {
  int in = r->arg.splice.in;
  unsigned held = r->arg.splice.held;
  switch (r->step) {
  case KIO_SPLICE_WAIT_IN: io_uring_prep_poll_add(sqe, in, POLLIN); break;
  case KIO_SPLICE_WAIT_OUT: io_uring_prep_poll_add(sqe, r->fd, POLLOUT); break;
  case KIO_SPLICE_READ:
    io_uring_prep_read(sqe, in, r->buffer.data, held, (uint64_t)r->arg.splice.in_offset);
    break;
  default:
    kio_assert(r->step == KIO_SPLICE_WRITE);
    io_uring_prep_write(sqe, r->fd, r->buffer.data, held, (uint64_t)r->arg.splice.out_offset);
    sqe->flags |= IOSQE_ASYNC; /* it may be a terminal */
  }
}

const kio_uring_prep_fn kio_uring_prep[KIO_OP_COUNT] = {
    [KIO_OP_READ] = prep_read,           [KIO_OP_WRITE] = prep_write,
    [KIO_OP_READV] = prep_readv,         [KIO_OP_WRITEV] = prep_writev,
    [KIO_OP_FSYNC] = prep_fsync,         [KIO_OP_FALLOCATE] = prep_fallocate,
    [KIO_OP_FTRUNCATE] = prep_ftruncate, [KIO_OP_OPENAT] = prep_openat,
    [KIO_OP_UNLINKAT] = prep_unlinkat,   [KIO_OP_MKDIRAT] = prep_mkdirat,
    [KIO_OP_RENAMEAT] = prep_renameat,   [KIO_OP_STATX] = prep_statx,
    [KIO_OP_SYMLINKAT] = prep_symlinkat, [KIO_OP_CLOSE] = prep_close,
    [KIO_OP_ACCEPT] = prep_accept,       [KIO_OP_CONNECT] = prep_connect,
    [KIO_OP_RECV] = prep_recv,           [KIO_OP_SEND] = prep_send,
    [KIO_OP_RECVMSG] = prep_recvmsg,     [KIO_OP_SENDMSG] = prep_sendmsg,
    [KIO_OP_SHUTDOWN] = prep_shutdown,   [KIO_OP_POLL] = prep_poll,
    [KIO_OP_SPLICE] = prep_splice,
};

/* What came after Linux 5.10, though its later releases have the io_uring of 5.15. */
uint32_t kio_uring_lacks(struct io_uring *ring) {
  static const struct {
    kio_op op;
    int opcode;
  } late[] = {
      {KIO_OP_SHUTDOWN, IORING_OP_SHUTDOWN},   /* 5.11 */
      {KIO_OP_RENAMEAT, IORING_OP_RENAMEAT},   /* 5.11 */
      {KIO_OP_UNLINKAT, IORING_OP_UNLINKAT},   /* 5.11 */
      {KIO_OP_MKDIRAT, IORING_OP_MKDIRAT},     /* 5.15 */
      {KIO_OP_SYMLINKAT, IORING_OP_SYMLINKAT}, /* 5.15 */
      {KIO_OP_FTRUNCATE, KIO_URING_FTRUNCATE}, /* 6.9 */
  };
  uint32_t lacks = 0;
  struct io_uring_probe *answer = io_uring_get_probe_ring(ring);
  for (size_t i = 0; i < KIO_COUNT(late); i++) {
    bool has = answer && io_uring_opcode_supported(answer, late[i].opcode);
    if (!has) lacks |= 1U << late[i].op;
  }
  io_uring_free_probe(answer);
  return lacks;
}
