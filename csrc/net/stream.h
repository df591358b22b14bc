/* A stream: a buffered byte connection. What brings its bytes and takes them away is its carrier
   (net/carrier.h). Knows tasks only as something to wake; its Lua face is net/stream_lua.c. At most
   one receive and one send are in flight.
   Input: what has arrived and is not yet read stays here, whatever happened to the reader.
   Output: writes are gathered and leave with the turn's one kernel entry; a writer waits only past
   the stream's high-water mark (back-pressure), and may have output held back until there is more.
   An idle stream holds no buffer: a receive that has to wait for its first byte gets one when that
   comes. */
#ifndef KIO_NET_STREAM_H
#define KIO_NET_STREAM_H

#include "base/number.h"
#include "net/input.h"
#include "net/output.h"
#include "net/pin.h"
#include "ring/request.h"
#include "task/here.h"
#include "task/member.h"
#include "task/task.h"

typedef enum kio_stream_state {
  KIO_STREAM_OPEN,
  KIO_STREAM_CLOSING, /* close waits for output to leave: nothing new may start */
  KIO_STREAM_CLOSED,  /* fd is -1 */
  KIO_STREAM_LOST,    /* fd is -1: its number was closed, without it */
  KIO_STREAM_MOVED    /* fd is -1: another stream, on another thread, has its descriptor */
} kio_stream_state;

typedef struct kio_carrier kio_carrier; /* net/carrier.h */

/* What carrier_file.c could not write yet. */
typedef struct kio_unwritten {
  char *at;
  size_t size;
} kio_unwritten;

/* What only streams of one nature have; there is room for no more than that. */
typedef union kio_stream_tail {
  char peer[sizeof(struct sockaddr_storage)]; /* of a socket: the peer's address */
  kio_unwritten unwritten;                    /* of what is none: carrier_file.c's own */
} kio_stream_tail;

/* Written by the functions below and net/stream.c only; everybody may look. */
typedef struct kio_stream {
  kio_member member;          /* of the scheduler it last worked on */
  kio_sched *sched;           /* that scheduler; NULL: none, nothing is in flight */
  const kio_carrier *carrier; /* what brings its bytes and takes them away */
  int fd;
  uint32_t tenant;   /* who has had that number since: number.h */
  uint32_t changes;  /* kio_number_changes when it was last seen to be so */
  int pinned;        /* the anchor of the string that tx sends in place of a buffer; 0: none */
  uint8_t state;     /* kio_stream_state */
  uint8_t peer_size; /* of the peer's address; 0: it has none */
  uint8_t standard;  /* 1 to 3: stdin, stdout, stderr, others' too: neither shut down nor closed */
  bool receiving;    /* rx is under way */
  bool sending;      /* tx is under way: its buffer holds what was gathered before */
  bool resting;      /* rx is, for nobody: what comes closes the stream. net/rest.c */
  bool roused : 1;   /* ... but that stays from now on: somebody will read it */
  bool later : 1;    /* closes itself when nothing is in flight any more */
  bool dropped : 1;  /* and then frees itself: its userdata is gone */
  bool owes : 1;     /* its carrier has bytes of its own to send */
  bool held : 1;     /* what was gathered waits for more */
  bool want_drained : 1;  /* `writer` waits for all output to leave, not just for room */
  bool reserved : 1;      /* its output is somebody's own: stream:send_file */
  kio_input in;           /* what has arrived and is not yet read */
  kio_output out;         /* what was written and has not begun to leave */
  kio_input *wire;        /* what its descriptor brings: `in`, or the input half of its carrier */
  kio_request *rx;        /* its slot for receiving, while attached */
  kio_request *tx;        /* its slot for sending, while attached */
  kio_task *reader;       /* the task that reads: from parking until it has run again */
  kio_task *writer;       /* the task that waits for room or the end of output; set as `reader` */
  int64_t moved_ns;       /* when a wait for the peer, or the last step of one, began */
  kio_stream_tail tail[]; /* one */
} kio_stream;

/* Takes over a descriptor that suits the carrier; the address of what is no socket is empty. NULL
   when memory is out: the caller still owns fd then. */
kio_stream *kio_stream_new(int fd, const kio_sockaddr *peer, const kio_carrier *carrier);
/* The descriptor is one of the standard ones, 0 to 2, and only borrowed. */
static inline void kio_stream_borrow(kio_stream *stream) {
  kio_assert(stream->fd >= 0 && stream->fd <= 2);
  stream->standard = (uint8_t)(stream->fd + 1);
}
/* The Lua side needs it no more: close_later, then free. */
void kio_stream_drop(kio_stream *stream);
/* Its number was closed by somebody else: it has no descriptor any more. */
void kio_stream_lose(kio_stream *stream);
/* Looks whether it still has its descriptor. One whose number was closed (kio.close, close_now, on
   whatever thread) is LOST from then on, and does not touch it again. */
static inline void kio_stream_look(kio_stream *stream) {
  uint32_t changes = kio_number_changes();
  if (stream->changes == changes) return; /* nobody has closed anything since the last time */
  stream->changes = changes;
  if (!kio_number_same(stream->fd, stream->tenant)) kio_stream_lose(stream);
}
/* Makes the stream, which works on no scheduler, work on this one. 0, -EBADF or -ENOMEM. */
int kio_stream_attach_anew(kio_stream *stream, kio_sched *sched);
/* kio_stream_attach_anew, unless it works on this scheduler already. A number that is closed from
   now on is refused below the seam. */
static inline int kio_stream_attach(kio_stream *stream, kio_sched *sched) {
  bool attached = stream->sched == sched && stream->state != KIO_STREAM_LOST;
  return attached ? 0 : kio_stream_attach_anew(stream, sched);
}
/* Takes it off its scheduler, with what is unread and what has not left. Nothing may be in
   flight. */
void kio_stream_leave(kio_stream *stream);

/* Queues a receive, for the task that is about to park as its reader; or goes on with the one of a
   stream that rests. 0, -ENOMEM, or -EBADF: not open for reading. Afterwards kio_stream_end_read,
   `ended` and the unread bytes tell what came. */
int kio_stream_receive(kio_stream *stream, kio_task *reader);
/* The reader runs again, and others may read: the errno its receive has ended with, told once; 0
   for none. */
static inline int kio_stream_end_read(kio_stream *stream) {
  int err = -stream->in.error;
  kio_debug_assert(!stream->receiving);
  kio_debug_assert(stream->reader || stream->state == KIO_STREAM_CLOSED);
  stream->in.error = 0;
  stream->reader = NULL;
  return err;
}
/* The task that waits for input on its own terms; NULL: it does not any more. */
static inline void kio_stream_set_reader(kio_stream *stream, kio_task *reader) {
  kio_assert(!reader || !stream->reader);
  stream->reader = reader;
}
/* Ends a receive early, for its parked reader. */
void kio_stream_abandon_read(kio_task *reader);
/* The receive that is about to begin is for nobody: what it brings closes the stream ... */
static inline void kio_stream_set_resting(kio_stream *stream) {
  kio_assert(!stream->reader && !stream->receiving);
  stream->resting = true;
}
/* ... or stays, once somebody is about to read. */
static inline void kio_stream_set_roused(kio_stream *stream, bool roused) {
  stream->roused = roused && stream->resting;
}
static inline size_t kio_stream_unread(const kio_stream *stream) {
  return kio_input_unread(&stream->in);
}
/* The first of them; NULL when there are none. */
static inline const char *kio_stream_bytes(const kio_stream *stream) {
  return stream->in.buffer.data + stream->in.at;
}
/* Marks `size` unread bytes as read; an empty buffer is given back. There are fewer when a
   finalizer has closed the stream, or read from it, while they were made a string. */
static inline void kio_stream_consume(kio_stream *stream, size_t size) {
  if (stream->in.buffer.data) kio_input_consume(&stream->in, &stream->sched->buffers, size);
}
/* kio_stream_consume after Lua has got the bytes: its memory for that may have run a finalizer that
   has closed the stream, and with it what was unread. */
static inline void kio_stream_taken(kio_stream *stream, size_t size) {
  if (stream->state < KIO_STREAM_CLOSED) kio_stream_consume(stream, size);
}

/* Puts bytes in front of the unread ones. 0 or -ENOMEM. */
int kio_stream_put_back(kio_stream *stream, const char *data, size_t size);

/* Bytes of the string at `index` are all that is gathered, and stay where they are until they have
   left. May raise (memory), with nothing gathered. */
void kio_stream_pin(lua_State *L, int index, kio_stream *stream, const char *data, size_t size);
/* No string is needed any more for what is gathered. False: memory is out. */
static inline bool kio_stream_unpin(kio_stream *stream) {
  kio_sched *sched = stream->sched;
  return !stream->out.pinned || kio_pin_copy(sched->L, &stream->out, &sched->buffers);
}
/* Room for `size` bytes that fit below the high-water mark: the caller writes them before anything
   else happens. NULL when memory is out. */
char *kio_stream_reserve(kio_stream *stream, size_t size);
/* Gathers bytes that fit there. False when memory is out. */
static inline bool kio_stream_add(kio_stream *stream, const char *data, size_t size) {
  char *room = size > 0 ? kio_stream_reserve(stream, size) : NULL;
  if (room) memcpy(room, data, size);
  return room || size == 0;
}
/* Gathers as many bytes as fit below the high-water mark; how many, or -ENOMEM. */
int64_t kio_stream_gather(kio_stream *stream, const char *data, size_t size);
/* From now on output leaves when `size` bytes have been gathered, or somebody waits for its end, or
   the run ends; with 0 it leaves in the turn it was written. */
void kio_stream_hold(kio_stream *stream, size_t size);
/* Whether all output has left (or never will: out.error). */
static inline bool kio_stream_drained(const kio_stream *stream) {
  return stream->out.size == 0 && !stream->sending && !stream->owes;
}
/* Its output moves on, past the slot for sending, or begins to wait for the peer. */
static inline void kio_stream_move_on(kio_stream *stream) {
  stream->moved_ns = stream->sched->now_ns;
}
/* The first `size` bytes that were gathered have left past the slot for sending, which is free. */
static inline void kio_stream_sent_past(kio_stream *stream, size_t size) {
  kio_assert(!stream->sending && !stream->out.pinned);
  kio_output_consume(&stream->out, &stream->sched->buffers, size);
}
/* The carrier has sent its bytes; `still`: it owes others. */
static inline void kio_stream_owe_no_more(kio_stream *stream, bool still) {
  stream->owes = still;
}
/* The task that sends on its own terms, while nobody else may; NULL: it does not any more. */
static inline void kio_stream_set_writer(kio_stream *stream, kio_task *writer) {
  kio_assert(!writer || !stream->writer);
  stream->writer = writer;
}
/* Its output is somebody's own from now on, or no longer. Not kept as a writer: who reserves it may
   never come back. */
static inline void kio_stream_set_reserved(kio_stream *stream, bool reserved) {
  stream->reserved = reserved;
}
/* Whether somebody is writing already. */
static inline bool kio_stream_is_taken(const kio_stream *stream) {
  return stream->writer || stream->reserved;
}
/* The error that stops output now; 0 for none. */
static inline int kio_stream_output_error(const kio_stream *stream) {
  return stream->state != KIO_STREAM_OPEN ? EBADF : stream->out.error;
}
/* Makes the task, about to park, the writer that is woken by room or by the end of output. It
   parks with kio_task_wake: the output goes on leaving. */
void kio_stream_await_output(kio_stream *stream, kio_task *writer, bool drained);

/* Nothing is written any more: the carrier may have to say so. Then it has left when the output
   has. */
void kio_stream_end_output(kio_stream *stream);
/* From now on only what was written before goes on. A waiting writer is woken. */
void kio_stream_begin_close(kio_stream *stream);
/* Output that has not left when it closes fails with `err`. */
static inline void kio_stream_cut_output(kio_stream *stream, int err) {
  kio_assert(err > 0);
  stream->out.error = err;
}
/* Nothing is in flight: closes the descriptor and gives the buffers back. */
void kio_stream_finish(kio_stream *stream);
/* Closes as soon as output has left and nothing is in flight; a reader or writer that waits is told
   EBADF. For those who cannot wait: finalizers, and `<close>` where Lua cannot yield. */
void kio_stream_close_later(kio_stream *stream);
/* Its number is closed without it: what is left of it ends by itself. */
void kio_stream_close_lost(kio_stream *stream);

#endif
