/* A stream: a buffered byte connection on a socket, or on anything else that can be read or
   written: a pipe, a terminal, a file from where it stands on. Knows tasks only as something to
   wake; its Lua face is net/stream_lua.c. At most one receive and one send are in flight.
   Input: what has arrived and is not yet read stays here, whatever happened to the reader.
   Output: writes are gathered and leave with the turn's one kernel entry; a writer waits only past
   the stream's mark. It may be told to hold output back until there is more. An idle stream holds
   no buffer: a receive that has to wait for its first byte gets one when that comes. */
#ifndef KIO_NET_STREAM_H
#define KIO_NET_STREAM_H

#include "base/number.h"
#include "ring/buffer.h"
#include "ring/request.h"
#include "task/member.h"
#include "task/task.h"

typedef enum kio_stream_state {
  KIO_STREAM_OPEN,
  KIO_STREAM_CLOSING, /* close waits for output to leave: nothing new may start */
  KIO_STREAM_CLOSED,  /* fd is -1 */
  KIO_STREAM_LOST,    /* the same: its number was closed, without it */
  KIO_STREAM_MOVED    /* the same: another stream has its descriptor now, on another thread */
} kio_stream_state;

typedef enum kio_stream_nature {
  KIO_STREAM_SOCKET,
  KIO_STREAM_PIPE,
  KIO_STREAM_TERMINAL,
  KIO_STREAM_DEVICE, /* anything else that tells when it is ready */
  KIO_STREAM_FILE    /* always ready: it is not asked */
} kio_stream_nature;

typedef struct kio_stream {
  kio_member member; /* of the scheduler it last worked on */
  kio_sched *sched;  /* that scheduler; NULL: none, nothing is in flight */
  int fd;
  uint32_t tenant;   /* who has had that number since: number.h */
  uint8_t state;     /* kio_stream_state */
  uint8_t kind;      /* kio_stream_nature */
  bool write_only;   /* no socket, and waiting for input would never end */
  uint8_t standard;  /* 1 to 3: stdin, stdout, stderr, others' too: neither shut down nor closed */
  bool later;        /* closes itself when nothing is in flight any more */
  bool dropped;      /* and then frees itself: its userdata is gone */
  bool ended;        /* the peer has sent its last byte */
  bool want_drained; /* `writer` waits for all output to leave, not just for room */
  /* input: bytes [in_at, in_end) of `in` are unread */
  kio_buffer in;
  size_t in_at;
  size_t in_end;
  size_t in_want;      /* the size of the next receive; follows what arrives */
  int in_err;          /* how the last receive failed: negative errno, told to its reader once */
  kio_request *rx;     /* its slot for receiving, while attached */
  bool receiving;      /* rx is under way */
  bool in_more;        /* the last receive left bytes in the socket: the next need not wait */
  kio_task *reader;    /* the task that reads: from parking until it has run again */
  size_t read_max;     /* at most so many bytes it wants */
  size_t read_taken;   /* read by format: unread bytes that earlier formats have taken */
  size_t read_seen;    /* bytes behind them that were searched in vain */
  int64_t read_due_ns; /* the deadline of its read */
  int read_next;       /* the stack index of the format to be satisfied */
  int read_last;       /* and of the last one */
  uint8_t read_kind;   /* what net/read.c does */
  /* output */
  kio_buffer out; /* gathered, not yet sent: out_size bytes */
  size_t out_size;
  size_t out_mark; /* past so many gathered bytes a writer waits */
  size_t out_hold; /* so many are gathered before they leave by themselves; 0: none */
  kio_request *tx; /* its slot for sending, while attached */
  char *out_at;    /* no socket, and not ready: what is to be written then, out_left bytes */
  size_t out_left;
  bool sending;         /* tx is under way: its buffer holds what was gathered before */
  int out_err;          /* a send failed: told by every later write, flush and close */
  kio_task *writer;     /* the task that waits for room or the end of output, likewise */
  int64_t write_due_ns; /* the deadline of its write */
  int64_t moved_ns;     /* when a wait for the peer, or the last step of one, began */
  socklen_t peer_size;  /* of the peer's address */
  char peer[];          /* that address */
} kio_stream;

/* Takes over a connected socket, or with an empty address a descriptor that is none. NULL when
   memory is out: the caller still owns fd then. */
kio_stream *kio_stream_new(int fd, const kio_sockaddr *peer);
/* The other end's address. */
kio_sockaddr kio_stream_peer(const kio_stream *stream);
/* The Lua side lets go: close_later, then free. */
void kio_stream_drop(kio_stream *stream);
/* Its number was closed by somebody else: it has no descriptor any more. */
void kio_stream_lose(kio_stream *stream);
/* Looks whether it still has its descriptor. One whose number was closed (kio.close, close_now, on
   whatever thread) is LOST from then on, and does not touch it again. */
static inline void kio_stream_look(kio_stream *stream) {
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

/* Queues a receive, for the task that is about to park as its reader. 0, -ENOMEM, or -EBADF: not
   open for reading. Afterwards in_err, ended and the unread bytes tell what came. */
int kio_stream_receive(kio_stream *stream, kio_task *reader);
/* Ends a receive early, for its parked reader. */
void kio_stream_abandon_read(kio_task *reader);
static inline size_t kio_stream_unread(const kio_stream *stream) {
  return stream->in_end - stream->in_at;
}
/* Marks `size` unread bytes as read; an empty buffer is given back. There are fewer when a
   finalizer has closed the stream, or read from it, while they were made a string. */
void kio_stream_consume(kio_stream *stream, size_t size);
/* The same after Lua has got them: its memory for that may have run a finalizer that has closed the
   stream, and with it what was unread. */
void kio_stream_taken(kio_stream *stream, size_t size);

/* Puts bytes in front of the unread ones. 0 or -ENOMEM. */
int kio_stream_put_back(kio_stream *stream, const char *data, size_t size);

/* Gathers as many bytes as fit below the high-water mark; how many, or -ENOMEM. */
int64_t kio_stream_gather(kio_stream *stream, const char *data, size_t size);
/* From now on output leaves when `size` bytes have been gathered, or somebody waits for its end, or
   the run ends; with 0 it leaves in the turn it was written. */
void kio_stream_hold(kio_stream *stream, size_t size);
/* Whether all output has left (or never will: out_err). */
bool kio_stream_drained(const kio_stream *stream);
/* Makes the task, about to park, the writer that is woken by room or by the end of output. */
void kio_stream_await_output(kio_stream *stream, kio_task *writer, bool drained);
/* The kio_abandon_fn of that writer: wakes it; the output goes on leaving. */
void kio_stream_abandon_write(kio_task *writer);

/* Nothing is in flight: closes the descriptor and gives the buffers back. */
void kio_stream_finish(kio_stream *stream);
/* Closes as soon as output has left and nothing is in flight; a reader or writer that waits is told
   EBADF. For those who cannot wait: finalizers, and `<close>` where Lua cannot yield. */
void kio_stream_close_later(kio_stream *stream);
/* The writer that waits is told that the stream closes. */
void kio_stream_dismiss_writer(kio_stream *stream);

/* ---- between net/stream.c and net/stream_plain.c only ---- */

#define KIO_STREAM_CURRENT ((uint64_t)-1) /* the offset of what is read where it stands */

/* Finds out what the descriptor is, which is no socket. */
void kio_stream_look_plain(kio_stream *stream);
/* Room at the end of the input buffer: a new one, or the unread bytes moved to the front, or a
   larger one. 0 or -ENOMEM. */
int kio_stream_make_room(kio_stream *stream);
/* Lends the input buffer, if any, to the kernel, with the receive that the slot describes. */
void kio_stream_queue_receive(kio_stream *stream);
/* Describes the first step of a receive on what is no socket. 0, -ENOMEM or -EBADF. */
int kio_stream_aim_plain(kio_stream *stream);
/* What completions mean: for sockets, and for the rest. */
void kio_stream_received(kio_request *rx);
void kio_stream_sent(kio_request *tx);
void kio_stream_received_plain(kio_request *rx);
void kio_stream_sent_plain(kio_request *tx);

#endif
