/* Owns nothing. What has steps, and why:
   - open of a fifo for writing: a kernel thread would wait for a reader, one of the few for files.
     The open is tried with O_NONBLOCK, which is taken off again;
   - connect to a Unix listener whose backlog is full, and a message to a Unix socket whose queue is
     full: a kernel thread would wait for the receiver; no event tells of room there;
   - poll: whoever found nothing although it was ready asks again, and an error that stays (a socket
     with something in its error queue) must not make a loop of that;
   - write to a terminal: once it takes a byte the kernel writes all, in this thread, and waits
     there for whoever has stopped it; a kernel thread must do that;
   - splice: see step_splice.c.
   A read or write that is to be tried once has its cancel behind it. Where the kernel cannot try
   without waiting (terminals, fifos, pipes after a splice(2), before Linux 6.4 all of them)
   io_uring asks poll(2) for input or room alone, and leaves an end, or a write to a terminal, to a
   kernel thread; the cancel is faster. So what is ready by poll(2) then is tried plainly.
   A descriptor that is O_NONBLOCK already gets its EAGAIN, as from the system call. Called by the
   ring's thread only. */
#include "ring/step.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring/plain.h"
#include "system/fd.h"
#include "system/newer.h"

/* ---- open ---- */

/* Whether these flags would wait for the other end of a fifo. */
static bool may_wait(unsigned flags) {
  bool fresh = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
  return !fresh && (flags & O_ACCMODE) != O_RDWR &&
         !(flags & (O_NONBLOCK | O_PATH | (O_TMPFILE | O_DIRECTORY)));
}

/* RESOLVE_CACHED came with Linux 5.12, and some security policies do not let openat2 pass. */
static bool cannot_tell(int err) {
  return err == EAGAIN || err == EINVAL || err == ENOSYS || err == EPERM;
}

/* The type bits of what has that name, as far as the kernel knows without looking at a disk; 0:
   nothing that can be opened, -EAGAIN: it does not know. */
static int cached_type(const kio_request *request) {
  unsigned nofollow = request->arg.path.flags & O_NOFOLLOW;
  struct open_how how = {.flags = O_PATH | O_CLOEXEC | nofollow, .resolve = RESOLVE_CACHED};
  int fd = (int)syscall(SYS_openat2, request->fd, request->arg.path.name, &how, sizeof how);
  if (fd < 0) return cannot_tell(errno) && kio_request_statx(request) ? -EAGAIN : 0;
  int type = (int)kio_fd_type(fd);
  close(fd); /* O_PATH: there is nothing that could fail */
  return type;
}

static kio_step_verdict begin_open(kio_request *request) {
  if (request->step != KIO_STEP_WHOLE || !may_wait(request->arg.path.flags)) return KIO_STEP_SUBMIT;
  int type = cached_type(request);
  if (type == -EAGAIN) request->step = KIO_STEP_TYPE;
  else if (S_ISFIFO(type)) request->step = KIO_STEP_TRY;
  return KIO_STEP_SUBMIT;
}

/* Its type is known now. What cannot be looked at cannot be opened either: the open tells why. */
static kio_step_verdict end_type(kio_request *request, int result) {
  const struct statx *about = kio_request_statx(request);
  if (result == -ECANCELED || result == -EINTR) return KIO_STEP_DONE;
  bool fifo = result == 0 && S_ISFIFO(about->stx_mode);
  request->step = fifo ? KIO_STEP_TRY : KIO_STEP_KNOWN;
  return KIO_STEP_NEXT;
}

/* ENXIO: nobody reads that fifo. By the next try the name may be something else's. */
static kio_step_verdict end_try_open(kio_request *request, const int *result) {
  if (*result == -ENXIO) {
    request->step = KIO_STEP_WHOLE;
    return KIO_STEP_LATER;
  }
  /* It takes the flags it knows, and leaves the others: nothing that could fail. */
  if (*result >= 0) fcntl(*result, F_SETFL, request->arg.path.flags);
  return KIO_STEP_DONE;
}

static kio_step_verdict end_open(kio_request *request, int *result) {
  if (request->step == KIO_STEP_TYPE) return end_type(request, *result);
  return request->step == KIO_STEP_TRY ? end_try_open(request, result) : KIO_STEP_DONE;
}

/* ---- Unix sockets ---- */

static bool is_local(const kio_sockaddr *address) {
  return address->size > 0 && address->as.any.sa_family == AF_UNIX;
}

/* The descriptor is O_NONBLOCK for the length of the call, which is all that connect(2) heeds. */
static kio_step_verdict connect_local(kio_request *request, int *result) {
  const kio_sockaddr *to = request->arg.address;
  int flags = kio_fd_unblock(request->fd);
  bool waits = flags >= 0 && !(flags & O_NONBLOCK);
  *result = connect(request->fd, &to->as.any, to->size) == 0 ? 0 : -errno;
  kio_fd_reblock(request->fd, flags);
  return waits && *result == -EAGAIN ? KIO_STEP_LATER : KIO_STEP_DONE;
}

static bool goes_to_local(const kio_request *request) {
  const struct msghdr *header = request->arg.message.header;
  const struct sockaddr *to = header->msg_name;
  return to && header->msg_namelen >= sizeof to->sa_family && to->sa_family == AF_UNIX;
}

static kio_step_verdict begin_message(kio_request *request) {
  bool no_wait = request->arg.message.flags & MSG_DONTWAIT;
  if (!no_wait && goes_to_local(request) && !kio_fd_must_not_wait(request->fd))
    request->step = KIO_STEP_TRY;
  return KIO_STEP_SUBMIT;
}

/* ---- what was to be tried once ---- */

static bool reads_or_writes(const kio_request *request) {
  const kio_op_facts *facts = kio_op_look(request->op);
  return !facts->of_socket && (facts->arg == KIO_ARG_IO || facts->arg == KIO_ARG_VEC);
}

int kio_step_tried(kio_request *request, int result) {
  size_t moved = 0;
  bool cut = result == -ECANCELED || result == -EINTR;
  bool wanted = !(request->flags & (KIO_REQUEST_ORPHAN | KIO_REQUEST_CLOSED));
  if (!cut || !request->try_once || !wanted || !reads_or_writes(request)) return result;
  if (kio_ring_is_stray(request)) return result;
  if (!kio_fd_is_ready(request->fd, kio_op_look(request->op)->ready)) return result;
  if (kio_plain_is_work(request)) return result;
  int tried = kio_plain_try(request, 0, &moved);
  return tried == KIO_PLAIN_WAIT ? result : tried;
}

/* ---- all ---- */

static kio_step_verdict begin_write(kio_request *request) {
  if (S_ISCHR(kio_fd_type(request->fd))) request->step = KIO_STEP_THREAD;
  return KIO_STEP_SUBMIT;
}

/* After tries in vain the wait begins with a pause. */
static kio_step_verdict begin_poll(kio_request *request) {
  if (request->tries == 0 || request->step == KIO_STEP_TRY) return KIO_STEP_SUBMIT;
  request->step = KIO_STEP_TRY;
  return KIO_STEP_LATER;
}

static kio_step_verdict begin(kio_ring *ring, kio_request *request, int *result) {
  kio_assert(request->state == KIO_REQUEST_INFLIGHT);
  switch (request->op) {
  case KIO_OP_OPENAT: return begin_open(request);
  case KIO_OP_WRITE:
  case KIO_OP_WRITEV: return begin_write(request);
  case KIO_OP_SENDMSG: return begin_message(request);
  case KIO_OP_POLL: return begin_poll(request);
  case KIO_OP_SPLICE: return kio_splice_begin(ring, request, result);
  case KIO_OP_CONNECT:
    if (is_local(request->arg.address)) return connect_local(request, result);
    return KIO_STEP_SUBMIT;
  default: return KIO_STEP_SUBMIT;
  }
}

static kio_step_verdict end(kio_request *request, int *result) {
  switch (request->op) {
  case KIO_OP_OPENAT: return end_open(request, result);
  case KIO_OP_SPLICE: return kio_splice_end(request, result);
  case KIO_OP_SENDMSG:
    return request->step == KIO_STEP_TRY && *result == -EAGAIN ? KIO_STEP_LATER : KIO_STEP_DONE;
  default: return KIO_STEP_DONE;
  }
}

bool kio_step_start(kio_pauses *pauses, kio_ring *ring, kio_request *request) {
  int result = 0;
  kio_step_verdict verdict;
  do verdict = begin(ring, request, &result);
  while (verdict == KIO_STEP_NEXT);
  if (verdict == KIO_STEP_DONE) kio_ring_complete(ring, request, result);
  if (verdict == KIO_STEP_LATER) kio_pause_begin(pauses, ring, request);
  return verdict == KIO_STEP_SUBMIT;
}

void kio_step_finish(kio_pauses *pauses, kio_ring *ring, kio_request *request, int result) {
  switch (end(request, &result)) {
  case KIO_STEP_LATER: kio_pause_begin(pauses, ring, request); break;
  case KIO_STEP_NEXT: kio_ring_retry(ring, request); break;
  default: kio_ring_complete(ring, request, result);
  }
}
