/* Reading heads from streams: limits, and a reader (net/reader.h). Owns nothing but through its
   userdata. */
#include <string.h>

#include "http/face.h"

#define LIMITS_TYPE "kio.http.Limits"

static const char limits_tag;

typedef struct limits_value {
  const void *tag;
  kio_http_limits limits;
} limits_value;

/* ---- limits ---- */

enum { HEAD_MAX = 1 << 20 }; /* a server holds that much for each of its connections */

typedef struct known_limit {
  const char *name;
  size_t offset;
  lua_Integer usual, least, most;
} known_limit;

static const known_limit known_limits[] = {
    {"max_head", offsetof(kio_http_limits, max_head), 16384, 64, HEAD_MAX},
    {"max_fields", offsetof(kio_http_limits, max_fields), 100, 1, KIO_HTTP_FIELDS_MAX},
    {"max_target", offsetof(kio_http_limits, max_target), 8192, 1, HEAD_MAX},
    {"max_trailers", offsetof(kio_http_limits, max_trailers), 4096, 2, HEAD_MAX},
};

static void set_limit(kio_http_limits *limits, const known_limit *known, lua_Integer value) {
  *(uint32_t *)(void *)((char *)limits + known->offset) = (uint32_t)value;
}

static const known_limit *find_limit(lua_State *L, int index) {
  const char *name = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";
  for (size_t i = 0; i < KIO_COUNT(known_limits); i++) {
    if (strcmp(known_limits[i].name, name) == 0) return &known_limits[i];
  }
  luaL_argerror(L, 1, lua_pushfstring(L, "unknown option '%s'", name));
  return NULL;
}

/* limits([options]) -> limits */
static int l_limits(lua_State *L) {
  lua_settop(L, 1);
  if (!lua_isnil(L, 1)) luaL_checktype(L, 1, LUA_TTABLE);
  limits_value *v = lua_newuserdatauv(L, sizeof *v, 0);
  v->tag = &limits_tag;
  for (size_t i = 0; i < KIO_COUNT(known_limits); i++) {
    set_limit(&v->limits, &known_limits[i], known_limits[i].usual);
  }
  for (lua_pushnil(L); lua_istable(L, 1) && lua_next(L, 1); lua_pop(L, 1)) {
    const known_limit *known = find_limit(L, -2);
    lua_Integer value = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : -1;
    if (value < known->least || value > known->most) {
      luaL_argerror(L, 1,
                    lua_pushfstring(L, "option '%s' must be an integer from %I to %I", known->name,
                                    known->least, known->most));
    }
    set_limit(&v->limits, known, value);
  }
  lua_settop(L, 2);
  return 1;
}

static const kio_http_limits *check_limits(lua_State *L, int index) {
  const limits_value *v = lua_touserdata(L, index);
  bool ours = v && lua_rawlen(L, index) == sizeof *v && v->tag == &limits_tag;
  if (!ours) luaL_typeerror(L, index, LIMITS_TYPE);
  return &v->limits;
}

/* ---- failures ---- */

int64_t kio_http_timeout(lua_State *L, int index) {
  bool named = !lua_isnoneornil(L, index);
  return named ? kio_http_guest(L)->seconds(L, index) : KIO_READER_STREAMS;
}

/* Of a name from outside a message shows so much. */
enum { NAME_SHOWN = 64 };

const char *kio_http_push_fault(lua_State *L, const kio_http_scan *scan) {
  const kio_http_fault *fault = &scan->fault;
  size_t shown = fault->name.size < NAME_SHOWN ? fault->name.size : NAME_SHOWN;
  lua_pushlstring(L, kio_http_text(scan, fault->name), shown);
  if (shown > 0) lua_pushfstring(L, "%s: %s", fault->words, lua_tostring(L, -1));
  else lua_pushstring(L, fault->words);
  lua_remove(L, -2);
  switch (fault->status) {
  case 0: return "ENODATA";
  case 413:
  case 414:
  case 431: return "EMSGSIZE";
  default: return "EPROTO";
  }
}

int kio_http_push_status(lua_State *L, int status, bool answers_late) {
  const char *code = lua_tostring(L, -1);
  if (answers_late && code && strcmp(code, "ETIMEDOUT") == 0) status = 408;
  if (status == 0) return 0;
  lua_pushinteger(L, status);
  return 1;
}

/* ---- heads ---- */

typedef struct head_read {
  kio_reader reader;
  const kio_http_limits *limits; /* of a userdata on the same stack */
  uint32_t seen;                 /* bytes that were scanned in vain */
  int status;                    /* of what is wrong */
  kio_http_kind kind;
} head_read;

static head_read *of(const kio_reader *reader) {
  return KIO_CONTAINER(reader, head_read, reader);
}

/* Whether an LF among the bytes that are new ends the head, or is one that no head may have: when
   none does, it would be in vain to scan again from the beginning. */
static bool may_end(const char *bytes, size_t size, size_t seen) {
  const char *end = bytes + size, *at = bytes + seen;
  for (; (at = memchr(at, '\n', (size_t)(end - at))); at++) {
    if (at == bytes || at[-1] != '\r') return true;
    if (at - bytes >= 3 && at[-2] == '\n') return true;
  }
  return false;
}

/* What may come between heads, and does not begin one. */
static bool is_nothing(const char *bytes, size_t size) {
  return size == 0 || (size == 2 && memcmp(bytes, "\r\n", 2) == 0);
}

static kio_reader_result refuse(lua_State *L, head_read *r, const kio_http_scan *scan) {
  r->reader.code = kio_http_push_fault(L, scan);
  r->status = scan->fault.status;
  return KIO_READER_FAILED;
}

/* Bytes are missing: unless nothing can help. */
static kio_reader_result want_more(lua_State *L, head_read *r, kio_http_scan *scan, size_t size,
                                   bool ended) {
  if (size >= r->limits->max_head) {
    kio_http_fail(scan, 431, "a head of more bytes than the limit allows");
    return refuse(L, r, scan);
  }
  if (ended) {
    kio_http_fail(scan, 0, "the peer ended in the middle of the head");
    return refuse(L, r, scan);
  }
  r->seen = (uint32_t)size;
  return KIO_READER_MORE;
}

static kio_reader_result take_head(lua_State *L, kio_reader *reader, const char *bytes, size_t size,
                                   bool ended, size_t *taken) {
  kio_http_head head;
  kio_http_field fields[KIO_HTTP_FIELDS_MAX];
  head_read *r = of(reader);
  uint32_t shown = size < r->limits->max_head ? (uint32_t)size : r->limits->max_head;
  if (ended && is_nothing(bytes, size)) {
    *taken = size;
    lua_pushnil(L);
    return KIO_READER_TAKEN;
  }
  kio_http_scan scan = {.bytes = bytes, .size = shown};
  bool is_last = ended || size >= r->limits->max_head;
  bool in_vain = r->seen > 0 && !is_last && !may_end(bytes, size, r->seen);
  if (in_vain) return want_more(L, r, &scan, size, ended);
  switch (kio_http_head_scan(&scan, r->limits, r->kind, &head, fields)) {
  case KIO_HTTP_MORE: return want_more(L, r, &scan, size, ended);
  case KIO_HTTP_FAILED: return refuse(L, r, &scan);
  default: break;
  }
  kio_http_push_head(L, bytes, &head, fields, r->limits);
  *taken = head.size;
  return KIO_READER_TAKEN;
}

static int request_failed(lua_State *L, const kio_reader *reader) {
  return kio_http_push_status(L, of(reader)->status, reader->begun);
}

static const kio_reader_kind request_kind = {
    .name = "read_request", .take = take_head, .failed = request_failed, .optional = true};
static const kio_reader_kind response_kind = {.name = "read_response", .take = take_head};

static head_read *push_read(lua_State *L, const kio_reader_kind *kind, kio_http_kind what) {
  const kio_http_limits *limits = check_limits(L, 2);
  head_read *r = lua_newuserdatauv(L, sizeof *r, 0);
  *r = (head_read){.reader = {.kind = kind}, .limits = limits, .kind = what};
  return r;
}

/* read_request(stream, limits [, idle_timeout [, head_timeout]]) -> head | nil | nil, message,
   code, status */
static int l_read_request(lua_State *L) {
  lua_settop(L, 4);
  head_read *r = push_read(L, &request_kind, KIO_HTTP_REQUEST);
  r->reader.first_ns = kio_http_timeout(L, 3);
  r->reader.rest_ns = kio_http_timeout(L, 4);
  return kio_http_guest(L)->read(L, &r->reader);
}

/* Upvalues: kio's table, the limits, the read. */
static int l_next_request(lua_State *L) {
  head_read *r = lua_touserdata(L, lua_upvalueindex(3));
  if (!lua_isnoneornil(L, 2)) r->reader.first_ns = kio_http_timeout(L, 2);
  lua_settop(L, 1);
  r->seen = 0;
  r->status = 0;
  return kio_http_guest(L)->read(L, &r->reader);
}

/* requests(limits, idle_timeout, head_timeout) -> next; next(stream [, idle_timeout]) is
   read_request by these, for one connection, whose reads have the same memory. */
static int l_requests(lua_State *L) {
  lua_settop(L, 3);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  head_read *r = push_read(L, &request_kind, KIO_HTTP_REQUEST);
  r->reader.first_ns = kio_http_timeout(L, 3);
  r->reader.rest_ns = kio_http_timeout(L, 4);
  lua_insert(L, 3);
  lua_settop(L, 3);
  lua_pushcclosure(L, l_next_request, 3);
  return 1;
}

/* read_response(stream, limits, method [, timeout]) -> head | nil | nil, message, code */
static int l_read_response(lua_State *L) {
  lua_settop(L, 4);
  const char *method = luaL_checkstring(L, 3);
  kio_http_kind kind = strcmp(method, "HEAD") == 0      ? KIO_HTTP_RESPONSE_TO_HEAD
                       : strcmp(method, "CONNECT") == 0 ? KIO_HTTP_RESPONSE_TO_CONNECT
                                                        : KIO_HTTP_RESPONSE;
  head_read *r = push_read(L, &response_kind, kind);
  r->reader.first_ns = kio_http_timeout(L, 4);
  r->reader.rest_ns = KIO_READER_SAME;
  return kio_http_guest(L)->read(L, &r->reader);
}

const luaL_Reg kio_http_read_ops[] = {
    {"limits", l_limits},
    {"read_request", l_read_request},
    {"requests", l_requests},
    {"read_response", l_read_response},
    {NULL, NULL},
};
