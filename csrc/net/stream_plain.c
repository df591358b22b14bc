/* Streams on what is no socket: pipes, terminals, devices, files. Owns nothing. A read waits for
   readiness first, without a buffer, and so does a write that was refused: then no kernel thread is
   held for as long as a person thinks, whether or not the kernel can read this kind of file without
   blocking. O_NONBLOCK is neither needed nor changed: it belongs to everybody who has the
   descriptor. Called by the scheduler's thread only. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/stream.h"
#include "system/terminal.h"
#include "task/here.h"
#include "task/task.h"

static kio_stream_nature nature_of(int fd) {
  struct stat about;
  if (fd < 0 || fstat(fd, &about) != 0) return KIO_STREAM_DEVICE;
  if (S_ISREG(about.st_mode)) return KIO_STREAM_FILE;
  if (S_ISFIFO(about.st_mode)) return KIO_STREAM_PIPE;
  return isatty(fd) ? KIO_STREAM_TERMINAL : KIO_STREAM_DEVICE;
}

void kio_stream_look_plain(kio_stream *stream) {
  int flags = fcntl(stream->fd, F_GETFL);
  stream->kind = (uint8_t)nature_of(stream->fd);
  stream->write_only = flags >= 0 && (flags & O_ACCMODE) == O_WRONLY;
}

/* Into the buffer. 0 or -ENOMEM. */
static int aim_read(kio_stream *stream) {
  int err = kio_stream_make_room(stream);
  stream->rx->op = KIO_OP_READ;
  stream->rx->arg.io = (kio_arg_io){.offset = KIO_STREAM_CURRENT};
  if (err) return err;
  stream->rx->arg.io.buf = stream->in.data + stream->in_end;
  stream->rx->arg.io.size = stream->in.size - stream->in_end;
  return 0;
}

/* A read that is begun before there is something might hold a kernel thread until there is. */
static void aim_poll(kio_request *request, unsigned events) {
  request->op = KIO_OP_POLL;
  request->arg.events = events;
}

int kio_stream_aim_plain(kio_stream *stream) {
  if (stream->write_only) return -EBADF;
  if (stream->kind == KIO_STREAM_FILE) return aim_read(stream);
  aim_poll(stream->rx, POLLIN);
  return 0;
}

/* Ready, or not ready after all: somebody else who has the descriptor has read it. True when the
   next step is under way. A reader that has been abandoned meanwhile gets what is there now. */
static bool step_on(kio_stream *stream, bool ready) {
  kio_request *rx = stream->rx;
  size_t tries = rx->tries;
  bool abandoned = stream->reader->wake != KIO_WAKE_DONE;
  if (!ready && abandoned) return false;
  stream->in = rx->buffer;
  int err = 0;
  if (ready) err = aim_read(stream);
  else aim_poll(rx, POLLIN);
  if (err) {
    rx->result = err;
    return false;
  }
  kio_stream_queue_receive(stream);
  kio_request_distrust(rx, ready ? tries : tries + 1);
  if (abandoned) kio_ring_cancel(&stream->sched->ring, rx, true);
  return true;
}

void kio_stream_received_plain(kio_request *rx) {
  kio_stream *stream = rx->owner;
  bool polled = rx->op == KIO_OP_POLL, closed = rx->flags & KIO_REQUEST_CLOSED;
  bool goes_on = polled ? rx->result >= 0 : rx->result == -EAGAIN;
  if (goes_on && !closed && step_on(stream, polled)) return;
  if (goes_on && rx->result != -ENOMEM) rx->result = -ECANCELED;
  if (kio_terminal_ended(stream->fd, rx->result)) rx->result = 0;
  kio_stream_received(rx);
}

/* One that would have to wait (O_NONBLOCK is set) waits for readiness. */
void kio_stream_sent_plain(kio_request *tx) {
  kio_stream *stream = tx->owner;
  size_t tries = tx->tries;
  bool polled = tx->op == KIO_OP_POLL, closed = tx->flags & KIO_REQUEST_CLOSED;
  bool ready = polled && tx->result > 0 && !closed;
  if (!polled && tx->result == -EAGAIN && !closed) {
    stream->out_at = tx->arg.io.buf;
    stream->out_left = tx->arg.io.size;
    kio_request_renew(tx);
    kio_request_distrust(tx, tries);
    aim_poll(tx, POLLOUT);
    kio_ring_queue(&stream->sched->ring, tx);
    return;
  }
  if (polled) {
    tx->op = KIO_OP_WRITE;
    tx->arg.io =
        (kio_arg_io){.buf = stream->out_at, .size = stream->out_left, .offset = KIO_STREAM_CURRENT};
    if (tx->result > 0) tx->result = closed ? -ECANCELED : 0; /* nothing was written yet */
  }
  kio_stream_sent(tx);
  if (ready) kio_request_distrust(tx, tries + 1); /* it is under way again */
}
