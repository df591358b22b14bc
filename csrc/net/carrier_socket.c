/* A stream's bytes over a connected socket. Owns nothing. A receive that has to wait for its first
   byte has no buffer until that comes; one send takes all that was gathered. Called by
   net/stream.c. */
#include <errno.h>
#include <sys/socket.h>

#include "net/carrier.h"
#include "task/here.h"

static int attach(kio_stream *stream, kio_sched *sched) {
  static const kio_op ops[2] = {KIO_OP_RECV, KIO_OP_SEND};
  static const kio_done_fn done[2] = {kio_stream_received, kio_stream_sent};
  int err = kio_stream_take_slots(stream, sched, ops, done);
  if (err) return err;
  stream->rx->arg.io = (kio_arg_io){0};
  stream->tx->arg.io = (kio_arg_io){.flags = MSG_WAITALL, .offset = KIO_STREAM_CURRENT};
  return 0;
}

static int aim(kio_stream *stream) {
  kio_request *rx = stream->rx;
  kio_input *in = stream->wire;
  if (in->buffer.data || (in->more && in->doubled > 0)) {
    int err = kio_input_make_room(in, &stream->sched->buffers);
    if (err) return err;
    rx->arg.io.buf = in->buffer.data + in->end;
    rx->arg.io.size = in->buffer.size - in->end;
  } else {
    rx->arg.io.buf = NULL;
    rx->arg.io.size = KIO_BUFFER_MIN;
  }
  return 0;
}

static int shut(kio_stream *stream, int how) {
  return shutdown(stream->fd, how) == 0 ? 0 : -errno;
}

const kio_carrier kio_carrier_socket = {
    .name = "socket",
    .direct = true,
    .pins = true,
    .attach = attach,
    .aim = aim,
    .shut = shut,
};
