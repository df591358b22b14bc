/* WebSocket frames as Lua sees them: read from a stream one by one, written to it, whole or in
   parts. Owns what one connection needs for both. Invariant: of the bytes that `in` has taken the
   stream forgets at once, but for `absorbed` of them while Lua has had no memory for what is
   ready. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "http/face.h"
#include "http/frame.h"
#include "http/mask.h"

#define FRAMES_TYPE "kio.http.Frames"

enum { MASK_SIZE = 4, MASKS = 64, FRAGMENTS_MAX = 1024 };

static const char frames_tag;

typedef struct frames_value {
  const void *tag;
  kio_reader reader;       /* the read under way */
  kio_ws_frames in;        /* what comes */
  size_t absorbed;         /* bytes at the front of the stream that `in` has taken already */
  bool is_client;          /* what leaves is masked */
  uint8_t mask[MASK_SIZE]; /* of the frame that leaves */
  uint8_t masks[MASKS];    /* from the kernel's random source ... */
  uint8_t masks_left;      /* ... so many bytes at their front for the next ones */
} frames_value;

static frames_value *check(lua_State *L, int index) {
  frames_value *v = lua_touserdata(L, index);
  bool ours = v && lua_rawlen(L, index) == sizeof *v && v->tag == &frames_tag;
  if (!ours) luaL_typeerror(L, index, FRAMES_TYPE);
  return v;
}

static void end(void *self) {
  frames_value *v = self;
  kio_ws_fini(&v->in);
}

static const kio_type frames_type = {.name = FRAMES_TYPE, .end = end};

/* frames(is_client, max_message, compresses) -> frames */
static int l_frames(lua_State *L) {
  lua_Integer max = luaL_checkinteger(L, 2);
  luaL_argcheck(L, max >= 0, 2, "cannot be negative");
  frames_value *v = lua_newuserdatauv(L, sizeof *v, 0);
  *v = (frames_value){.tag = &frames_tag, .is_client = lua_toboolean(L, 1)};
  v->in.resize = kio_http_guest(L)->memory_resize;
  v->in.release = kio_http_guest(L)->memory_free;
  v->in.message_max = (size_t)max;
  v->in.fragments_max = FRAGMENTS_MAX;
  v->in.masked = !v->is_client;
  v->in.may_compress = lua_toboolean(L, 3);
  luaL_setmetatable(L, FRAMES_TYPE);
  return 1;
}

/* ---- reading ---- */

static const char *name_of(uint8_t opcode) {
  switch (opcode) {
  case KIO_WS_TEXT: return "text";
  case KIO_WS_BINARY: return "binary";
  case KIO_WS_CLOSE: return "close";
  case KIO_WS_PING: return "ping";
  default: return "pong";
  }
}

/* What is ready becomes Lua's; when that has no memory it stays ready, and is taken next time. */
static void push_ready(lua_State *L, frames_value *v, size_t *taken) {
  size_t size;
  bool compressed = v->in.compressed && v->in.ready == v->in.kind;
  const char *payload = kio_ws_payload(&v->in, &size);
  const char *name = name_of(v->in.ready);
  lua_pushlstring(L, payload, size); /* copies before a finalizer may run */
  lua_pushstring(L, name);
  lua_pushboolean(L, compressed);
  *taken = v->absorbed;
  v->absorbed = 0;
  kio_ws_drop(&v->in);
}

static kio_reader_result refuse(lua_State *L, frames_value *v) {
  lua_pushstring(L, v->in.why);
  switch (v->in.status) {
  case KIO_WS_NO_TEXT: v->reader.code = "EILSEQ"; break;
  case KIO_WS_TOO_BIG: v->reader.code = "EMSGSIZE"; break;
  case KIO_WS_NO_MEMORY: v->reader.code = "ENOMEM"; break;
  default: v->reader.code = "EPROTO"; break;
  }
  return KIO_READER_FAILED;
}

static kio_reader_result take(lua_State *L, kio_reader *reader, const char *bytes, size_t size,
                              bool ended, size_t *taken) {
  frames_value *v = KIO_CONTAINER(reader, frames_value, reader);
  *taken = 0;
  if (!v->in.ready) v->absorbed = kio_ws_feed(&v->in, bytes, size);
  if (v->in.status) return refuse(L, v);
  if (v->in.ready) {
    push_ready(L, v, taken);
  } else if (v->absorbed > 0) {
    *taken = v->absorbed;
    v->absorbed = 0;
    lua_pushboolean(L, false);
  } else if (ended) {
    lua_pushnil(L);
  } else {
    return KIO_READER_MORE;
  }
  return KIO_READER_TAKEN;
}

static int failed(lua_State *L, const kio_reader *reader) {
  const frames_value *v = KIO_CONTAINER(reader, const frames_value, reader);
  if (!v->in.status) return 0;
  lua_pushinteger(L, v->in.status);
  return 1;
}

static const kio_reader_kind kind = {.name = "receive", .take = take, .failed = failed};

/* read_frame(stream, frames [, timeout]) -> payload, kind, compressed | false: a part has come |
   nil: the end | nil, message, code, status */
static int l_read_frame(lua_State *L) {
  lua_settop(L, 3);
  frames_value *v = check(L, 2);
  v->reader = (kio_reader){.kind = &kind, .first_ns = kio_http_timeout(L, 3)};
  v->reader.rest_ns = KIO_READER_SAME;
  return kio_http_guest(L)->read(L, &v->reader);
}

/* ---- writing ---- */

/* Takes four more random bytes: nobody may guess what masked bytes look like on the wire. */
static void new_mask(lua_State *L, frames_value *v) {
  if (v->masks_left == 0) {
    if (getrandom(v->masks, MASKS, 0) != MASKS) luaL_error(L, "no random bytes can be had");
    v->masks_left = MASKS;
  }
  v->masks_left = (uint8_t)(v->masks_left - MASK_SIZE);
  memcpy(v->mask, v->masks + v->masks_left, MASK_SIZE);
}

/* A frame to be written, as Lua has named it. */
typedef struct out {
  frames_value *v;
  kio_ws_opcode opcode;
  const char *data;
  size_t size;
  uint8_t head[KIO_WS_HEAD_MAX];
  size_t head_size;
} out;

/* The arguments from 2 on: frames, opcode, data, compressed. */
static out check_out(lua_State *L) {
  out o = {.v = check(L, 2), .opcode = (kio_ws_opcode)luaL_checkinteger(L, 3)};
  o.data = luaL_checklstring(L, 4, &o.size);
  return o;
}

static void begin(lua_State *L, out *o) {
  frames_value *v = o->v;
  if (v->is_client) new_mask(L, v);
  const uint8_t *mask = v->is_client ? v->mask : NULL;
  o->head_size = kio_ws_head(o->head, o->opcode, lua_toboolean(L, 5), o->size, mask);
}

static void put(const out *o, char *to, size_t at, size_t size) {
  if (o->v->is_client) kio_ws_mask(to, o->data + at, size, o->v->mask, at);
  else if (size > 0) memcpy(to, o->data + at, size);
}

/* send_frame(stream, frames, opcode, data [, compressed]) -> true | false: there is no room for all
   of it now | nil, message, code */
static int l_send_frame(lua_State *L) {
  lua_settop(L, 5);
  out o = check_out(L);
  begin(L, &o);
  kio_guest_room room = {.size = o.head_size + o.size};
  int pushed = kio_http_guest(L)->room(L, room.size, &room);
  if (pushed) return pushed;
  if (room.data) {
    memcpy(room.data, o.head, o.head_size);
    put(&o, room.data + o.head_size, 0, o.size);
  }
  lua_pushboolean(L, room.data != NULL);
  return 1;
}

/* send_part(stream, frames, opcode, data, compressed, at) -> how much of data has been written,
   when `at` bytes were before | nil, message, code */
static int l_send_part(lua_State *L) {
  lua_settop(L, 6);
  out o = check_out(L);
  lua_Integer at = luaL_checkinteger(L, 6);
  luaL_argcheck(L, at >= 0 && (size_t)at < o.size, 6, "outside of the data");
  if (at == 0) begin(L, &o);
  kio_guest_room room = {.size = o.head_size + o.size - (size_t)at};
  int pushed = kio_http_guest(L)->room(L, o.head_size + 1, &room);
  if (pushed) return pushed;
  size_t size = room.data ? room.size - o.head_size : 0;
  if (size > 0) {
    memcpy(room.data, o.head, o.head_size);
    put(&o, room.data + o.head_size, (size_t)at, size);
  }
  lua_pushinteger(L, at + (lua_Integer)size);
  return 1;
}

/* ---- the rest ---- */

/* is_text(bytes) -> whether they are UTF-8 */
static int l_is_text(lua_State *L) {
  size_t size;
  const char *data = luaL_checklstring(L, 1, &size);
  lua_pushboolean(L, kio_http_utf8_check(data, size));
  return 1;
}

/* is_close_code(code) -> whether a close frame may have it */
static int l_is_close_code(lua_State *L) {
  lua_Integer code = luaL_checkinteger(L, 1);
  lua_pushboolean(L, code >= 0 && code <= UINT16_MAX && kio_ws_close_is_valid((unsigned)code));
  return 1;
}

void kio_http_frames_open(lua_State *L, const kio_guest *guest) {
  guest->type_open(L, &frames_type);
}

const luaL_Reg kio_http_frame_ops[] = {
    {"frames", l_frames},
    {"read_frame", l_read_frame},
    {"send_frame", l_send_frame},
    {"send_part", l_send_part},
    {"is_text", l_is_text},
    {"is_close_code", l_is_close_code},
    {NULL, NULL},
};
