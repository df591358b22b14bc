/* A stream's bytes through a filter, over another carrier. Owns the filter, and what the descriptor
   has brought that it has not taken. Invariants: only the filter's bytes are sent, in the order it
   gave them; while a receive is under way the reader waits, and is woken when there is something
   for it; so a reader that gives up loses nothing. Called by net/stream.c. */
#include "net/carrier_filter.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "net/carrier.h"
#include "net/filter_over.h"
#include "task/here.h"
#include "task/task.h"

typedef struct filtered {
  kio_input wire; /* what has come: stream->wire */
  const kio_carrier *inner;
  kio_filter filter;
  bool failed;   /* `decode` has: `why` tells; it is not called again */
  bool mute;     /* `encode` has, likewise */
  bool stuck;    /* one of them did nothing where it had to: failed or mute by that */
  bool has;      /* the reader is to be woken with the next flush */
  bool blocked;  /* the reader waits until the filter's own output has left */
  bool expected; /* the reader waits for the end of the handshake */
  bool ending;   /* nothing will be written any more ... */
  bool finished; /* ... and the filter knows it */
} filtered;

enum { DISCARDED_MAX = 65536 }; /* bytes that nobody will read, at the end */

static const kio_carrier carrier;

static filtered *filtered_of(const kio_stream *stream) {
  kio_assert(stream->carrier == &carrier && stream->wire != &stream->in);
  return KIO_CONTAINER(stream->wire, filtered, wire);
}

static bool is_ready(const filtered *f) {
  return !f->filter.kind->ready || f->filter.kind->ready(f->filter.self);
}

static bool has_output(const filtered *f) {
  return !f->mute && f->filter.kind->has_output && f->filter.kind->has_output(f->filter.self);
}

/* ---- input ---- */

/* One step: false when it has come to nothing for now. *size: bytes it was given and did not
   take. */
static bool decode_step(kio_stream *stream, filtered *f, const char *from, size_t size) {
  kio_input *in = &stream->in;
  size_t taken = size, room = in->buffer.size - in->end, got = room;
  kio_assert(!f->failed && !in->ended && room > 0);
  kio_filter_result result =
      f->filter.kind->decode(f->filter.self, from, &taken, in->buffer.data + in->end, &got);
  kio_assert(taken <= size && got <= room);
  in->end += got;
  kio_input_consume(&f->wire, &stream->sched->buffers, taken);
  if (result == KIO_FILTER_ENDED) in->ended = true;
  if (result == KIO_FILTER_FAILED) f->failed = true;
  return result == KIO_FILTER_OK && (taken > 0 || got > 0);
}

/* Decodes until there is nothing more to take, or a buffer is full: what is left waits for the next
   receive. */
static void decode(kio_stream *stream, filtered *f) {
  kio_input *in = &stream->in;
  bool goes_on = true;
  while (goes_on && !f->failed && !in->ended) {
    int err = kio_input_make_room(in, &stream->sched->buffers);
    if (err) {
      in->error = err;
      break;
    }
    size_t size = kio_input_unread(&f->wire);
    goes_on = decode_step(stream, f, size > 0 ? f->wire.buffer.data + f->wire.at : "", size);
    if (in->end == in->buffer.size) break;
    if (goes_on || !f->wire.ended || in->ended || f->failed) continue;
    bool more = decode_step(stream, f, NULL, 0);
    if (!more && !in->ended && !f->failed) f->failed = f->stuck = true;
  }
  if (kio_input_unread(in) == 0) kio_input_consume(in, &stream->sched->buffers, 0);
}

/* Nothing can be sent any more: what the filter has to say is lost, and it goes on decoding. */
static void drop_output(filtered *f) {
  char lost[1024];
  size_t taken = 0, got = sizeof lost;
  while (has_output(f) && got > 0) {
    got = sizeof lost;
    if (f->filter.kind->encode(f->filter.self, "", &taken, lost, &got) == KIO_FILTER_FAILED) break;
  }
}

/* It takes nothing of what has come, however much that is, and says nothing either. */
static bool is_glutted(const kio_stream *stream, const filtered *f) {
  bool waits = !f->failed && !stream->in.ended && !has_output(f);
  return waits && kio_input_unread(&f->wire) >= KIO_FILTER_UNTAKEN_MAX;
}

/* Decodes what is there. True when that is something for the reader; a failure comes after what was
   decoded before it. */
static bool decode_for_reader(kio_stream *stream, filtered *f) {
  kio_input *in = &stream->in;
  size_t before = kio_input_unread(in), left;
  do {
    left = kio_input_unread(&f->wire);
    if (stream->out.error) drop_output(f);
    decode(stream, f);
  } while (stream->out.error && kio_input_unread(in) == before &&
           kio_input_unread(&f->wire) < left && has_output(f));
  bool more = kio_input_unread(in) > before;
  if (!more && is_glutted(stream, f)) f->failed = f->stuck = true;
  if (f->failed && !more) in->error = -EPROTO;
  if (has_output(f) || stream->out.size > 0) kio_stream_owe(stream);
  return more || in->ended || in->error;
}

/* Whether the reader that waits for the handshake is to be woken at its end: once. */
static bool tells_ready(filtered *f) {
  bool woken = f->expected && is_ready(f);
  if (woken) f->expected = false;
  return woken;
}

/* A peer that makes the filter answer and does not take the answers is not listened to. */
static bool is_blocked(const kio_stream *stream, const filtered *f) {
  bool left = kio_input_unread(&f->wire) > 0 || kio_filter_keeps(&f->filter);
  return left && has_output(f) && !stream->out.error;
}

static int aim(kio_stream *stream) {
  filtered *f = filtered_of(stream);
  f->has = decode_for_reader(stream, f) || tells_ready(f);
  f->blocked = !f->has && is_blocked(stream, f);
  return f->has || f->blocked ? KIO_CARRIER_HAS : f->inner->aim(stream);
}

/* Goes on receiving until there is something to tell. A reader that has been abandoned meanwhile is
   told that. */
static void arrived(kio_stream *stream) {
  filtered *f = filtered_of(stream);
  kio_input *in = &stream->in;
  int err = f->wire.error;
  f->wire.error = 0;
  if (decode_for_reader(stream, f) || tells_ready(f) || is_blocked(stream, f)) {
    kio_stream_arrived(stream); /* who finds nothing waits anew, by `aim` */
    return;
  }
  if (!err && stream->reader && stream->reader->wake != KIO_WAKE_DONE) err = -ECANCELED;
  if (!err) err = f->inner->aim(stream);
  in->error = err;
  if (err) kio_stream_arrived(stream);
  else kio_stream_begin_receive(stream);
}

/* ---- output ---- */

/* So much of what was written has been encoded. */
static void consume(kio_stream *stream, size_t size) {
  kio_sched *sched = stream->sched;
  if (stream->out.pinned) kio_pin_consume(sched->L, &stream->out, size);
  else kio_output_consume(&stream->out, &sched->buffers, size);
}

/* Encodes what was written, and then what the filter has to say by itself, into the buffer: how
   many bytes. */
static size_t encode(kio_stream *stream, filtered *f, kio_buffer buffer) {
  kio_output *out = &stream->out;
  size_t written = 0, taken, got;
  kio_assert(!stream->sending);
  do {
    taken = out->size;
    got = buffer.size - written;
    if (taken == 0 && f->ending && !f->finished) {
      f->finished = true;
      f->filter.kind->finish(f->filter.self);
    }
    if (got == 0 || (taken == 0 && !has_output(f))) break;
    const char *from = out->pinned ? out->pinned : out->buffer.data;
    kio_filter_result result =
        f->filter.kind->encode(f->filter.self, from, &taken, buffer.data + written, &got);
    kio_assert(taken <= out->size && got <= buffer.size - written);
    consume(stream, taken);
    written += got;
    if (result == KIO_FILTER_FAILED) f->mute = true;
  } while (!f->mute && (taken > 0 || got > 0));
  return written;
}

/* How much the filter may make of what was written at once. */
static size_t room_for(size_t size) {
  size_t room = size + size / 2;
  return room < KIO_BUFFER_MIN ? KIO_BUFFER_MIN : kio_min_size(room, KIO_BUFFER_MAX);
}

/* Who waits for a handshake would wait for ever: the peer answers nothing that has not left. */
static void out_of_memory(kio_stream *stream, const filtered *f) {
  kio_stream_output_failed(stream, ENOMEM);
  if (f->expected && stream->receiving) kio_ring_cancel(&stream->sched->ring, stream->rx, true);
}

/* Sends a bufferful. */
static void send_more(kio_stream *stream, filtered *f) {
  if (f->finished && stream->out.size > 0) {
    kio_stream_output_failed(stream, EPIPE);
    return;
  }
  kio_buffer buffer = kio_buffer_take(&stream->sched->buffers, room_for(stream->out.size));
  if (!buffer.data) {
    out_of_memory(stream, f);
    return;
  }
  size_t size = f->mute ? 0 : encode(stream, f, buffer);
  kio_stream_owe_no_more(stream, has_output(f) || (f->ending && !f->finished));
  if (size > 0) {
    kio_stream_begin_send(stream, buffer, size);
    return;
  }
  kio_buffer_give(&stream->sched->buffers, buffer);
  if (has_output(f)) f->mute = f->stuck = true;
  if (f->mute) kio_stream_output_failed(stream, EPROTO);
}

/* Whether the reader that waits is to look again: once. */
static bool tells_reader(const kio_stream *stream, filtered *f) {
  bool told = f->has || (f->blocked && !is_blocked(stream, f));
  if (told) f->has = f->blocked = false;
  return told;
}

static void flush(kio_stream *stream) {
  filtered *f = filtered_of(stream);
  if (!stream->sending && (stream->out.size > 0 || stream->owes)) send_more(stream, f);
  if (tells_reader(stream, f) && stream->reader) kio_stream_wake_reader(stream);
}

static void end_output(kio_stream *stream) {
  filtered *f = filtered_of(stream);
  if (f->ending || f->mute || !f->filter.kind->finish) return;
  f->ending = true;
  kio_stream_owe(stream);
}

/* ---- the rest ---- */

static int attach(kio_stream *stream, kio_sched *sched) {
  filtered *f = filtered_of(stream);
  int err = f->inner->attach(stream, sched);
  if (!err && f->wire.buffer.data) sched->buffers.taken++;
  return err;
}

static void leave(kio_stream *stream) {
  if (stream->wire->buffer.data) stream->sched->buffers.taken--;
}

static int shut(kio_stream *stream, int how) {
  return filtered_of(stream)->inner->shut(stream, how);
}

static const kio_carrier *under(const kio_stream *stream) {
  return filtered_of(stream)->inner;
}

static const char *over(const kio_stream *stream, int place) {
  const kio_filter *filter = kio_filter_at(&filtered_of(stream)->filter, place);
  return filter ? filter->kind->name : NULL;
}

static const char *may_move(const kio_stream *stream) {
  const filtered *f = filtered_of(stream);
  return f->filter.kind->may_move ? f->filter.kind->may_move(f->filter.self) : NULL;
}

static const char *why(const kio_stream *stream, int err) {
  const filtered *f = filtered_of(stream);
  if (err != EPROTO || !(f->failed || f->mute)) return NULL;
  return f->stuck ? "the filter made no progress" : f->filter.kind->why(f->filter.self);
}

static const char *code(const kio_stream *stream, int err) {
  const filtered *f = filtered_of(stream);
  if (f->stuck || !f->filter.kind->code || !why(stream, err)) return NULL;
  return f->filter.kind->code(f->filter.self);
}

/* A descriptor that is closed while bytes wait in it resets the connection, and what the peer has
   not read yet is lost with it: among them often some that only the filter would have read. */
static void discard_rest(kio_stream *stream) {
  char rest[4096];
  kio_stream_look(stream);
  bool may = stream->sched && kio_ring_alive(&stream->sched->ring) && stream->fd >= 0;
  for (int i = 0; may && i < DISCARDED_MAX / (int)sizeof rest; i++) {
    if (recv(stream->fd, rest, sizeof rest, MSG_DONTWAIT) <= 0) break;
  }
}

static void fini(kio_stream *stream, kio_buffers *buffers) {
  filtered *f = filtered_of(stream);
  if (f->finished && !f->mute && !stream->out.error) discard_rest(stream);
  kio_input_drop(&f->wire, buffers);
  kio_assert(f->filter.self);
  f->filter.kind->free(f->filter.self);
  kio_stream_set_carrier(stream, f->inner, &stream->in);
  kio_memory_free(f);
}

#ifdef KIO_TEST
/* Who is to be told of something will be, with the next flush. */
static void verify(const kio_stream *stream) {
  const filtered *f = filtered_of(stream);
  kio_assert(f->inner && f->inner != &carrier && f->filter.kind && f->filter.self);
  kio_assert(f->failed || f->mute || !f->stuck);
  kio_assert(f->ending || !f->finished);
  kio_assert(!f->has || kio_link_linked(&stream->member.dirty_link));
  bool stirs = stream->sending || kio_link_linked(&stream->member.dirty_link);
  kio_assert(!stream->owes || stirs || stream->out.size > 0); /* else the peer has to shake hands */
}
#endif

static const kio_carrier carrier = {
    .name = "filter",
    .direct = false,
    .pins = true,
    .attach = attach,
    .leave = leave,
    .aim = aim,
    .arrived = arrived,
    .flush = flush,
    .end_output = end_output,
    .shut = shut,
    .under = under,
    .over = over,
    .may_move = may_move,
    .why = why,
    .code = code,
    .fini = fini,
    .verify = kio_test_only(verify),
};

void kio_filter_stir(kio_stream *stream) {
  if (stream->carrier == &carrier && has_output(filtered_of(stream))) kio_stream_owe(stream);
}

/* What the others have decoded and nobody has read is its first input. */
static int put_over(kio_stream *stream, filtered *f, kio_filter filter) {
  kio_input *in = &stream->in;
  size_t unread = kio_input_unread(in);
  if (f->failed || f->mute) return -EPROTO;
  if (f->ending) return -EPIPE;
  if (!kio_filter_over(&f->filter, filter, kio_stream_bytes(stream), unread, in->ended)) {
    return -ENOMEM;
  }
  kio_input_drop(in, stream->sched ? &stream->sched->buffers : NULL);
  *in = (kio_input){0};
  kio_filter_stir(stream);
  return 0;
}

int kio_filter_put(kio_stream *stream, kio_filter filter) {
  kio_assert(filter.self && kio_filter_ready(stream) && !kio_filter_full(stream));
  if (stream->carrier == &carrier) return put_over(stream, filtered_of(stream), filter);
  filtered *f = kio_memory_new(sizeof *f);
  if (!f) return -ENOMEM;
  f->inner = stream->carrier;
  f->filter = filter;
  f->wire = stream->in;
  kio_stream_set_carrier(stream, &carrier, &f->wire);
  kio_filter_stir(stream);
  return 0;
}

const kio_filter *kio_filter_of(const kio_stream *stream) {
  return stream->carrier == &carrier ? kio_filter_at(&filtered_of(stream)->filter, 0) : NULL;
}

bool kio_filter_full(const kio_stream *stream) {
  return stream->carrier == &carrier &&
         kio_filter_at(&filtered_of(stream)->filter, KIO_FILTERS_MAX - 1);
}

bool kio_filter_ready(const kio_stream *stream) {
  return stream->carrier != &carrier || is_ready(filtered_of(stream));
}

void kio_filter_expect(kio_stream *stream) {
  if (stream->carrier == &carrier) filtered_of(stream)->expected = true;
}
