/* WebSocket frames: what comes of bytes does not depend on how they are cut; what is delivered as
   text is UTF-8; limits hold. The first byte of an input says how the connection is, and in what
   pieces the others come. */
#include <string.h>

#include "base/memory.h"
#include "http/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGE_MAX = 512, FRAGMENTS_MAX = 6 };

/* What the bytes have come to, as numbers to be compared. */
typedef struct trace {
  uint64_t sum;
  size_t count, at; /* events; bytes taken */
  unsigned status;
} trace;

static void add(trace *t, uint64_t value) {
  t->sum = (t->sum ^ value) * 1099511628211u;
}

static void note(trace *t, kio_ws_frames *f) {
  size_t size;
  const char *payload = kio_ws_payload(f, &size);
  kio_assert(size <= MESSAGE_MAX);
  bool control = f->ready >= KIO_WS_CLOSE;
  kio_assert(!control || size <= KIO_WS_CONTROL_MAX);
  if (f->ready == KIO_WS_TEXT && !f->compressed) kio_assert(kio_http_utf8_check(payload, size));
  add(t, f->ready);
  for (size_t i = 0; i < size; i++) add(t, (uint8_t)payload[i]);
  t->count++;
  kio_ws_drop(f);
}

static trace run(const char *bytes, size_t size, size_t step, unsigned how) {
  trace t = {.sum = 14695981039346656037u};
  kio_ws_frames f = {.resize = kio_memory_resize, .release = kio_memory_free};
  f.message_max = MESSAGE_MAX;
  f.fragments_max = FRAGMENTS_MAX;
  f.masked = how & 1;
  f.may_compress = how & 2;
  while (t.at < size && !f.status) {
    size_t shown = kio_min_size(step, size - t.at);
    size_t taken = kio_ws_feed(&f, bytes + t.at, shown);
    kio_assert(taken > 0 && taken <= shown);
    kio_assert(f.size <= f.room && f.room <= MESSAGE_MAX && f.fragments <= FRAGMENTS_MAX + 1);
    t.at += taken;
    if (f.ready && !f.status) note(&t, &f);
  }
  t.status = f.status;
  kio_ws_fini(&f);
  return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  const char *bytes = (const char *)data + 1;
  trace whole = run(bytes, size - 1, size - 1, data[0]);
  trace parts = run(bytes, size - 1, 1 + (data[0] >> 2), data[0]);
  trace single = run(bytes, size - 1, 1, data[0]);
  kio_assert(whole.sum == parts.sum && whole.count == parts.count && whole.status == parts.status);
  kio_assert(whole.sum == single.sum && whole.count == single.count &&
             whole.status == single.status);
  return 0;
}
