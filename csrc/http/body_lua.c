/* Bodies, read from streams piece by piece. Owns nothing but through its userdata. */
#include "http/body.h"

#include <string.h>

#include "http/face.h"

#define BODY_TYPE "kio.http.Body"

static const char body_tag;

/* The first user value is the trailer's head, when there was one. */
typedef struct body_value {
  const void *tag;
  kio_http_body body;
} body_value;

static body_value *check(lua_State *L, int index) {
  body_value *v = lua_touserdata(L, index);
  bool ours = v && lua_rawlen(L, index) == sizeof *v && v->tag == &body_tag;
  if (!ours) luaL_typeerror(L, index, BODY_TYPE);
  return v;
}

/* body(head [, max]) -> body */
static int l_body(lua_State *L) {
  const kio_http_head_value *head = kio_http_check_head(L, 1);
  lua_Integer max = luaL_optinteger(L, 2, -1);
  uint64_t limit = max < 0 ? KIO_HTTP_UNLIMITED : (uint64_t)max;
  body_value *v = lua_newuserdatauv(L, sizeof *v, 1);
  v->tag = &body_tag;
  kio_http_body_begin(&v->body, &head->head, limit);
  v->body.max_trailers = head->max_trailers;
  v->body.max_fields = head->max_fields;
  if (head->body_taken) v->body.chunks.place = KIO_HTTP_ENDED;
  luaL_setmetatable(L, BODY_TYPE);
  return 1;
}

/* ---- reading ---- */

enum { BODY = 2, BYTES_MAX = 1 << 30 };

typedef struct body_read {
  kio_reader reader;
  body_value *body; /* at BODY in the same stack */
  uint32_t want;    /* bytes at most */
  int status;       /* of what is wrong */
} body_read;

static body_read *of(const kio_reader *reader) {
  return KIO_CONTAINER(reader, body_read, reader);
}

static void push_trailer(lua_State *L, const kio_http_scan *scan, const kio_http_piece *piece,
                         const kio_http_fields *fields, const body_value *body) {
  const kio_http_limits limits = {.max_fields = body->body.max_fields};
  kio_http_head head = {.size = scan->at, .field_count = fields->count, .length = -1};
  (void)piece;
  kio_http_push_head(L, scan->bytes, &head, fields->list, &limits);
  lua_setiuservalue(L, BODY, 1);
}

/* Only when nothing more can fail has the body come further. */
static kio_reader_result take_piece(lua_State *L, kio_reader *reader, const char *bytes,
                                    size_t size, bool ended, size_t *taken) {
  kio_http_field list[KIO_HTTP_FIELDS_MAX];
  kio_http_piece piece;
  body_read *r = of(reader);
  kio_http_body next = r->body->body;
  kio_http_fields fields = {list, 0, next.max_fields};
  kio_http_scan scan = {.bytes = bytes, .size = size < BYTES_MAX ? (uint32_t)size : BYTES_MAX};
  switch (kio_http_body_step(&next, &scan, ended, r->want, &fields, &piece)) {
  case KIO_HTTP_MORE: return KIO_READER_MORE;
  case KIO_HTTP_FAILED:
    reader->code = kio_http_push_fault(L, &scan);
    r->status = scan.fault.status;
    return KIO_READER_FAILED;
  default: break;
  }
  if (piece.data.size > 0) lua_pushlstring(L, bytes + piece.data.at, piece.data.size);
  else if (piece.trailer.size > 0) push_trailer(L, &scan, &piece, &fields, r->body);
  if (piece.data.size == 0) lua_pushnil(L);
  r->body->body = next;
  *taken = piece.taken;
  return KIO_READER_TAKEN;
}

static int body_failed(lua_State *L, const kio_reader *reader) {
  return kio_http_push_status(L, of(reader)->status, true);
}

static const kio_reader_kind body_kind = {
    .name = "read_body", .take = take_piece, .failed = body_failed};

/* read_body(stream, body [, size [, timeout]]) -> bytes | nil | nil, message, code, status */
static int l_read_body(lua_State *L) {
  lua_settop(L, 4);
  body_value *body = check(L, BODY);
  lua_Integer want = luaL_optinteger(L, 3, BYTES_MAX);
  luaL_argcheck(L, want > 0, 3, "must be at least 1 byte");
  body_read *r = lua_newuserdatauv(L, sizeof *r, 0);
  *r = (body_read){.reader = {.kind = &body_kind}, .body = body};
  r->want = want < BYTES_MAX ? (uint32_t)want : BYTES_MAX;
  r->reader.first_ns = kio_http_timeout(L, 4);
  r->reader.rest_ns = KIO_READER_SAME;
  return kio_http_guest(L)->read(L, &r->reader);
}

/* ---- a whole one ---- */

typedef struct whole_read {
  kio_reader reader;
  size_t length;
} whole_read;

/* All of it; false as long as some of it is missing, which is not waited for. */
static kio_reader_result take_whole(lua_State *L, kio_reader *reader, const char *bytes,
                                    size_t size, bool ended, size_t *taken) {
  size_t length = KIO_CONTAINER(reader, whole_read, reader)->length;
  (void)ended;
  if (size >= length) lua_pushlstring(L, bytes, length);
  else lua_pushboolean(L, false);
  *taken = size >= length ? length : 0;
  return KIO_READER_TAKEN;
}

static const kio_reader_kind whole_kind = {.name = "read_body", .take = take_whole};

static bool all_nil(lua_State *L, int first) {
  for (int i = lua_gettop(L); i >= first; i--) {
    if (!lua_isnil(L, i)) return false;
  }
  return true;
}

/* take_body(stream, head, max, ...) -> bytes | false | nil, message, code. False, too, when what
   follows is not nil. Never waits: so the read lies on the C stack. */
static int l_take_body(lua_State *L) {
  kio_http_head_value *head = kio_http_check_head(L, 2);
  bool fits = head->head.framing == KIO_HTTP_LENGTH && !head->body_taken &&
              (lua_Number)head->head.length <= luaL_checknumber(L, 3) && all_nil(L, 4);
  if (!fits) return (lua_pushboolean(L, false), 1);
  whole_read r = {{.kind = &whole_kind}, (size_t)head->head.length};
  int count = kio_http_guest(L)->read(L, &r.reader);
  head->body_taken = lua_type(L, -1) == LUA_TSTRING && count == 1;
  return count;
}

/* ---- what it knows ---- */

/* body:trailers() -> headers | nil */
static int l_trailers(lua_State *L) {
  check(L, 1);
  lua_settop(L, 1);
  if (lua_getiuservalue(L, 1, 1) != LUA_TUSERDATA) return 0;
  kio_http_check_head(L, 2);
  kio_http_push_headers(L, 2);
  return 1;
}

/* Upvalue: the methods. */
static int l_body_index(lua_State *L) {
  const body_value *v = check(L, 1);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "ended") == 0) {
    lua_pushboolean(L, v->body.chunks.place == KIO_HTTP_ENDED);
  } else if (strcmp(key, "received") == 0) {
    lua_pushinteger(L, (lua_Integer)v->body.received);
  } else {
    lua_settop(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
  }
  return 1;
}

static const luaL_Reg body_methods[] = {{"trailers", l_trailers}, {NULL, NULL}};

static const kio_type body_type = {.name = BODY_TYPE, .methods = {body_methods}};

void kio_http_body_open(lua_State *L, const kio_guest *guest) {
  guest->type_open(L, &body_type);
  luaL_getmetatable(L, BODY_TYPE);
  lua_newtable(L);
  luaL_setfuncs(L, body_methods, 0);
  lua_pushcclosure(L, l_body_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

const luaL_Reg kio_http_body_ops[] = {
    {"body", l_body},
    {"read_body", l_read_body},
    {"take_body", l_take_body},
    {NULL, NULL},
};
