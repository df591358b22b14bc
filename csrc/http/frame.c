/* Owns the memory of the message under way. Invariant: of a message at most message_max bytes in
   fragments_max frames are kept; nothing is kept of data frames that fail. Called by whoever has
   the connection. */
#include "http/frame.h"

#include <string.h>

#include "base/base.h"
#include "http/mask.h"

enum { FINAL = 0x80, RSV1 = 0x40, RSV23 = 0x30, OPCODE = 0x0F, MASKED = 0x80, LENGTH = 0x7F };
enum { LENGTH_16 = 126, LENGTH_64 = 127, MASK_SIZE = 4 };

static void fail(kio_ws_frames *f, kio_ws_close status, const char *why) {
  f->status = (uint16_t)status;
  f->why = why;
}

static void violated(kio_ws_frames *f, const char *why) {
  fail(f, KIO_WS_PROTOCOL, why);
}

static kio_ws_opcode opcode_of(const kio_ws_frames *f) {
  return (kio_ws_opcode)(f->head[0] & OPCODE);
}

static bool is_control(const kio_ws_frames *f) {
  return opcode_of(f) >= KIO_WS_CLOSE;
}

/* ---- heads ---- */

/* What the first byte says, against the message under way. */
static void check_kind(kio_ws_frames *f) {
  kio_ws_opcode opcode = opcode_of(f);
  bool data = opcode == KIO_WS_TEXT || opcode == KIO_WS_BINARY;
  bool known =
      data || opcode == KIO_WS_CONTINUATION || (opcode >= KIO_WS_CLOSE && opcode <= KIO_WS_PONG);
  if (f->head[0] & RSV23) violated(f, "a reserved bit is set");
  else if (f->head[0] & RSV1 && !(f->may_compress && data)) violated(f, "a reserved bit is set");
  else if (!known) violated(f, "an unknown opcode");
  else if (data && f->kind) violated(f, "a message begins within another one");
  else if (opcode == KIO_WS_CONTINUATION && !f->kind) violated(f, "a continuation of no message");
}

/* Both first bytes have come. */
static void check_start(kio_ws_frames *f) {
  check_kind(f);
  if (f->status) return;
  if (is_control(f) && !(f->head[0] & FINAL)) violated(f, "a control frame in fragments");
  else if (is_control(f) && (f->head[1] & LENGTH) > KIO_WS_CONTROL_MAX)
    violated(f, "a control frame of more than 125 bytes");
  else if (f->masked && !(f->head[1] & MASKED)) violated(f, "a client's frame without a mask");
  else if (!f->masked && f->head[1] & MASKED) violated(f, "a server's frame with a mask");
}

static size_t length_size(const kio_ws_frames *f) {
  uint8_t length = f->head[1] & LENGTH;
  return length == LENGTH_64 ? 8 : length == LENGTH_16 ? 2 : 0;
}

/* How large the head is, as far as is known. */
static size_t head_needs(const kio_ws_frames *f) {
  if (f->head_size < 2) return 2;
  return 2 + length_size(f) + (f->masked ? MASK_SIZE : 0);
}

static uint64_t length_of(const kio_ws_frames *f) {
  size_t size = length_size(f);
  uint64_t length = size == 0 ? f->head[1] & LENGTH : 0;
  for (size_t i = 0; i < size; i++) length = length << 8 | f->head[2 + i];
  return length;
}

static const uint8_t *mask_of(const kio_ws_frames *f) {
  return f->head + 2 + length_size(f);
}

/* The first frame of a message, or a further one. */
static void begin_data(kio_ws_frames *f) {
  if (opcode_of(f) != KIO_WS_CONTINUATION) {
    f->kind = (uint8_t)opcode_of(f);
    f->compressed = f->head[0] & RSV1;
    f->text = (kio_http_utf8){0};
    f->fragments = 0;
  }
  f->fragments++;
  if (f->left > f->message_max - f->size) fail(f, KIO_WS_TOO_BIG, "a message is too big");
  else if (f->fragments > f->fragments_max)
    fail(f, KIO_WS_TOO_BIG, "a message has too many fragments");
}

/* The head is complete. */
static void begin_frame(kio_ws_frames *f) {
  uint64_t length = length_of(f);
  size_t size = length_size(f);
  if (size == 2 && length < LENGTH_16) violated(f, "a length is not as short as it can be");
  else if (size == 8 && length <= UINT16_MAX) violated(f, "a length is not as short as it can be");
  else if (length > INT64_MAX) violated(f, "a length has its highest bit set");
  if (f->status) return;
  f->in_payload = true;
  f->at = 0;
  f->left = length;
  if (is_control(f)) f->control_size = 0;
  else begin_data(f);
}

/* Takes what there is of the head; how much. */
static size_t take_head(kio_ws_frames *f, const char *bytes, size_t size) {
  size_t at = 0;
  while (at < size && f->head_size < head_needs(f)) {
    f->head[f->head_size++] = (uint8_t)bytes[at++];
    if (f->head_size == 2) check_start(f);
    if (f->status) return at;
  }
  if (f->head_size >= 2 && f->head_size == head_needs(f)) begin_frame(f);
  return at;
}

/* ---- payloads ---- */

/* Room for `more` bytes that have come, by doubling, and for no more than are promised. */
static bool make_room(kio_ws_frames *f, size_t more) {
  size_t needed = f->size + more, promised = f->size + (size_t)f->left;
  if (needed <= f->room) return true;
  size_t room = kio_min_size(2 * f->room, promised);
  if (room < needed) room = needed;
  char *larger = f->resize(f->data, room);
  if (!larger) return false;
  f->data = larger;
  f->room = room;
  return true;
}

static void unmask(const kio_ws_frames *f, char *to, const char *bytes, size_t size) {
  if (f->masked) kio_ws_mask(to, bytes, size, mask_of(f), f->at);
  else memcpy(to, bytes, size);
}

static void take_data(kio_ws_frames *f, const char *bytes, size_t size) {
  if (!make_room(f, size)) {
    fail(f, KIO_WS_NO_MEMORY, "not enough memory");
    return;
  }
  char *to = f->data + f->size;
  unmask(f, to, bytes, size);
  f->size += size;
  bool is_text = f->kind == KIO_WS_TEXT && !f->compressed;
  if (is_text && !kio_http_utf8_feed(&f->text, to, size))
    fail(f, KIO_WS_NO_TEXT, "a text is not UTF-8");
}

/* Takes what there is of the payload; how much. */
static size_t take_payload(kio_ws_frames *f, const char *bytes, size_t size) {
  if (size > f->left) size = (size_t)f->left;
  if (is_control(f)) {
    unmask(f, f->control + f->control_size, bytes, size);
    f->control_size = (uint8_t)(f->control_size + size);
  } else {
    take_data(f, bytes, size);
  }
  f->at += size;
  f->left -= size;
  return size;
}

/* ---- complete frames ---- */

bool kio_ws_close_is_valid(unsigned code) {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

static void check_close(kio_ws_frames *f) {
  const uint8_t *payload = (const uint8_t *)f->control;
  if (f->control_size == 0) return;
  if (f->control_size == 1) violated(f, "a close frame of one byte");
  else if (!kio_ws_close_is_valid((unsigned)payload[0] << 8 | payload[1]))
    violated(f, "a code that no close frame may have");
  else if (!kio_http_utf8_check(f->control + 2, f->control_size - 2u))
    fail(f, KIO_WS_NO_TEXT, "a reason is not UTF-8");
}

static void end_frame(kio_ws_frames *f) {
  f->in_payload = false;
  f->head_size = 0;
  if (is_control(f)) {
    if (opcode_of(f) == KIO_WS_CLOSE) check_close(f);
    f->ready = (uint8_t)opcode_of(f);
  } else if (f->head[0] & FINAL) {
    if (!kio_http_utf8_whole(&f->text)) fail(f, KIO_WS_NO_TEXT, "a text is not UTF-8");
    f->ready = f->kind;
  }
}

size_t kio_ws_feed(kio_ws_frames *f, const char *bytes, size_t size) {
  size_t at = 0;
  while (at < size && !f->ready && !f->status) {
    if (f->in_payload) at += take_payload(f, bytes + at, size - at);
    else at += take_head(f, bytes + at, size - at);
    if (f->in_payload && f->left == 0 && !f->status) end_frame(f);
  }
  return at;
}

const char *kio_ws_payload(const kio_ws_frames *f, size_t *size) {
  bool control = f->ready >= KIO_WS_CLOSE;
  *size = control ? f->control_size : f->size;
  if (control) return f->control;
  return f->data ? f->data : "";
}

void kio_ws_drop(kio_ws_frames *f) {
  if (f->ready == f->kind) kio_ws_fini(f);
  f->ready = 0;
}

void kio_ws_fini(kio_ws_frames *f) {
  f->release(f->data);
  f->data = NULL;
  f->size = f->room = 0;
  f->kind = 0;
}

/* ---- sending ---- */

size_t kio_ws_head(uint8_t head[KIO_WS_HEAD_MAX], kio_ws_opcode opcode, bool compressed,
                   uint64_t size, const uint8_t *mask) {
  size_t width = size < LENGTH_16 ? 0 : size <= UINT16_MAX ? 2 : 8, at = 2;
  head[0] = (uint8_t)(FINAL | (compressed ? RSV1 : 0) | opcode);
  head[1] = (uint8_t)((mask ? MASKED : 0) | (width == 0 ? size : width == 2 ? 126 : 127));
  for (size_t i = width; i > 0; i--) head[at++] = (uint8_t)(size >> (8 * (i - 1)));
  if (mask) memcpy(head + at, mask, MASK_SIZE);
  return at + (mask ? MASK_SIZE : 0);
}
