/* One filter over another, as one: what the lower one decodes is the upper one's input, and what
   the upper one encodes is the lower one's. Owns both, and the bytes between them. Invariants:
   bytes wait between them only while the next one does not take them, or has no room; what is
   empty has no memory. Called by whoever has the stream. */
#include "net/filter_over.h"

#include <string.h>

#include "base/memory.h"

enum { STEP = 16384 + 512 }; /* bytes of room between them at first: a record of TLS */

typedef struct bytes {
  char *data;
  size_t at;   /* the first that waits */
  size_t end;  /* behind the last */
  size_t room; /* at data */
} bytes;

typedef struct over {
  kio_filter upper;
  kio_filter lower;
  bytes up;                 /* decoded by `lower` */
  bytes down;               /* encoded by `upper` */
  const kio_filter *guilty; /* whose failure is told; NULL: see `why` */
  const char *why;          /* what has failed here; NULL: nothing */
  bool ended;               /* `lower` has decoded all that comes ... */
  bool cut;                 /* ... or has failed */
  bool mute;                /* `upper` encodes no more */
  bool ending;              /* nothing will be written any more ... */
  bool finished;            /* ... and `lower` knows it */
} over;

static const kio_filter_kind kind;

static bool has_own_output(const kio_filter *filter) {
  return filter->kind->has_output && filter->kind->has_output(filter->self);
}

static void finish_one(const kio_filter *filter) {
  if (filter->kind->finish) filter->kind->finish(filter->self);
}

/* ---- failures ---- */

/* The first one is told. */
static kio_filter_result fail_by(over *o, const kio_filter *guilty) {
  if (!o->guilty && !o->why) o->guilty = guilty;
  return KIO_FILTER_FAILED;
}

static kio_filter_result fail(over *o, const char *why) {
  if (!o->guilty && !o->why) o->why = why;
  return KIO_FILTER_FAILED;
}

/* ---- bytes between them ---- */

static const char no_memory[] = "not enough memory";
static const char no_progress[] = "the filter made no progress";

static size_t waiting(const bytes *b) {
  return b->end - b->at;
}

/* Room at the end. False when memory is out. */
static bool make_room(bytes *b, size_t size) {
  if (b->room - b->end >= size) return true;
  if (b->at > 0) memmove(b->data, b->data + b->at, waiting(b));
  b->end = waiting(b);
  b->at = 0;
  if (b->room - b->end >= size) return true;
  size_t larger = b->room + (b->room > size ? b->room : size);
  char *data = kio_memory_resize(b->data, larger);
  if (!data) return false;
  b->data = data;
  b->room = larger;
  return true;
}

static void take(bytes *b, size_t size) {
  kio_assert(size <= waiting(b));
  b->at += size;
}

static void settle(bytes *b) {
  if (!b->data || waiting(b) > 0) return;
  kio_memory_free(b->data);
  *b = (bytes){0};
}

static const char *start_of(const bytes *b) {
  return waiting(b) > 0 ? b->data + b->at : "";
}

/* ---- decoding ---- */

/* `upper` leaves what has come for it until its output has left. */
static bool is_refused(const over *o) {
  return waiting(&o->up) > 0 && has_own_output(&o->upper);
}

/* A step of `lower`. False: it has come to nothing. */
static bool decode_lower(over *o, const char *in, size_t given, size_t *taken) {
  if (o->ended || o->cut || is_refused(o)) return false;
  bool glutted = waiting(&o->up) >= KIO_FILTER_UNTAKEN_MAX;
  if (glutted || !make_room(&o->up, waiting(&o->up) > 0 ? 1 : STEP)) {
    o->cut = true;
    fail(o, glutted ? no_progress : no_memory);
    return true;
  }
  size_t size = given - *taken, got = o->up.room - o->up.end;
  kio_filter_result result = o->lower.kind->decode(o->lower.self, in ? in + *taken : NULL, &size,
                                                   o->up.data + o->up.end, &got);
  o->up.end += got;
  *taken += size;
  o->ended = result == KIO_FILTER_ENDED;
  o->cut = result == KIO_FILTER_FAILED;
  if (o->cut) fail_by(o, &o->lower);
  return result != KIO_FILTER_OK || size > 0 || got > 0;
}

/* A step of `upper`, with what waits or, at the `end`, with nothing. *got grows. */
static kio_filter_result decode_upper(over *o, bool end, char *out, size_t room, size_t *got) {
  size_t size = end ? 0 : waiting(&o->up), more = room - *got;
  const char *in = end ? NULL : start_of(&o->up);
  kio_filter_result result = o->upper.kind->decode(o->upper.self, in, &size, out + *got, &more);
  take(&o->up, size);
  *got += more;
  return result == KIO_FILTER_FAILED ? fail_by(o, &o->upper) : result;
}

/* Nothing follows, and `upper` has made of the rest what it can. */
static kio_filter_result decode_end(over *o, char *out, size_t room, size_t *got) {
  size_t before = *got;
  if (is_refused(o)) return KIO_FILTER_OK;
  if (o->cut) return KIO_FILTER_FAILED;
  kio_filter_result result = decode_upper(o, true, out, room, got);
  bool stuck = result == KIO_FILTER_OK && *got == before;
  return stuck ? fail(o, no_progress) : result;
}

static kio_filter_result decode(void *self, const char *in, size_t *in_size, char *out,
                                size_t *out_size) {
  over *o = self;
  size_t given = *in_size, room = *out_size, taken = 0, got = 0;
  kio_filter_result result = KIO_FILTER_OK;
  bool goes_on = true;
  while (goes_on && result == KIO_FILTER_OK && got < room) {
    size_t waited = waiting(&o->up), before = got;
    result = decode_upper(o, false, out, room, &got);
    goes_on = waiting(&o->up) < waited || got > before;
    if (result != KIO_FILTER_OK || got == room) break;
    goes_on = decode_lower(o, in, given, &taken) || goes_on;
    if (goes_on || !(o->ended || o->cut)) continue;
    result = decode_end(o, out, room, &got);
    goes_on = got > before;
  }
  settle(&o->up);
  *in_size = taken;
  *out_size = got;
  return result;
}

/* ---- encoding ---- */

/* A step of `lower`, with what waits for it and what it has to say by itself. *got grows. */
static kio_filter_result encode_lower(over *o, char *out, size_t room, size_t *got) {
  size_t size = waiting(&o->down), more = room - *got;
  if (more == 0 || (size == 0 && !has_own_output(&o->lower))) return KIO_FILTER_OK;
  kio_filter_result result =
      o->lower.kind->encode(o->lower.self, start_of(&o->down), &size, out + *got, &more);
  take(&o->down, size);
  *got += more;
  return result == KIO_FILTER_FAILED ? fail_by(o, &o->lower) : result;
}

/* A step of `upper`, when all has left that it has made before. False: it has come to nothing. */
static bool encode_upper(over *o, const char *in, size_t given, size_t *taken) {
  size_t size = given - *taken;
  if (waiting(&o->down) > 0 || o->mute) return false;
  if (size == 0 && !has_own_output(&o->upper)) {
    bool ends = o->ending && !o->finished;
    if (ends) finish_one(&o->lower);
    o->finished = o->finished || ends;
    return ends;
  }
  if (!make_room(&o->down, STEP)) {
    o->mute = true;
    fail(o, no_memory);
    return true;
  }
  size_t got = o->down.room - o->down.end;
  kio_filter_result result =
      o->upper.kind->encode(o->upper.self, in + *taken, &size, o->down.data + o->down.end, &got);
  o->down.end += got;
  *taken += size;
  o->mute = result == KIO_FILTER_FAILED;
  if (o->mute) fail_by(o, &o->upper);
  return o->mute || size > 0 || got > 0;
}

static kio_filter_result encode(void *self, const char *in, size_t *in_size, char *out,
                                size_t *out_size) {
  over *o = self;
  size_t given = *in_size, room = *out_size, taken = 0, got = 0;
  kio_filter_result result = KIO_FILTER_OK;
  bool goes_on = true;
  while (goes_on && result == KIO_FILTER_OK && got < room) {
    size_t before = got;
    result = encode_lower(o, out, room, &got);
    goes_on = got > before;
    if (result == KIO_FILTER_OK) goes_on = encode_upper(o, in, given, &taken) || goes_on;
  }
  if (o->mute && waiting(&o->down) == 0) result = KIO_FILTER_FAILED;
  settle(&o->down);
  *in_size = taken;
  *out_size = got;
  return result;
}

/* ---- the rest ---- */

static bool is_ready(const void *self) {
  const over *o = self;
  return !o->upper.kind->ready || o->upper.kind->ready(o->upper.self);
}

static bool has_output(const void *self) {
  const over *o = self;
  bool more = !o->mute && (has_own_output(&o->upper) || (o->ending && !o->finished));
  return more || waiting(&o->down) > 0 || has_own_output(&o->lower);
}

static void finish(void *self) {
  over *o = self;
  finish_one(&o->upper);
  o->ending = true;
}

static const char *why(const void *self) {
  const over *o = self;
  return o->guilty ? o->guilty->kind->why(o->guilty->self) : o->why;
}

static const char *code(const void *self) {
  const over *o = self;
  if (!o->guilty) return o->why == no_memory ? "ENOMEM" : NULL;
  return o->guilty->kind->code ? o->guilty->kind->code(o->guilty->self) : NULL;
}

static const char *stays(const kio_filter *filter) {
  return filter->kind->may_move ? filter->kind->may_move(filter->self) : NULL;
}

static const char *may_move(const void *self) {
  const over *o = self;
  const char *reason = stays(&o->upper);
  return reason ? reason : stays(&o->lower);
}

static void free_both(void *self) {
  over *o = self;
  o->upper.kind->free(o->upper.self);
  o->lower.kind->free(o->lower.self);
  kio_memory_free(o->up.data);
  kio_memory_free(o->down.data);
  kio_memory_free(o);
}

static const kio_filter_kind kind = {
    .abi = KIO_FILTER_ABI,
    .name = "filters",
    .decode = decode,
    .encode = encode,
    .ready = is_ready,
    .has_output = has_output,
    .finish = finish,
    .why = why,
    .code = code,
    .may_move = may_move,
    .free = free_both,
};

bool kio_filter_over(kio_filter *filter, kio_filter upper, const char *first, size_t size,
                     bool ended) {
  over *o = kio_memory_new(sizeof *o);
  if (o && size > 0 && !make_room(&o->up, size)) {
    kio_memory_free(o);
    o = NULL;
  }
  if (!o) return false;
  if (size > 0) memcpy(o->up.data, first, size);
  o->up.end = size;
  o->upper = upper;
  o->lower = *filter;
  o->ended = ended;
  *filter = (kio_filter){&kind, o};
  return true;
}

const kio_filter *kio_filter_at(const kio_filter *filter, int place) {
  while (filter->kind == &kind) {
    const over *o = filter->self;
    if (place-- == 0) return &o->upper;
    filter = &o->lower;
  }
  return place == 0 ? filter : NULL;
}

bool kio_filter_keeps(const kio_filter *filter) {
  for (; filter->kind == &kind; filter = &((const over *)filter->self)->lower) {
    if (waiting(&((const over *)filter->self)->up) > 0) return true;
  }
  return false;
}
