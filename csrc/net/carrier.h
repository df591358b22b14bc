/* What brings a stream's bytes and takes them away: a socket, a file (a pipe, a terminal, a
   device, a regular file), or a filter over one of these. The interface that net/stream.c works
   through, and what it gives its carriers to work with. Only a carrier knows what the descriptor
   is. */
#ifndef KIO_NET_CARRIER_H
#define KIO_NET_CARRIER_H

#include "net/stream.h"

enum {
  KIO_CARRIER_CLOSES = 1, /* of `shut`: it has no halves, and is to be closed */
  KIO_CARRIER_HAS = 1     /* of `aim`: there is more already, and the next flush brings it */
};

struct kio_carrier {
  const char *name; /* "socket", "pipe", ...: what a stream without a peer's address is called */
  /* Whether the stream's bytes are the descriptor's: then the kernel may move them past us. */
  bool direct;
  bool pins; /* whether it may send strings from where they lie */
  /* Takes the stream's slots. 0, -EBADF or -ENOMEM. */
  int (*attach)(kio_stream *stream, kio_sched *sched);
  /* The stream goes off its scheduler, whose count of buffers they leave; NULL: it has none. */
  void (*leave)(kio_stream *stream);
  /* Describes a receive in the slot for it. 0, KIO_CARRIER_HAS, -ENOMEM, -EBADF or another
     -errno. */
  int (*aim)(kio_stream *stream);
  /* The slot for receiving has completed: stream->wire has what it brought. NULL: it is the
     stream's input, and the reader is woken. */
  void (*arrived)(kio_stream *stream);
  /* Nothing is being sent, and something is gathered, or owed: it begins to leave. NULL: one send
     takes all that is gathered. */
  void (*flush)(kio_stream *stream);
  /* Nothing is gathered any more after what is: it may have to say so. NULL: it need not. */
  void (*end_output)(kio_stream *stream);
  /* shutdown(2), when all output has left. 0, KIO_CARRIER_CLOSES or -errno. */
  int (*shut)(kio_stream *stream, int how);
  /* The carrier that it works over. NULL: it is none over another. */
  const kio_carrier *(*under)(const kio_stream *stream);
  /* What it is over that, for people: "tls". The topmost has place 0; NULL: there are no more.
     With `under`. */
  const char *(*over)(const kio_stream *stream, int place);
  /* NULL, or why it cannot change threads. NULL: it always can. */
  const char *(*may_move)(const kio_stream *stream);
  /* Its own words for an error of the stream's; NULL: the usual ones. NULL: it has none. */
  const char *(*why)(const kio_stream *stream, int err);
  /* A code that goes with these words; NULL: the usual one. NULL: it has none. */
  const char *(*code)(const kio_stream *stream, int err);
  /* The stream is closed: frees what the carrier holds; `buffers` NULL: their set is gone. NULL: it
     holds nothing. */
  void (*fini)(kio_stream *stream, kio_buffers *buffers);
  /* In test builds kio_asserts what must be true of it after a turn. NULL: nothing more than of the
     stream. */
  void (*verify)(const kio_stream *stream);
};

extern const kio_carrier kio_carrier_socket; /* net/carrier_socket.c */
/* The carrier of a descriptor that is no socket. */
const kio_carrier *kio_carrier_of(int fd);

/* ---- what a carrier works with: net/stream.c ---- */

#define KIO_STREAM_CURRENT ((uint64_t)-1) /* the offset of what is read where it stands */

/* Takes both slots, one for each way. 0, -EBADF or -ENOMEM. */
int kio_stream_take_slots(kio_stream *stream, kio_sched *sched, const kio_op ops[2],
                          const kio_done_fn done[2]);
/* The buffer that the slot has had lies in stream->wire again. */
void kio_stream_take_back(kio_stream *stream);
/* Begins the receive that the slot describes, into the wire's buffer, if any. */
void kio_stream_begin_receive(kio_stream *stream);
/* Sends `size` bytes of a buffer, which belongs to the slot from now on. */
void kio_stream_begin_send(kio_stream *stream, kio_buffer buffer, size_t size);
/* The carrier that works on the descriptor itself. */
static inline const kio_carrier *kio_stream_bottom(const kio_stream *stream) {
  return stream->carrier->under ? stream->carrier->under(stream) : stream->carrier;
}
/* The carrier has bytes of its own to send: `flush` is called. */
void kio_stream_owe(kio_stream *stream);
/* What is gathered is lost, and each further write fails with `err`. */
void kio_stream_output_failed(kio_stream *stream, int err);
/* Wakes the reader, who looks at the unread bytes, `ended` and `error`: a receive has ended. */
void kio_stream_arrived(kio_stream *stream);
/* Wakes the reader that waits although no receive is under way. */
void kio_stream_wake_reader(kio_stream *stream);
/* From now on it is this carrier; `wire` is what the descriptor brings. Not the stream's own input:
   that begins anew. */
void kio_stream_set_carrier(kio_stream *stream, const kio_carrier *carrier, kio_input *wire);
/* The usual ends of what the slots have begun. */
void kio_stream_received(kio_request *rx);
void kio_stream_sent(kio_request *tx);

#endif
