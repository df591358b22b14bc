/* Owns nothing: looks at streams in test builds. Called by the loop between two turns. */
#include "net/stream_verify.h"

#include "net/carrier.h"
#include "task/here.h"

#ifdef KIO_TEST

/* The kernel never has memory of ours that could be freed. */
static void verify_slots(const kio_stream *stream) {
  const kio_request *rx = stream->rx, *tx = stream->tx;
  kio_assert(rx && tx && rx->owner == stream && tx->owner == stream);
  kio_assert(stream->receiving == (kio_request_under_way(rx) || rx->state == KIO_REQUEST_COMPLETE));
  kio_assert(stream->sending == (kio_request_under_way(tx) || tx->state == KIO_REQUEST_COMPLETE));
  kio_assert(stream->receiving || !rx->buffer.data);
  kio_assert(stream->sending == (tx->buffer.data || stream->pinned));
  kio_assert(!tx->buffer.data || !stream->pinned);
}

/* What comes wakes somebody. */
static void verify_reader(const kio_stream *stream) {
  const kio_task *reader = stream->reader;
  kio_assert(stream->resting || !stream->roused);
  kio_assert(!stream->resting || (stream->receiving && !reader));
  kio_assert(!stream->receiving || reader || stream->resting);
  kio_assert(!stream->receiving || !reader || reader->status == KIO_TASK_WAITING);
}

/* What is gathered leaves, and what is closed ends. */
static void verify_progress(const kio_stream *stream) {
  bool dirty = kio_link_linked(&stream->member.dirty_link);
  bool stirs = stream->sending || stream->held || dirty;
  kio_assert(stirs || stream->out.size == 0 || stream->carrier->flush);
  kio_assert(!stream->later || stream->state != KIO_STREAM_OPEN);
  kio_assert(!stream->later || stream->receiving || !kio_stream_drained(stream));
  kio_assert(!stream->dropped || stream->later);
  kio_assert(stream->fd >= 0 || stream->state >= KIO_STREAM_CLOSED);
  kio_assert(stream->moved_ns <= stream->sched->now_ns);
}

void kio_stream_verify(const kio_member *member) {
  const kio_stream *stream = KIO_CONTAINER(member, const kio_stream, member);
  kio_assert(stream->sched == kio_sched_current());
  verify_slots(stream);
  verify_reader(stream);
  verify_progress(stream);
  kio_output_verify(&stream->out);
  kio_input_verify(stream->wire, stream->receiving);
  if (stream->wire != &stream->in) kio_input_verify(&stream->in, false);
  kio_assert((stream->wire == &stream->in) == !stream->carrier->under);
  if (stream->carrier->verify) stream->carrier->verify(stream);
}

#endif
