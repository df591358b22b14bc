/* The real ring, and the only file that knows liburing. Owns the kernel's ring; one submit-and-wait
   per turn, completions copied into their requests before anything else runs. The thread that
   opened it is the only one that may touch it (SINGLE_ISSUER). Facts: io_uring_setup(2),
   io_uring_enter(2), and docs/rationale.md for what was measured. */
#include <errno.h>
#include <liburing.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "memory.h"
#include "ring.h"

enum {
  OP_FTRUNCATE = 55,          /* IORING_OP_FTRUNCATE, Linux 6.9: newer than liburing 2.3 */
  MEMORY_RETRIES = 5,         /* rings are freed late: ENOMEM may pass within 50 ms */
  MEMORY_RETRY_NS = 10000000, /* the first pause, doubled each time */
  ENTRIES_MIN = 8,            /* the smallest ring tried when memory is short */
  BUSY_WAIT_NS = 10000000,    /* the longest sleep while the kernel refuses submissions */
};

/* The version macros came with 2.4, and nothing below 2.3 has all that is used here. */
#ifdef IO_URING_VERSION_MAJOR
#define TEXT_OF(x) #x
#define VERSION_TEXT(major, minor) "liburing " TEXT_OF(major) "." TEXT_OF(minor)
#define LIBRARY VERSION_TEXT(IO_URING_VERSION_MAJOR, IO_URING_VERSION_MINOR)
#else
#define LIBRARY "liburing 2.3"
#endif

/* In the name of a cancel, beside the name of its target, whose index never gets this large. */
#define CANCEL_BIT ((uint64_t)1 << 31)

typedef struct uring {
  struct io_uring ring;
  unsigned flags;     /* the setup flags that were granted */
  bool has_ftruncate; /* else it is done by the plain call */
} uring;

/* ---- requests into SQEs: one small function for each operation ---- */

typedef void (*prep_fn)(struct io_uring_sqe *sqe, kio_request *r);

static void prep_read(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_read(sqe, r->fd, r->arg.io.buf, (unsigned)r->arg.io.size, r->arg.io.offset);
}

static void prep_write(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_write(sqe, r->fd, r->arg.io.buf, (unsigned)r->arg.io.size, r->arg.io.offset);
}

static void prep_readv(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_readv(sqe, r->fd, r->arg.vec.iov, r->arg.vec.count, r->arg.vec.offset);
}

static void prep_writev(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_writev(sqe, r->fd, r->arg.vec.iov, r->arg.vec.count, r->arg.vec.offset);
}

static void prep_fsync(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_fsync(sqe, r->fd, r->arg.sync.data_only ? IORING_FSYNC_DATASYNC : 0);
}

static void prep_fallocate(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_fallocate(sqe, r->fd, r->arg.extent.mode, (off_t)r->arg.extent.offset,
                          (off_t)r->arg.extent.length);
}

static void prep_ftruncate(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_rw(OP_FTRUNCATE, sqe, r->fd, NULL, 0, r->arg.extent.length);
}

static void prep_openat(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_openat(sqe, r->fd, r->arg.path.name, (int)r->arg.path.flags, r->arg.path.mode);
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

static void prep_statx(struct io_uring_sqe *sqe, kio_request *r) {
  const kio_arg_path *path = &r->arg.path;
  io_uring_prep_statx(sqe, r->fd, path->name, (int)path->flags, path->mode, path->out);
}

static void prep_close(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_close(sqe, r->fd);
}

static void prep_accept(struct io_uring_sqe *sqe, kio_request *r) {
  kio_sockaddr *peer = r->arg.address;
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
  unsigned flags = (unsigned)(r->arg.message.flags | MSG_NOSIGNAL);
  io_uring_prep_sendmsg(sqe, r->fd, r->arg.message.header, flags);
}

static void prep_shutdown(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_shutdown(sqe, r->fd, r->arg.how);
}

static void prep_poll(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_poll_add(sqe, r->fd, r->arg.events);
}

static void prep_splice(struct io_uring_sqe *sqe, kio_request *r) {
  io_uring_prep_splice(sqe, r->arg.splice.in, r->arg.splice.in_offset, r->fd,
                       r->arg.splice.out_offset, r->arg.splice.size, 0);
}

static const prep_fn prep[KIO_OP_COUNT] = {
    [KIO_OP_READ] = prep_read,           [KIO_OP_WRITE] = prep_write,
    [KIO_OP_READV] = prep_readv,         [KIO_OP_WRITEV] = prep_writev,
    [KIO_OP_FSYNC] = prep_fsync,         [KIO_OP_FALLOCATE] = prep_fallocate,
    [KIO_OP_FTRUNCATE] = prep_ftruncate, [KIO_OP_OPENAT] = prep_openat,
    [KIO_OP_UNLINKAT] = prep_unlinkat,   [KIO_OP_MKDIRAT] = prep_mkdirat,
    [KIO_OP_RENAMEAT] = prep_renameat,   [KIO_OP_STATX] = prep_statx,
    [KIO_OP_CLOSE] = prep_close,         [KIO_OP_ACCEPT] = prep_accept,
    [KIO_OP_CONNECT] = prep_connect,     [KIO_OP_RECV] = prep_recv,
    [KIO_OP_SEND] = prep_send,           [KIO_OP_RECVMSG] = prep_recvmsg,
    [KIO_OP_SENDMSG] = prep_sendmsg,     [KIO_OP_SHUTDOWN] = prep_shutdown,
    [KIO_OP_POLL] = prep_poll,           [KIO_OP_SPLICE] = prep_splice,
};

/* ---- opening and closing ---- */

/* The flags worth having, best first; each step down is taken on EINVAL. */
static const unsigned ladder[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    0,
};
static const unsigned sqpoll_ladder[] = {
    IORING_SETUP_SQPOLL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_SQPOLL,
};

static int try_open(uring *u, const kio_ring_config *config, unsigned entries, unsigned flags) {
  struct io_uring_params params = {0};
  params.flags = flags | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
  params.cq_entries = config->cq_entries > entries ? config->cq_entries : entries * 2;
  if (config->sqpoll_ms >= 0) params.sq_thread_idle = (unsigned)config->sqpoll_ms;
  int err = io_uring_queue_init_params(entries, &u->ring, &params);
  if (err == 0) u->flags = flags;
  return err;
}

static int climb_down(uring *u, const kio_ring_config *config, unsigned entries) {
  const unsigned *step = config->sqpoll_ms >= 0 ? sqpoll_ladder : ladder;
  size_t steps = config->sqpoll_ms >= 0 ? KIO_COUNT(sqpoll_ladder) : KIO_COUNT(ladder);
  int err = -EINVAL;
  for (size_t i = 0; i < steps && err == -EINVAL; i++) {
    err = try_open(u, config, entries, step[i]);
  }
  return err;
}

/* Rings are charged to RLIMIT_MEMLOCK and released late: wait a little, then ask for less. */
static int open_patiently(uring *u, const kio_ring_config *config) {
  unsigned entries = config->entries;
  int err = climb_down(u, config, entries);
  struct timespec pause = {0, MEMORY_RETRY_NS};
  for (int i = 0; i < MEMORY_RETRIES && err == -ENOMEM; i++, pause.tv_nsec *= 2) {
    nanosleep(&pause, NULL);
    err = climb_down(u, config, entries);
  }
  while (err == -ENOMEM && entries / 2 >= ENTRIES_MIN) {
    entries /= 2;
    kio_ring_config less = {
        .entries = entries, .cq_entries = entries * 2, .sqpoll_ms = config->sqpoll_ms};
    err = climb_down(u, &less, entries);
  }
  return err;
}

static void probe(uring *u) {
  struct io_uring_probe *answer = io_uring_get_probe_ring(&u->ring);
  if (!answer) return;
  u->has_ftruncate = io_uring_opcode_supported(answer, OP_FTRUNCATE);
  io_uring_free_probe(answer);
}

/* A policy may allow the setup and refuse the enter: without this the loop would spin. */
static int open_and_enter(uring *u, const kio_ring_config *config) {
  int err = open_patiently(u, config);
  if (err) return err;
  err = io_uring_get_events(&u->ring);
  if (err >= 0) return 0;
  io_uring_queue_exit(&u->ring);
  return err;
}

static int uring_open(kio_ring *ring, const kio_ring_config *config) {
  uring *u = kio_memory_new(sizeof *u);
  if (!u) return -ENOMEM;
  int err = open_and_enter(u, config);
  if (err) {
    kio_memory_free(u);
    return err;
  }
  /* These three only save time or threads: a kernel that refuses them still works. */
  io_uring_register_ring_fd(&u->ring);
  io_uring_ring_dontfork(&u->ring);
  unsigned workers[2] = {KIO_IOWQ_BOUNDED, KIO_IOWQ_UNBOUNDED};
  io_uring_register_iowq_max_workers(&u->ring, workers);
  probe(u);
  ring->impl = u;
  return 0;
}

static void uring_close(kio_ring *ring) {
  uring *u = ring->impl;
  if (kio_ring_alive(ring)) io_uring_queue_exit(&u->ring);
  else close(u->ring.ring_fd); /* the rings are not mapped in a child (see ring_dontfork) */
  kio_memory_free(u);
  ring->impl = NULL;
}

/* ---- one enter ---- */

/* An operation this kernel lacks is done at once by the plain call. */
static bool done_plainly(kio_ring *ring, uring *u, kio_request *request) {
  if (request->op != KIO_OP_FTRUNCATE || u->has_ftruncate) return false;
  int err = ftruncate(request->fd, (off_t)request->arg.extent.length) == 0 ? 0 : -errno;
  kio_ring_complete(ring, request, err);
  return true;
}

/* Fills SQEs until the queue is empty (true) or there is no SQE left (false). */
static bool fill_requests(kio_ring *ring, uring *u) {
  while (!kio_list_empty(&ring->queued)) {
    if (io_uring_sq_space_left(&u->ring) == 0) return false;
    kio_request *request = kio_ring_next_queued(ring);
    if (done_plainly(ring, u, request)) continue;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    prep[request->op](sqe, request);
    io_uring_sqe_set_data64(sqe, kio_request_id(request));
  }
  return true;
}

/* Cancels go behind their targets: one that came first would find nothing. */
static bool fill_cancels(kio_ring *ring, uring *u) {
  while (!kio_list_empty(&ring->cancels)) {
    if (io_uring_sq_space_left(&u->ring) == 0) return false;
    kio_request *target = kio_ring_next_cancel(ring);
    if (!target) return true;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    io_uring_prep_cancel64(sqe, kio_request_id(target), 0);
    io_uring_sqe_set_data64(sqe, kio_request_id(target) | CANCEL_BIT);
  }
  return true;
}

/* A system call that a signal cuts off ends in one of the kernel's own "start me again" codes,
   which the return to user space hides. A cancelled splice or open lets them through. */
static int result_of(const struct io_uring_cqe *cqe) {
  enum { RESTART_FIRST = 512, RESTART_LAST = 516 }; /* ERESTARTSYS to ERESTART_RESTARTBLOCK */
  return cqe->res <= -RESTART_FIRST && cqe->res >= -RESTART_LAST ? -EINTR : cqe->res;
}

static void collect_one(kio_ring *ring, const struct io_uring_cqe *cqe) {
  if (!(cqe->user_data & CANCEL_BIT)) {
    kio_ring_complete_id(ring, cqe->user_data, result_of(cqe));
    return;
  }
  ring->stats.ignored++;
  if (cqe->res == -ENOENT) kio_ring_cancel_again(ring, cqe->user_data & ~CANCEL_BIT);
}

static void collect(kio_ring *ring, uring *u) {
  struct io_uring_cqe *cqe;
  unsigned head, seen = 0;
  if (io_uring_cq_has_overflow(&u->ring)) ring->stats.overflows++;
  io_uring_for_each_cqe(&u->ring, head, cqe) {
    collect_one(ring, cqe);
    seen++;
  }
  io_uring_cq_advance(&u->ring, seen);
}

/* EINTR, EAGAIN, EBUSY and ETIME all mean: look at the completions and go on. */
static void submit(kio_ring *ring, uring *u, int64_t wait_ns) {
  struct io_uring_cqe *cqe;
  ring->stats.enters++;
  if (wait_ns == 0) {
    io_uring_submit_and_get_events(&u->ring);
  } else if (wait_ns == KIO_NEVER) {
    io_uring_submit_and_wait(&u->ring, 1);
  } else {
    struct __kernel_timespec bound = {wait_ns / KIO_NS_PER_SEC, wait_ns % KIO_NS_PER_SEC};
    io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &bound, NULL);
  }
}

/* The queue is longer than the ring: submit in slices. False when the kernel takes no more now. */
static bool submit_slices(kio_ring *ring, uring *u) {
  while (!fill_requests(ring, u) || !fill_cancels(ring, u)) {
    ring->stats.held_back++;
    submit(ring, u, 0);
    collect(ring, u);
    if (u->flags & IORING_SETUP_SQPOLL) io_uring_sqring_wait(&u->ring);
    if (io_uring_sq_space_left(&u->ring) == 0) return false;
  }
  return true;
}

static void uring_enter(kio_ring *ring, int64_t wait_ns) {
  uring *u = ring->impl;
  if (!submit_slices(ring, u)) wait_ns = kio_min_ns(wait_ns, BUSY_WAIT_NS);
  submit(ring, u, kio_list_empty(&ring->completed) ? wait_ns : 0);
  collect(ring, u);
}

static bool uring_wants_enter(kio_ring *ring) {
  uring *u = ring->impl;
  unsigned flags = IO_URING_READ_ONCE(*u->ring.sq.kflags);
  return flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW) || io_uring_cq_ready(&u->ring) > 0;
}

static int64_t uring_now_ns(kio_ring *ring) {
  struct timespec now;
  (void)ring;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * KIO_NS_PER_SEC + now.tv_nsec;
}

static void uring_describe(kio_ring *ring, char *text, size_t size) {
  static const struct {
    unsigned flag;
    const char *name;
  } names[] = {
      {IORING_SETUP_SINGLE_ISSUER, "SINGLE_ISSUER"},
      {IORING_SETUP_DEFER_TASKRUN, "DEFER_TASKRUN"},
      {IORING_SETUP_COOP_TASKRUN, "COOP_TASKRUN"},
      {IORING_SETUP_SUBMIT_ALL, "SUBMIT_ALL"},
      {IORING_SETUP_SQPOLL, "SQPOLL"},
  };
  uring *u = ring->impl;
  int used = snprintf(text, size, "sq=%u cq=%u", u->ring.sq.ring_entries, u->ring.cq.ring_entries);
  for (size_t i = 0; i < KIO_COUNT(names) && used > 0 && (size_t)used < size; i++) {
    if (!(u->flags & names[i].flag)) continue;
    used += snprintf(text + used, size - (size_t)used, " %s", names[i].name);
  }
}

const kio_ring_backend kio_ring_uring = {
    .name = "uring",
    .library = LIBRARY,
    .plain_calls = true,
    .open = uring_open,
    .close = uring_close,
    .enter = uring_enter,
    .wants_enter = uring_wants_enter,
    .now_ns = uring_now_ns,
    .describe = uring_describe,
};
