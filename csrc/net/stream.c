/* Owns a connection's descriptor and buffers. Invariants: while a receive is in flight its request
   holds the input buffer, and while a send is in flight its request holds what it sends, so the
   kernel never has memory of ours that could be freed; bytes received are never dropped while the
   stream lives. Called by the scheduler's thread only. */
#include "net/stream.h"

#include <errno.h>
#include <string.h>

#include "base/config.h"
#include "base/memory.h"
#include "base/number.h"
#include "task/here.h"
#include "task/io.h"
#include "task/member.h"
#include "task/task.h"
#include "task/wait.h"

static void flush_output(kio_member *member);
static void detach(kio_member *member);
static bool unsent(const kio_member *member);
static void settle(kio_stream *stream);

static void leave_soon(kio_stream *stream) {
  kio_sched_dirty(stream->sched, &stream->member);
}

static kio_stream *stream_of(kio_member *member) {
  return KIO_CONTAINER(member, kio_stream, member);
}

/* ---- life ---- */

kio_stream *kio_stream_new(int fd, const kio_sockaddr *peer) {
  kio_stream *stream = kio_memory_new(sizeof *stream + peer->size);
  if (!stream) return NULL;
  stream->fd = kio_number_share(fd);
  stream->tenant = kio_number_tenant(fd);
  stream->peer_size = peer->size;
  memcpy(stream->peer, &peer->as, peer->size);
  if (peer->size == 0) kio_stream_look_plain(stream);
  stream->in_want = KIO_BUFFER_MIN;
  stream->out_mark = KIO_HIGH_WATER;
  stream->member.flush = flush_output;
  stream->member.detach = detach;
  stream->member.unsent = unsent;
  return stream;
}

kio_sockaddr kio_stream_peer(const kio_stream *stream) {
  kio_sockaddr peer = {.size = stream->peer_size};
  memcpy(&peer.as, stream->peer, stream->peer_size);
  return peer;
}

/* Lets go of a slot; one under way is orphaned by the scheduler, which is ending then. */
static void release(kio_sched *sched, kio_request **slot, bool under_way) {
  if (*slot && !under_way) kio_sched_release(sched, *slot);
  *slot = NULL;
}

/* A stream keeps its two slots: taking them anew for every message would double the cost. */
int kio_stream_attach_anew(kio_stream *stream, kio_sched *sched) {
  kio_stream_look(stream);
  if (stream->state == KIO_STREAM_LOST) return -EBADF;
  kio_assert(!stream->sched);
  bool plain = stream->kind != KIO_STREAM_SOCKET;
  int err = kio_sched_request(sched, plain ? KIO_OP_READ : KIO_OP_RECV, stream->fd, stream,
                              plain ? kio_stream_received_plain : kio_stream_received, &stream->rx);
  if (err) return err;
  err = kio_sched_request(sched, plain ? KIO_OP_WRITE : KIO_OP_SEND, stream->fd, stream,
                          plain ? kio_stream_sent_plain : kio_stream_sent, &stream->tx);
  if (err) {
    release(sched, &stream->rx, false);
    return err;
  }
  stream->rx->arg.io = (kio_arg_io){0};
  stream->tx->arg.io = (kio_arg_io){.flags = MSG_WAITALL, .offset = KIO_STREAM_CURRENT};
  stream->sched = sched;
  kio_sched_join(sched, &stream->member);
  if (stream->in.data) sched->buffers.lent++; /* unread bytes of an earlier run come along */
  if (stream->out.data) sched->buffers.lent++;
  if (stream->out_size > 0) kio_sched_dirty(sched, &stream->member);
  return 0;
}

void kio_stream_leave(kio_stream *stream) {
  kio_sched *sched = stream->sched;
  kio_assert(!stream->receiving && !stream->sending && !stream->reader && !stream->writer);
  if (!sched) return;
  if (stream->in.data) sched->buffers.lent--;
  if (stream->out.data) sched->buffers.lent--;
  release(sched, &stream->rx, false);
  release(sched, &stream->tx, false);
  kio_sched_leave(&stream->member);
  stream->sched = NULL;
}

/* The scheduler ends. What is in flight it orphans itself; unread input stays readable. */
static void detach(kio_member *member) {
  kio_stream *stream = stream_of(member);
  kio_buffer_give(&stream->sched->buffers, stream->out);
  stream->out = (kio_buffer){NULL, 0};
  if (stream->out_size > 0 || stream->sending) stream->out_err = ECANCELED;
  stream->out_size = 0;
  if (stream->in.data) stream->sched->buffers.lent--;
  release(stream->sched, &stream->rx, stream->receiving);
  release(stream->sched, &stream->tx, stream->sending);
  stream->receiving = stream->sending = false;
  stream->reader = stream->writer = NULL;
  stream->sched = NULL;
  if (stream->later) settle(stream);
}

void kio_stream_finish(kio_stream *stream) {
  kio_assert(!stream->receiving && !stream->sending);
  if (stream->sched) {
    kio_buffer_give(&stream->sched->buffers, stream->in);
    kio_buffer_give(&stream->sched->buffers, stream->out);
    release(stream->sched, &stream->rx, false);
    release(stream->sched, &stream->tx, false);
    kio_sched_leave(&stream->member);
    stream->sched = NULL;
  } else {
    kio_buffer_drop(stream->in);
    kio_buffer_drop(stream->out);
  }
  stream->in = stream->out = (kio_buffer){NULL, 0};
  stream->in_at = stream->in_end = stream->out_size = 0;
  kio_stream_look(stream);
  if (stream->fd >= 0 && !stream->standard) kio_sched_close_fd(stream->fd);
  stream->fd = -1;
  stream->state = KIO_STREAM_CLOSED;
}

/* Something has come back: was it the last a closing stream waited for? May free the stream. */
static void settle(kio_stream *stream) {
  if (stream->receiving || !kio_stream_drained(stream)) return;
  kio_stream_finish(stream);
  if (stream->dropped) kio_memory_free(stream);
}

void kio_stream_dismiss_writer(kio_stream *stream) {
  kio_task *writer = stream->writer;
  stream->writer = NULL;
  /* One that waits for a request of its own is told by that. */
  if (writer && writer->status == KIO_TASK_WAITING && !writer->request) kio_task_wake(writer);
}

void kio_stream_close_later(kio_stream *stream) {
  kio_stream_look(stream);
  stream->later = true;
  if (stream->state == KIO_STREAM_OPEN) stream->state = KIO_STREAM_CLOSING;
  if (!stream->sched) stream->out_size = 0; /* nobody would send it */
  kio_stream_dismiss_writer(stream);
  if (stream->out_size > 0) leave_soon(stream);
  if (stream->receiving) {
    stream->rx->flags |= KIO_REQUEST_CLOSED;
    kio_ring_cancel(&stream->sched->ring, stream->rx, false);
  }
  if (stream->later) settle(stream);
}

/* Who has closed the number has cut off what was under way; what is still gathered is refused below
   the seam. */
void kio_stream_lose(kio_stream *stream) {
  stream->fd = -1;
  stream->state = KIO_STREAM_LOST;
  if (stream->out_size > 0 || stream->sending) stream->out_err = EBADF;
  kio_stream_dismiss_writer(stream);
}

void kio_stream_drop(kio_stream *stream) {
  stream->dropped = true;
  kio_stream_close_later(stream);
}

/* ---- input ---- */

void kio_stream_consume(kio_stream *stream, size_t size) {
  if (!stream->in.data) return;
  stream->in_at += kio_min_size(size, kio_stream_unread(stream));
  if (stream->in_at < stream->in_end) return;
  kio_buffer_give(&stream->sched->buffers, stream->in);
  stream->in = (kio_buffer){NULL, 0};
  stream->in_at = stream->in_end = 0;
}

void kio_stream_taken(kio_stream *stream, size_t size) {
  if (stream->state < KIO_STREAM_CLOSED) kio_stream_consume(stream, size);
}

/* A receive that filled its buffer is followed by a larger one, a nearly empty one by a smaller. */
static void adapt(kio_stream *stream, size_t asked, size_t got) {
  if (got == asked && stream->in_want < KIO_BUFFER_MAX) stream->in_want *= 2;
  else if (got < stream->in_want / 4 && stream->in_want > KIO_BUFFER_MIN) stream->in_want /= 2;
}

void kio_stream_received(kio_request *request) {
  kio_stream *stream = request->owner;
  kio_task *reader = stream->reader;
  int result = request->result;
  stream->in = request->buffer; /* back from the kernel */
  request->buffer = (kio_buffer){NULL, 0};
  stream->receiving = false;
  if (result > 0) stream->in_end += (size_t)result;
  if (result > 0) adapt(stream, request->arg.io.size, (size_t)result);
  stream->in_more = request->flags & KIO_REQUEST_MORE;
  bool closed = request->flags & KIO_REQUEST_CLOSED;
  stream->in_err = closed && result <= 0 ? -EBADF : result < 0 ? result : 0;
  if (result == 0 && !closed) stream->ended = true;
  if (kio_stream_unread(stream) == 0) kio_stream_consume(stream, 0);
  kio_task_wake(reader);
  if (stream->later) settle(stream);
}

int kio_stream_make_room(kio_stream *stream) {
  kio_buffers *buffers = &stream->sched->buffers;
  size_t unread = kio_stream_unread(stream);
  if (stream->in.data && stream->in_end < stream->in.size) return 0;
  if (stream->in_at > 0) {
    memmove(stream->in.data, stream->in.data + stream->in_at, unread);
  } else {
    size_t more = unread > stream->in_want ? unread : stream->in_want; /* long values: doubling */
    kio_buffer larger = kio_buffer_take(buffers, unread + more);
    if (!larger.data) return -ENOMEM;
    if (unread > 0) memcpy(larger.data, stream->in.data, unread);
    kio_buffer_give(buffers, stream->in);
    stream->in = larger;
  }
  stream->in_at = 0;
  stream->in_end = unread;
  return 0;
}

int kio_stream_put_back(kio_stream *stream, const char *data, size_t size) {
  kio_buffers *buffers = &stream->sched->buffers;
  size_t unread = kio_stream_unread(stream);
  kio_assert(!stream->receiving);
  if (size == 0) return 0;
  if (stream->in_at < size) {
    kio_buffer larger = kio_buffer_take(buffers, size + unread);
    if (!larger.data) return -ENOMEM;
    if (unread > 0) memcpy(larger.data + size, stream->in.data + stream->in_at, unread);
    kio_buffer_give(buffers, stream->in);
    stream->in = larger;
    stream->in_at = size;
    stream->in_end = size + unread;
  }
  stream->in_at -= size;
  memcpy(stream->in.data + stream->in_at, data, size);
  return 0;
}

static int aim_receive(kio_stream *stream) {
  kio_request *rx = stream->rx;
  if (stream->in.data || (stream->in_more && stream->in_want > KIO_BUFFER_MIN)) {
    int err = kio_stream_make_room(stream);
    if (err) return err;
    rx->arg.io.buf = stream->in.data + stream->in_end;
    rx->arg.io.size = stream->in.size - stream->in_end;
  } else {
    rx->arg.io.buf = NULL;
    rx->arg.io.size = KIO_BUFFER_MIN;
  }
  return 0;
}

void kio_stream_queue_receive(kio_stream *stream) {
  kio_request *rx = stream->rx;
  kio_request_renew(rx);
  rx->buffer = stream->in; /* with the kernel */
  stream->in.data = NULL;
  stream->receiving = true;
  kio_ring_queue(&stream->sched->ring, rx);
}

int kio_stream_receive(kio_stream *stream, kio_task *reader) {
  kio_assert(!stream->receiving);
  int err = stream->kind == KIO_STREAM_SOCKET ? aim_receive(stream) : kio_stream_aim_plain(stream);
  if (err) return err;
  stream->reader = reader;
  stream->moved_ns = stream->sched->now_ns;
  kio_stream_queue_receive(stream);
  return 0;
}

void kio_stream_abandon_read(kio_task *reader) {
  kio_stream *stream = reader->subject;
  kio_ring_cancel(&stream->sched->ring, stream->rx, kio_task_is_due(reader));
}

/* ---- output ---- */

bool kio_stream_drained(const kio_stream *stream) {
  return stream->out_size == 0 && !stream->sending;
}

static bool unsent(const kio_member *member) {
  return !kio_stream_drained(KIO_CONTAINER(member, const kio_stream, member));
}

static void wake_writer(kio_stream *stream) {
  kio_task *writer = stream->writer;
  bool enough = stream->want_drained ? kio_stream_drained(stream) : stream->out_size == 0;
  if (enough && writer->status == KIO_TASK_WAITING) kio_task_wake(writer);
}

/* Something is gathered: it leaves with this turn, or stays until there is more of it. */
static void leave_or_hold(kio_stream *stream) {
  bool stays = stream->out_size < stream->out_hold && !(stream->writer && stream->want_drained) &&
               !stream->later && stream->state == KIO_STREAM_OPEN;
  if (stays) stream->member.held = true;
  else leave_soon(stream);
}

void kio_stream_hold(kio_stream *stream, size_t size) {
  stream->out_hold = size;
  stream->out_mark = size > KIO_HIGH_WATER ? size : KIO_HIGH_WATER;
  if (stream->out_size > 0) leave_or_hold(stream);
}

/* A failed send takes everything gathered with it: later bytes must not pass earlier ones. */
static void output_failed(kio_stream *stream, int err) {
  if (!stream->out_err) stream->out_err = err; /* a close that has cut it off knows better why */
  stream->out_size = 0;
  kio_buffer_give(&stream->sched->buffers, stream->out);
  stream->out = (kio_buffer){NULL, 0};
}

/* Queues what the slot's buffer holds from `at` on. */
static void send_from(kio_stream *stream, char *at, size_t size) {
  kio_request *tx = stream->tx;
  kio_request_renew(tx);
  tx->arg.io.buf = at;
  tx->arg.io.size = size;
  stream->sending = true;
  stream->moved_ns = stream->sched->now_ns;
  kio_ring_queue(&stream->sched->ring, tx);
}

void kio_stream_sent(kio_request *tx) {
  kio_stream *stream = tx->owner;
  int result = tx->result;
  size_t asked = tx->arg.io.size;
  bool closed = tx->flags & KIO_REQUEST_CLOSED;
  bool part = result >= 0 && (size_t)result < asked;
  stream->sending = false;
  if (part && !closed) { /* the rest goes before anything newer */
    send_from(stream, (char *)tx->arg.io.buf + result, asked - (size_t)result);
    return;
  }
  kio_buffer_give(&stream->sched->buffers, tx->buffer);
  tx->buffer = (kio_buffer){NULL, 0};
  if (closed && (result < 0 || part || stream->out_size > 0)) output_failed(stream, EBADF);
  else if (result < 0) output_failed(stream, -result);
  if (stream->out_size > 0) leave_or_hold(stream);
  if (stream->writer) wake_writer(stream);
  if (stream->later) settle(stream);
}

/* Before the turn's kernel entry: what was gathered becomes one send, if none is in flight. */
static void flush_output(kio_member *member) {
  kio_stream *stream = stream_of(member);
  member->held = false;
  if (stream->sending || stream->out_size == 0) return;
  stream->tx->buffer = stream->out;
  send_from(stream, stream->out.data, stream->out_size);
  stream->out = (kio_buffer){NULL, 0};
  stream->out_size = 0;
  if (stream->writer) wake_writer(stream);
}

/* The output buffer grows by doubling up to the mark, so that small writers stay small; beyond what
   is cached it grows once. */
static bool grow_output(kio_stream *stream, size_t size) {
  kio_buffers *buffers = &stream->sched->buffers;
  if (size <= stream->out.size) return true;
  if (size > KIO_BUFFER_MAX) size = stream->out_mark;
  kio_buffer larger = kio_buffer_take(buffers, size);
  if (!larger.data) return false;
  if (stream->out_size > 0) memcpy(larger.data, stream->out.data, stream->out_size);
  kio_buffer_give(buffers, stream->out);
  stream->out = larger;
  return true;
}

int64_t kio_stream_gather(kio_stream *stream, const char *data, size_t size) {
  if (stream->out_size >= stream->out_mark) return 0; /* above it: the mark was lowered */
  size_t fits = kio_min_size(size, stream->out_mark - stream->out_size);
  if (fits == 0) return 0;
  if (!grow_output(stream, stream->out_size + fits)) return -ENOMEM;
  memcpy(stream->out.data + stream->out_size, data, fits);
  stream->out_size += fits;
  leave_or_hold(stream);
  return (int64_t)fits;
}

void kio_stream_await_output(kio_stream *stream, kio_task *writer, bool drained) {
  kio_assert(!stream->writer);
  stream->writer = writer;
  stream->want_drained = drained;
  if (drained && stream->out_size > 0) leave_soon(stream);
}

void kio_stream_abandon_write(kio_task *writer) {
  kio_task_wake(writer);
}
