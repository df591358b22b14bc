/* WebSocket frames and UTF-8, cut anywhere: what comes of bytes does not depend on how they come.
   UTF-8 against a decoder by the book; SHA-1 against the examples of its standard. */
#include <string.h>

#include "base/memory.h"
#include "check.h"
#include "http/frame.h"
#include "http/mask.h"
#include "http/sha1.h"

/* ---- UTF-8 ---- */

/* The character at the front, by its value; its size, 0: there is none. */
static size_t decode(const uint8_t *b, size_t size) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t width = b[0] < 0x80       ? 1
                 : b[0] >> 5 == 6  ? 2
                 : b[0] >> 4 == 14 ? 3
                 : b[0] >> 3 == 30 ? 4
                                   : 0;
  if (width == 0 || width > size) return 0;
  uint32_t value = width == 1 ? b[0] : b[0] & (0x7Fu >> width);
  for (size_t i = 1; i < width; i++) {
    if (b[i] >> 6 != 2) return 0;
    value = value << 6 | (b[i] & 0x3Fu);
  }
  bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  return value < least[width] || value > 0x10FFFF || surrogate ? 0 : width;
}

static bool is_text(const uint8_t *bytes, size_t size) {
  for (size_t at = 0, width; at < size; at += width) {
    width = decode(bytes + at, size - at);
    if (width == 0) return false;
  }
  return true;
}

static void check_text(const uint8_t *bytes, size_t size) {
  const char *data = (const char *)bytes;
  bool expected = is_text(bytes, size);
  CHECK(kio_http_utf8_check(data, size) == expected);
  for (size_t cut = 1; cut < size; cut++) {
    kio_http_utf8 text = {0};
    bool fine = kio_http_utf8_feed(&text, data, cut) &&
                kio_http_utf8_feed(&text, data + cut, size - cut) && kio_http_utf8_whole(&text);
    CHECK(fine == expected);
  }
}

/* Every byte at which something changes, in each of four places. */
static void check_characters(void) {
  static const uint8_t edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0,
                                  0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
                                  0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFE, 0xFF};
  enum { EDGES = sizeof edges };
  for (size_t i = 0; i < EDGES * EDGES * EDGES * EDGES; i++) {
    uint8_t bytes[4] = {edges[i % EDGES], edges[i / EDGES % EDGES],
                        edges[i / EDGES / EDGES % EDGES], edges[i / EDGES / EDGES / EDGES]};
    check_text(bytes, sizeof bytes);
  }
}

/* Words of eight bytes of ASCII are passed over: what lies around them is not. */
static void check_long_texts(void) {
  uint8_t bytes[40];
  for (size_t at = 0; at + 3 <= sizeof bytes; at++) {
    memset(bytes, 'a', sizeof bytes);
    memcpy(bytes + at, "\xE2\x82\xAC", 3);
    check_text(bytes, sizeof bytes);
    bytes[at + 2] = 'a';
    check_text(bytes, sizeof bytes);
  }
}

/* ---- frames ---- */

enum { STREAM_MAX = 4096, EVENTS_MAX = 256 };

typedef struct event {
  unsigned kind, size, sum;
} event;

typedef struct events {
  event list[EVENTS_MAX];
  size_t count;
  unsigned status;
} events;

static kio_ws_frames frames_of(size_t message_max, bool masked) {
  return (kio_ws_frames){.resize = kio_memory_resize,
                         .release = kio_memory_free,
                         .message_max = message_max,
                         .fragments_max = 8,
                         .masked = masked};
}

static void note(events *e, kio_ws_frames *f) {
  size_t size;
  const char *payload = kio_ws_payload(f, &size);
  unsigned sum = 0;
  for (size_t i = 0; i < size; i++) sum = sum * 31 + (uint8_t)payload[i];
  CHECK(e->count < EVENTS_MAX);
  e->list[e->count++] = (event){f->ready, (unsigned)size, sum};
  kio_ws_drop(f);
}

/* What the bytes come to when they come in pieces of at most `step` bytes. */
static events run(const char *bytes, size_t size, size_t step, bool masked) {
  events e = {.count = 0};
  kio_ws_frames f = frames_of(2000, masked);
  for (size_t at = 0; at < size && !f.status;) {
    size_t shown = size - at < step ? size - at : step;
    size_t taken = kio_ws_feed(&f, bytes + at, shown);
    CHECK(taken <= shown && f.size <= f.room && f.room <= f.message_max);
    CHECK(taken > 0 || f.ready || f.status);
    at += taken;
    if (f.ready && !f.status) note(&e, &f);
  }
  e.status = f.status;
  CHECK(kio_ws_feed(&f, bytes, 0) == 0);
  kio_ws_fini(&f);
  return e;
}

static bool same(const events *a, const events *b) {
  return a->count == b->count && a->status == b->status &&
         memcmp(a->list, b->list, a->count * sizeof a->list[0]) == 0;
}

/* Adds a frame, most often one that may be there; its size. */
static size_t put_frame(char *to, bool masked, bool *open) {
  uint8_t head[KIO_WS_HEAD_MAX], mask[4];
  char payload[700];
  bool control = check_below(4) == 0;
  size_t size = control               ? check_below(126)
                : check_below(5) == 0 ? check_below(700)
                                      : check_below(9);
  kio_ws_opcode opcode = control ? KIO_WS_PING
                         : *open ? KIO_WS_CONTINUATION
                                 : (kio_ws_opcode)(1 + check_below(2));
  for (size_t i = 0; i < sizeof mask; i++) mask[i] = (uint8_t)check_random();
  for (size_t i = 0; i < size; i++) payload[i] = (char)('a' + check_below(26));
  size_t head_size = kio_ws_head(head, opcode, false, size, masked ? mask : NULL);
  if (!control) {
    *open = check_below(2) == 0;
    if (*open) head[0] &= 0x7F;
  }
  memcpy(to, head, head_size);
  if (masked) kio_ws_mask(to + head_size, payload, size, mask, 0);
  else memcpy(to + head_size, payload, size);
  return head_size + size;
}

static void check_stream(void) {
  char bytes[STREAM_MAX];
  size_t size = 0, count = 0;
  bool masked = check_below(2) == 0, open = false;
  while (size < STREAM_MAX - 800 && count++ < 30) size += put_frame(bytes + size, masked, &open);
  if (check_below(3) == 0) bytes[check_below(size)] ^= (char)(1 << check_below(8));
  events whole = run(bytes, size, size, masked);
  for (size_t step = 1; step < 20; step++) {
    events parts = run(bytes, size, step, masked);
    CHECK(same(&whole, &parts));
  }
}

/* A head that promises much, and of which nothing comes, takes no memory. */
static void check_promise(void) {
  kio_ws_frames f = frames_of((size_t)1 << 40, false);
  CHECK(kio_ws_feed(&f, "\x82\x7F\0\0\0\x10\0\0\0\0abc", 13) == 13);
  CHECK(f.status == 0 && f.size == 3 && f.room == 3);
  kio_ws_fini(&f);
}

/* The n-th allocation fails: the connection does, and nothing of it is left. */
static void check_memory(void) {
  char bytes[STREAM_MAX];
  bool open = true;
  size_t size = (size_t)snprintf(bytes, sizeof bytes,
                                 "\x02\x03"
                                 "abc");
  while (size < STREAM_MAX - 800) size += put_frame(bytes + size, false, &open);
  for (long n = 1;; n++) {
    kio_memory_fail_at(n);
    events e = run(bytes, size, 7, false);
    bool failed = kio_memory_failures() > 0;
    kio_memory_fail_at(0);
    CHECK(kio_memory_live() == 0);
    CHECK(!failed || e.status == KIO_WS_NO_MEMORY);
    if (failed) continue;
    CHECK(n > 1);
    return;
  }
}

static void check_masks(void) {
  static const uint8_t mask[4] = {1, 2, 4, 8};
  char from[64], whole[64], parts[64];
  for (size_t i = 0; i < sizeof from; i++) from[i] = (char)check_random();
  kio_ws_mask(whole, from, sizeof from, mask, 0);
  for (size_t cut = 0; cut <= sizeof from; cut++) {
    kio_ws_mask(parts, from, cut, mask, 0);
    kio_ws_mask(parts + cut, from + cut, sizeof from - cut, mask, cut);
    CHECK(memcmp(whole, parts, sizeof whole) == 0);
  }
  for (size_t i = 0; i < sizeof from; i++) CHECK(whole[i] == (char)(from[i] ^ mask[i & 3]));
}

/* ---- SHA-1 ---- */

static void check_digest(const char *text, size_t size, const char *expected) {
  uint8_t digest[KIO_HTTP_SHA1_SIZE];
  char hex[2 * KIO_HTTP_SHA1_SIZE + 1];
  kio_http_sha1(text, size, digest);
  for (size_t i = 0; i < sizeof digest; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
  CHECK(strcmp(hex, expected) == 0);
}

static void check_digests(void) {
  static char many[1000000];
  memset(many, 'a', sizeof many);
  check_digest("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  check_digest("abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
  check_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
               "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  check_digest(many, sizeof many, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

int main(void) {
  check_characters();
  check_long_texts();
  check_masks();
  check_promise();
  check_memory();
  check_digests();
  for (int i = 0; i < 2000; i++) check_stream();
  return 0;
}
