/* Owns a connection's descriptor and buffers. Invariants: while a receive is in flight its request
   holds the input buffer, and while a send is in flight its request holds what it sends, so the
   kernel never has memory of ours that could be freed; bytes received are never dropped while the
   stream lives. Called by the scheduler's thread only. */
#include "net/stream.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "net/carrier.h"
#include "net/stream_verify.h"
#include "task/anchor.h"
#include "task/here.h"
#include "task/io.h"
#include "task/member.h"
#include "task/task.h"
#include "task/wait.h"

static const kio_member_kind membership;
static void settle(kio_stream *stream);

static void leave_soon(kio_stream *stream) {
  kio_sched_dirty(stream->sched, &stream->member);
}

static kio_stream *stream_of(kio_member *member) {
  return KIO_CONTAINER(member, kio_stream, member);
}

/* ---- life ---- */

static bool unsent(const kio_member *member) {
  return !kio_stream_drained(KIO_CONTAINER(member, const kio_stream, member));
}

static bool holds(const kio_member *member) {
  return KIO_CONTAINER(member, const kio_stream, member)->held;
}

static void forget(kio_member *member, const kio_task *task) {
  kio_stream *stream = stream_of(member);
  if (stream->reader == task) stream->reader = NULL;
  if (stream->writer == task) stream->writer = NULL;
}

kio_stream *kio_stream_new(int fd, const kio_sockaddr *peer, const kio_carrier *carrier) {
  kio_assert(peer->size <= sizeof(kio_stream_tail));
  size_t tail = peer->size > 0 ? peer->size : sizeof(kio_unwritten);
  kio_stream *stream = kio_memory_new(sizeof *stream + tail);
  if (!stream) return NULL;
  stream->fd = kio_number_share(fd);
  stream->changes = kio_number_changes();
  stream->tenant = kio_number_tenant(fd);
  stream->carrier = carrier;
  stream->peer_size = (uint8_t)peer->size;
  memcpy(stream->tail->peer, &peer->as, peer->size);
  stream->wire = &stream->in;
  stream->member.kind = &membership;
  return stream;
}

void kio_stream_set_carrier(kio_stream *stream, const kio_carrier *carrier, kio_input *wire) {
  kio_assert(!stream->receiving && !stream->sending); /* for a carrier's input has its own buffer */
  stream->carrier = carrier;
  stream->wire = wire;
  if (wire != &stream->in) stream->in = (kio_input){0};
}

/* Releases a slot; one under way is orphaned by the scheduler, which is ending then. */
static void release(kio_sched *sched, kio_request **slot, bool under_way) {
  if (*slot && !under_way) kio_sched_release(sched, *slot);
  *slot = NULL;
}

/* A stream keeps its two slots: taking them anew for every message would double the cost. */
int kio_stream_take_slots(kio_stream *stream, kio_sched *sched, const kio_op ops[2],
                          const kio_done_fn done[2]) {
  kio_assert(!stream->rx && !stream->tx);
  int err = kio_sched_request(sched, ops[0], stream->fd, stream, done[0], &stream->rx);
  if (err) return err;
  err = kio_sched_request(sched, ops[1], stream->fd, stream, done[1], &stream->tx);
  if (err) release(sched, &stream->rx, false);
  return err;
}

int kio_stream_attach_anew(kio_stream *stream, kio_sched *sched) {
  kio_stream_look(stream);
  if (stream->state == KIO_STREAM_LOST) return -EBADF;
  kio_assert(!stream->sched);
  int err = stream->carrier->attach(stream, sched);
  if (err) return err;
  kio_assert(stream->rx && stream->tx);
  stream->sched = sched;
  kio_sched_join(sched, &stream->member);
  if (stream->in.buffer.data)
    sched->buffers.taken++; /* unread bytes of an earlier run come along */
  if (stream->out.buffer.data) sched->buffers.taken++;
  if (stream->out.size > 0 || stream->owes) leave_soon(stream);
  return 0;
}

/* What is gathered will not leave. */
static void drop_output(kio_stream *stream) {
  kio_sched *sched = stream->sched;
  if (sched) kio_pin_drop(sched->L, &stream->out); /* without one it has a buffer */
  kio_output_drop(&stream->out, sched ? &sched->buffers : NULL);
}

/* Its buffers are the scheduler's no longer, but for those that the kernel has. */
static void count_out(kio_stream *stream) {
  kio_buffers *buffers = &stream->sched->buffers;
  if (stream->carrier->leave) stream->carrier->leave(stream);
  if (stream->in.buffer.data) buffers->taken--;
  if (stream->out.buffer.data) buffers->taken--;
}

void kio_stream_leave(kio_stream *stream) {
  kio_sched *sched = stream->sched;
  kio_assert(!stream->receiving && !stream->sending && !stream->reader && !stream->writer);
  if (!sched) return;
  count_out(stream);
  release(sched, &stream->rx, false);
  release(sched, &stream->tx, false);
  kio_sched_leave(&stream->member);
  stream->sched = NULL;
}

/* The scheduler ends. What is in flight it orphans itself; unread input stays readable. */
static void detach(kio_member *member) {
  kio_stream *stream = stream_of(member);
  kio_buffers *buffers = &stream->sched->buffers;
  bool lost = stream->out.size > 0 || stream->sending || stream->owes;
  stream->pinned = 0; /* and the string anchored for ever: the kernel may have it still */
  if (stream->resting) stream->later = true; /* nobody will know what came for it */
  if (stream->receiving) kio_input_rescue(stream->wire, buffers, stream->rx->buffer.data);
  drop_output(stream);
  if (lost) stream->out.error = ECANCELED;
  count_out(stream);
  release(stream->sched, &stream->rx, stream->receiving);
  release(stream->sched, &stream->tx, stream->sending);
  stream->receiving = stream->resting = stream->roused = stream->sending = stream->owes = false;
  stream->reader = stream->writer = NULL;
  stream->sched = NULL;
  if (stream->later) settle(stream);
}

void kio_stream_wake_reader(kio_stream *stream) {
  kio_task *reader = stream->reader;
  if (reader && reader->status == KIO_TASK_WAITING && !reader->request) kio_task_wake(reader);
}

void kio_stream_finish(kio_stream *stream) {
  kio_assert(!stream->receiving && !stream->sending);
  kio_stream_wake_reader(stream); /* one without a receive */
  stream->reader = NULL;
  kio_sched *sched = stream->sched;
  kio_buffers *buffers = sched ? &sched->buffers : NULL;
  kio_input_drop(&stream->in, buffers);
  drop_output(stream);
  if (stream->carrier->fini) stream->carrier->fini(stream, buffers);
  stream->owes = false;
  if (sched) {
    release(sched, &stream->rx, false);
    release(sched, &stream->tx, false);
    kio_sched_leave(&stream->member);
    stream->sched = NULL;
  }
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

static void refuse_writer(kio_stream *stream) {
  kio_task *writer = stream->writer;
  stream->writer = NULL;
  /* The end of a request of its own wakes it. */
  if (writer && writer->status == KIO_TASK_WAITING && !writer->request) kio_task_wake(writer);
}

void kio_stream_begin_close(kio_stream *stream) {
  kio_assert(stream->state == KIO_STREAM_OPEN);
  stream->state = KIO_STREAM_CLOSING;
  refuse_writer(stream);
}

void kio_stream_close_later(kio_stream *stream) {
  kio_stream_look(stream);
  stream->later = true;
  if (stream->state == KIO_STREAM_OPEN) stream->state = KIO_STREAM_CLOSING;
  if (stream->sched) kio_stream_end_output(stream);
  else stream->out.size = stream->owes = 0; /* nobody would send it */
  refuse_writer(stream);
  if (stream->out.size > 0) leave_soon(stream);
  if (stream->receiving) {
    stream->rx->flags |= KIO_REQUEST_CLOSED;
    kio_ring_cancel(&stream->sched->ring, stream->rx, false);
  }
  if (stream->later) settle(stream);
}

void kio_stream_close_lost(kio_stream *stream) {
  kio_stream_close_later(stream);
  stream->state = KIO_STREAM_CLOSED;
}

/* Who has closed the number has cut off what was under way; what is still gathered is refused below
   the seam. */
void kio_stream_lose(kio_stream *stream) {
  stream->fd = -1;
  stream->state = KIO_STREAM_LOST;
  if (stream->out.size > 0 || stream->sending) stream->out.error = EBADF;
  refuse_writer(stream);
}

void kio_stream_drop(kio_stream *stream) {
  stream->dropped = true;
  kio_stream_close_later(stream);
}

/* ---- input ---- */

void kio_stream_take_back(kio_stream *stream) {
  if (!stream->receiving) return;
  kio_debug_assert(!stream->wire->buffer.data);
  stream->wire->buffer = stream->rx->buffer;
  stream->rx->buffer = (kio_buffer){NULL, 0};
  stream->receiving = false;
}

void kio_stream_arrived(kio_stream *stream) {
  kio_assert(stream->reader || stream->resting);
  bool stirred = stream->resting && !stream->roused && stream->state == KIO_STREAM_OPEN;
  stream->resting = stream->roused = false;
  if (stream->reader) kio_task_wake(stream->reader);
  if (stirred) kio_stream_close_later(stream); /* which settles */
  else if (stream->later) settle(stream);
}

/* A receive has brought no byte. */
static void received_nothing(kio_stream *stream, kio_input *in, const kio_request *rx) {
  bool closed = rx->flags & KIO_REQUEST_CLOSED;
  in->error = closed ? -EBADF : rx->result;
  if (rx->result == 0 && !closed) in->ended = true;
  if (kio_input_unread(in) == 0) kio_input_consume(in, &stream->sched->buffers, 0);
}

void kio_stream_received(kio_request *rx) {
  kio_stream *stream = rx->owner;
  kio_input *in = stream->wire;
  kio_debug_assert(stream->rx == rx && rx->state == KIO_REQUEST_DONE);
  kio_stream_take_back(stream);
  in->more = rx->flags & KIO_REQUEST_MORE;
  in->error = 0;
  if (rx->result > 0) kio_input_grow(in, rx->arg.io.size, (size_t)rx->result);
  else received_nothing(stream, in, rx);
  if (stream->carrier->arrived) stream->carrier->arrived(stream);
  else kio_stream_arrived(stream);
}

int kio_stream_put_back(kio_stream *stream, const char *data, size_t size) {
  kio_assert(!stream->receiving);
  return kio_input_put_back(&stream->in, &stream->sched->buffers, data, size);
}

static inline void begin_receive(kio_stream *stream) {
  kio_debug_assert(!stream->receiving && !stream->reader == stream->resting);
  stream->rx->buffer = stream->wire->buffer; /* with the kernel */
  stream->wire->buffer.data = NULL;
  stream->receiving = true;
  kio_ring_queue_anew(&stream->sched->ring, stream->rx);
}

void kio_stream_begin_receive(kio_stream *stream) {
  begin_receive(stream);
  if (stream->resting) kio_ring_silence(&stream->sched->ring, stream->rx);
}

int kio_stream_receive(kio_stream *stream, kio_task *reader) {
  kio_assert(stream->receiving == stream->resting);
  int err = stream->resting ? 0 : stream->carrier->aim(stream);
  if (err < 0) return err;
  stream->reader = reader;
  stream->moved_ns = stream->sched->now_ns;
  if (err == KIO_CARRIER_HAS) leave_soon(stream);
  else if (!stream->resting) begin_receive(stream);
  else kio_ring_unsilence(&stream->sched->ring, stream->rx);
  if (stream->resting) stream->resting = stream->roused = false;
  return 0;
}

void kio_stream_abandon_read(kio_task *reader) {
  kio_stream *stream = reader->subject;
  if (!stream->receiving) kio_stream_wake_reader(stream); /* it waits for a flush */
  else kio_ring_cancel(&stream->sched->ring, stream->rx, kio_task_is_due(reader));
}

/* ---- output ---- */

static void wake_writer(kio_stream *stream) {
  kio_task *writer = stream->writer;
  bool enough = stream->want_drained ? kio_stream_drained(stream) : stream->out.size == 0;
  if (enough && writer->status == KIO_TASK_WAITING) kio_task_wake(writer);
}

static void leave_or_hold(kio_stream *stream) {
  bool stays = stream->out.size < stream->out.hold && !(stream->writer && stream->want_drained) &&
               !stream->later && stream->state == KIO_STREAM_OPEN;
  if (stays) stream->held = true;
  else leave_soon(stream);
}

void kio_stream_hold(kio_stream *stream, size_t size) {
  stream->out.hold = size;
  if (stream->out.size > 0) leave_or_hold(stream);
}

/* A failed send takes everything gathered with it: later bytes must not pass earlier ones. */
void kio_stream_output_failed(kio_stream *stream, int err) {
  kio_assert(err > 0);
  if (!stream->out.error) stream->out.error = err; /* a close that cut it off knows better why */
  stream->owes = false;
  drop_output(stream);
  if (!stream->receiving) kio_stream_wake_reader(stream); /* one that waits for output to leave */
}

static void send_from(kio_stream *stream, char *at, size_t size) {
  stream->tx->arg.io.buf = at;
  stream->tx->arg.io.size = size;
  stream->sending = true;
  stream->moved_ns = stream->sched->now_ns;
  kio_ring_queue_anew(&stream->sched->ring, stream->tx);
}

static inline void begin_send(kio_stream *stream, kio_buffer buffer, size_t size) {
  kio_assert(!stream->sending && size <= buffer.size);
  kio_debug_assert(size > 0 && !stream->tx->buffer.data);
  stream->tx->buffer = buffer;
  send_from(stream, buffer.data, size);
}

void kio_stream_begin_send(kio_stream *stream, kio_buffer buffer, size_t size) {
  begin_send(stream, buffer, size);
}

/* A send has failed, or was cut off by a close. */
static void sent_badly(kio_stream *stream, const kio_request *tx) {
  bool closed = tx->flags & KIO_REQUEST_CLOSED;
  bool whole = tx->result == (int64_t)tx->arg.io.size;
  bool left_over = stream->out.size > 0 || stream->owes;
  if (closed && (!whole || left_over)) kio_stream_output_failed(stream, EBADF);
  else if (tx->result < 0) kio_stream_output_failed(stream, -tx->result);
}

void kio_stream_sent(kio_request *tx) {
  kio_stream *stream = tx->owner;
  int64_t left = (int64_t)tx->arg.io.size - tx->result;
  bool well = tx->result >= 0 && !(tx->flags & KIO_REQUEST_CLOSED);
  kio_debug_assert(stream->tx == tx && stream->sending);
  stream->sending = false;
  if (well && left > 0) { /* the rest goes before anything newer */
    send_from(stream, (char *)tx->arg.io.buf + tx->result, (size_t)left);
    return;
  }
  if (stream->pinned) kio_anchor_drop(stream->sched->L, stream->pinned);
  stream->pinned = 0;
  kio_buffer_give(&stream->sched->buffers, tx->buffer);
  tx->buffer = (kio_buffer){NULL, 0};
  if (!well) sent_badly(stream, tx);
  if (stream->owes) leave_soon(stream);
  else if (stream->out.size > 0) leave_or_hold(stream);
  if (stream->writer) wake_writer(stream);
  if (stream->later) settle(stream);
}

static void send_gathered(kio_stream *stream) {
  kio_output *out = &stream->out;
  char *at = (char *)(uintptr_t)out->pinned; /* which is only read */
  size_t size = out->size;
  if (!at) return begin_send(stream, kio_output_take(out), size);
  stream->pinned = kio_pin_take(out);
  send_from(stream, at, size);
}

/* Before the turn's kernel entry: what was gathered becomes one send, if none is in flight. */
static void flush_output(kio_member *member) {
  kio_stream *stream = stream_of(member);
  stream->held = false;
  if (stream->carrier->flush) stream->carrier->flush(stream);
  else if (!stream->sending && stream->out.size > 0) send_gathered(stream);
  if (stream->writer) wake_writer(stream);
  if (stream->later) settle(stream);
}

static const kio_member_kind membership = {
    .flush = flush_output,
    .detach = detach,
    .unsent = unsent,
    .holds = holds,
    .forget = forget,
    .verify = kio_test_only(kio_stream_verify),
};

void kio_stream_owe(kio_stream *stream) {
  stream->owes = true;
  if (stream->sched) leave_soon(stream);
}

void kio_stream_pin(lua_State *L, int index, kio_stream *stream, const char *data, size_t size) {
  kio_pin(L, index, &stream->out, data, size);
  leave_or_hold(stream);
}

char *kio_stream_reserve(kio_stream *stream, size_t size) {
  if (!kio_stream_unpin(stream)) return NULL;
  char *room = kio_output_reserve(&stream->out, &stream->sched->buffers, size);
  if (room) leave_or_hold(stream);
  return room;
}

int64_t kio_stream_gather(kio_stream *stream, const char *data, size_t size) {
  bool full = stream->out.size >= kio_output_mark(&stream->out);
  if (!full && !kio_stream_unpin(stream)) return -ENOMEM;
  int64_t taken = kio_output_gather(&stream->out, &stream->sched->buffers, data, size);
  if (taken > 0) leave_or_hold(stream);
  return taken < 0 ? -ENOMEM : taken;
}

void kio_stream_end_output(kio_stream *stream) {
  if (stream->out.error) return; /* what is lost must not look like an end */
  if (stream->carrier->end_output) stream->carrier->end_output(stream);
}

void kio_stream_await_output(kio_stream *stream, kio_task *writer, bool drained) {
  kio_assert(!stream->writer);
  stream->writer = writer;
  stream->want_drained = drained;
  if (drained && stream->out.size > 0) leave_soon(stream);
}
