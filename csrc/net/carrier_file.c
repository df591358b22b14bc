/* A stream's bytes over a file that is no socket: a pipe, a terminal, a device, a regular file.
   Owns the `unwritten` of its streams. A read waits for readiness first, without a buffer, and so
   does a write that was refused: then no kernel thread is held for as long as a person thinks,
   whether or not the kernel can read this kind of file without blocking. O_NONBLOCK is neither
   needed nor changed: it belongs to everybody who has the descriptor. Called by net/stream.c. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/carrier.h"
#include "system/terminal.h"
#include "task/here.h"
#include "task/task.h"

/* ---- input ---- */

/* Into the buffer. 0 or -ENOMEM. */
static int aim_read(kio_stream *stream) {
  kio_input *in = stream->wire;
  int err = kio_input_make_room(in, &stream->sched->buffers);
  stream->rx->op = KIO_OP_READ;
  stream->rx->arg.io = (kio_arg_io){.offset = KIO_STREAM_CURRENT};
  if (err) return err;
  stream->rx->arg.io.buf = in->buffer.data + in->end;
  stream->rx->arg.io.size = in->buffer.size - in->end;
  return 0;
}

/* A read that is begun before there is something might hold a kernel thread until there is. */
static void aim_poll(kio_request *request, unsigned events) {
  request->op = KIO_OP_POLL;
  request->arg.events = events;
}

static int aim_when_ready(kio_stream *stream) {
  aim_poll(stream->rx, POLLIN);
  return 0;
}

/* It is open for writing only, and waiting for input would never end. */
static int aim_never(kio_stream *stream) {
  (void)stream;
  return -EBADF;
}

/* Ready, or not ready after all: somebody else who has the descriptor has read it. True when the
   next step is under way. A reader that has been abandoned meanwhile gets what is there now. */
static bool step_on(kio_stream *stream, bool ready) {
  kio_request *rx = stream->rx;
  size_t tries = rx->tries;
  kio_assert(stream->reader && rx->state == KIO_REQUEST_DONE);
  bool abandoned = stream->reader->wake != KIO_WAKE_DONE;
  if (!ready && abandoned) return false;
  kio_stream_take_back(stream);
  int err = 0;
  if (ready) err = aim_read(stream);
  else aim_poll(rx, POLLIN);
  if (err) {
    rx->result = err;
    return false;
  }
  kio_stream_begin_receive(stream);
  kio_request_distrust(rx, ready ? tries : tries + 1);
  if (abandoned) kio_ring_cancel(&stream->sched->ring, rx, true);
  return true;
}

static void received(kio_request *rx) {
  kio_stream *stream = rx->owner;
  bool polled = rx->op == KIO_OP_POLL, closed = rx->flags & KIO_REQUEST_CLOSED;
  bool goes_on = polled ? rx->result >= 0 : rx->result == -EAGAIN;
  if (goes_on && !closed && step_on(stream, polled)) return;
  if (goes_on && rx->result != -ENOMEM) rx->result = -ECANCELED;
  if (kio_terminal_ended(stream->fd, rx->result)) rx->result = 0;
  kio_stream_received(rx);
}

/* ---- output ---- */

/* One that would have to wait (O_NONBLOCK is set) waits for readiness. */
static void sent(kio_request *tx) {
  kio_stream *stream = tx->owner;
  kio_unwritten *rest = &stream->tail->unwritten;
  size_t tries = tx->tries;
  bool polled = tx->op == KIO_OP_POLL, closed = tx->flags & KIO_REQUEST_CLOSED;
  bool ready = polled && tx->result > 0 && !closed;
  if (!polled && tx->result == -EAGAIN && !closed) {
    kio_assert(stream->sending && tx->buffer.data);
    *rest = (kio_unwritten){tx->arg.io.buf, tx->arg.io.size};
    kio_request_renew(tx);
    kio_request_distrust(tx, tries);
    aim_poll(tx, POLLOUT);
    kio_ring_queue(&stream->sched->ring, tx);
    return;
  }
  if (polled) {
    kio_assert(rest->size > 0); /* what was refused before it waited */
    tx->op = KIO_OP_WRITE;
    tx->arg.io = (kio_arg_io){.buf = rest->at, .size = rest->size, .offset = KIO_STREAM_CURRENT};
    if (tx->result > 0) tx->result = closed ? -ECANCELED : 0; /* nothing was written yet */
  }
  kio_stream_sent(tx);
  if (ready) kio_request_distrust(tx, tries + 1); /* it is under way again */
}

/* ---- the carriers ---- */

static int attach(kio_stream *stream, kio_sched *sched) {
  static const kio_op ops[2] = {KIO_OP_READ, KIO_OP_WRITE};
  static const kio_done_fn done[2] = {received, sent};
  int err = kio_stream_take_slots(stream, sched, ops, done);
  if (err) return err;
  stream->rx->arg.io = (kio_arg_io){0};
  stream->tx->arg.io = (kio_arg_io){.offset = KIO_STREAM_CURRENT};
  return 0;
}

/* What is no socket has no halves: without its output it is closed. */
static int shut(kio_stream *stream, int how) {
  (void)stream;
  return how == SHUT_RD ? -ENOTSOCK : KIO_CARRIER_CLOSES;
}

#define FILE_CARRIER(what, how) \
  { .name = (what), .direct = true, .attach = attach, .aim = (how), .shut = shut }

typedef enum nature { PIPE, TERMINAL, DEVICE, A_FILE } nature;

/* By what it is, and whether it is open for writing only. A file is always ready: it is not
   asked. */
static const kio_carrier carriers[][2] = {
    [PIPE] = {FILE_CARRIER("pipe", aim_when_ready), FILE_CARRIER("pipe", aim_never)},
    [TERMINAL] = {FILE_CARRIER("terminal", aim_when_ready), FILE_CARRIER("terminal", aim_never)},
    [DEVICE] = {FILE_CARRIER("device", aim_when_ready), FILE_CARRIER("device", aim_never)},
    [A_FILE] = {FILE_CARRIER("file", aim_read), FILE_CARRIER("file", aim_never)},
};

/* A device is anything else that tells when it is ready. */
static nature nature_of(int fd) {
  struct stat about;
  if (fd < 0 || fstat(fd, &about) != 0) return DEVICE;
  if (S_ISREG(about.st_mode)) return A_FILE;
  if (S_ISFIFO(about.st_mode)) return PIPE;
  return isatty(fd) ? TERMINAL : DEVICE;
}

const kio_carrier *kio_carrier_of(int fd) {
  int flags = fcntl(fd, F_GETFL);
  bool write_only = flags >= 0 && (flags & O_ACCMODE) == O_WRONLY;
  return &carriers[nature_of(fd)][write_only];
}
