/* The text grows in memory of the C stack, and in a userdata when that does not suffice: what
   raises frees nothing, and finalizers, which may change the program's tables meanwhile, harm
   nothing. Owns nothing. Called by the thread of the Lua state. */
#include "http/answer.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "http/bytes.h"
#include "http/date.h"
#include "http/face.h"
#include "http/status.h"

#define INLINE_MAX 4096  /* a body that is longer is not copied behind the head */
#define PASSED_MAX 65536 /* a request's body that is longer is not passed over */

#define FIRST_ROOM 8192

enum {
  ARG_STREAM = 1,
  ARG_HEAD,
  ARG_STATUS,
  ARG_HEADERS,
  ARG_BODY,
  ARG_MAY_GO_ON,
  ARG_READ,
  ARG_SERVER,
  ARG_HANDLER,
  TEXT
};

typedef struct answer {
  lua_State *L;
  char *text; /* `first`, or the userdata at TEXT */
  size_t size, room;
  int status;
  bool of_head;  /* the request's method is HEAD */
  bool old;      /* its version is 1.0 */
  bool loaded;   /* it has a body that has not been read at once */
  bool keep;     /* another request may follow */
  bool dated;    /* the program says what time it is */
  bool declared; /* ... how long the body is: `length` */
  bool sized;    /* the length is known */
  uint64_t length;
  const char *body;
  size_t body_size;
  char first[FIRST_ROOM];
} answer;

/* ---- writing ---- */

static void grow(answer *r, size_t size) {
  r->room = r->size + size > 2 * r->room ? r->size + size : 2 * r->room;
  char *text = lua_newuserdatauv(r->L, r->room, 0);
  memcpy(text, r->text, r->size);
  lua_replace(r->L, TEXT);
  r->text = text;
}

static void put(answer *r, const char *text, size_t size) {
  if (r->room - r->size < size) grow(r, size);
  memcpy(r->text + r->size, text, size);
  r->size += size;
}

#define PUT(r, literal) put(r, literal, sizeof literal - 1)

static void put_number(answer *r, uint64_t value) {
  char text[20], *at = text + sizeof text;
  do *--at = (char)('0' + value % 10);
  while (value /= 10);
  put(r, at, (size_t)(text + sizeof text - at));
}

/* ---- fields of the program's ---- */

/* Raises. What a handler has returned is no line's of it any more: then its beginning is named. */
static void raise_words(lua_State *L, const char *words) {
  lua_Debug info;
  if (!lua_isfunction(L, ARG_HANDLER)) kio_http_guest(L)->misuse(L, words);
  lua_pushvalue(L, ARG_HANDLER);
  lua_getinfo(L, ">S", &info);
  lua_pushfstring(L, "%s:%d: %s", info.short_src, info.linedefined, words);
  lua_error(L);
}

static void refuse(lua_State *L, const char *format, const char *word) {
  raise_words(L, lua_pushfstring(L, format, word));
}

static void check_name(lua_State *L, int index, const char *name, size_t size) {
  bool fits = size > 0 && size < UINT32_MAX;
  if (fits && kio_http_run(KIO_HTTP_TOKEN, name, (uint32_t)size) == size) return;
  refuse(L, "'%s' cannot be the name of a header field", kio_http_guest(L)->push_text(L, index));
}

static void check_value(lua_State *L, const char *name, const char *value, size_t size) {
  if (size < UINT32_MAX && kio_http_run_of_value(value, (uint32_t)size) == size) return;
  refuse(L, "the value of the header field '%s' has a control character", name);
}

static void read_length(lua_State *L, answer *r, const char *value, size_t size) {
  uint64_t length = 0;
  bool fine = size > 0 && size <= 16 && !r->declared;
  for (size_t i = 0; i < size && fine; i++) {
    fine = kio_http_is_digit(value[i]);
    length = length * 10 + (uint64_t)(value[i] - '0');
  }
  if (!fine) refuse(L, "'%s' cannot be a Content-Length", value);
  r->declared = true;
  r->length = length;
}

/* Whether a field is the server's to write: what it says is noted. */
static bool is_servers(lua_State *L, answer *r, const char *name, size_t size, const char *value,
                       size_t value_size) {
  switch (size) {
  case 4: r->dated |= kio_http_same(name, size, "date"); return false;
  case 10:
    if (!kio_http_same(name, size, "connection")) return false;
    r->keep &= !kio_http_same(value, value_size, "close");
    if (r->keep && !kio_http_same(value, value_size, "keep-alive")) {
      refuse(L, "the header field '%s' is the server's: it may be \"close\"", name);
    }
    return true;
  case 14:
    if (!kio_http_same(name, size, "content-length")) return false;
    read_length(L, r, value, value_size);
    return true;
  case 17:
    if (!kio_http_same(name, size, "transfer-encoding")) return false;
    refuse(L, "the header field '%s' is the server's", name);
  }
  return false;
}

/* The field whose name is at -2, its value at -1. */
static void put_field(lua_State *L, answer *r) {
  size_t name_size, size;
  int type = lua_type(L, -1);
  if (lua_type(L, -2) != LUA_TSTRING) {
    refuse(L, "the name of a header field is a %s", luaL_typename(L, -2));
  }
  const char *name = lua_tolstring(L, -2, &name_size);
  check_name(L, -2, name, name_size);
  if (type != LUA_TSTRING && type != LUA_TNUMBER) {
    lua_pushfstring(L, "the value of the header field '%s' is a %s", name, lua_typename(L, type));
    raise_words(L, lua_tostring(L, -1));
  }
  const char *value = lua_tolstring(L, -1, &size); /* what lua_next goes on by is the name */
  check_value(L, name, value, size);
  if (is_servers(L, r, name, name_size, value, size)) return;
  put(r, name, name_size);
  PUT(r, ": ");
  put(r, value, size);
  PUT(r, "\r\n");
}

/* Its value at -1 is a list of them. */
static void put_values(lua_State *L, answer *r) {
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_pushvalue(L, -2);
    lua_rawgeti(L, -2, i);
    put_field(L, r);
    lua_pop(L, 2);
  }
}

/* The i-th of a list of pairs. */
static void put_pair(lua_State *L, answer *r, lua_Integer i) {
  if (lua_rawgeti(L, ARG_HEADERS, i) != LUA_TTABLE) {
    refuse(L, "a header field of a list is a %s and no pair", luaL_typename(L, -1));
  }
  lua_rawgeti(L, -1, 1);
  lua_rawgeti(L, -2, 2);
  put_field(L, r);
  lua_pop(L, 3);
}

static void put_fields(lua_State *L, answer *r) {
  if (lua_isnil(L, ARG_HEADERS)) return;
  if (!lua_istable(L, ARG_HEADERS)) {
    refuse(L, "the handler has returned a %s where a table of fields is expected",
           luaL_typename(L, ARG_HEADERS));
  }
  lua_Integer count = (lua_Integer)lua_rawlen(L, ARG_HEADERS);
  for (lua_Integer i = 1; i <= count; i++) put_pair(L, r, i);
  if (count > 0) return;
  lua_pushnil(L);
  while (lua_next(L, ARG_HEADERS)) {
    if (lua_istable(L, -1)) put_values(L, r);
    else put_field(L, r);
    lua_pop(L, 1);
  }
}

/* ---- the body ---- */

static bool has_none(const answer *r) {
  return r->status == 204 || r->status == 304;
}

static void disagree(lua_State *L, const answer *r, uint64_t size) {
  char text[128];
  snprintf(text, sizeof text, "the Content-Length is declared as %llu, and the body has %llu bytes",
           (unsigned long long)r->length, (unsigned long long)size);
  raise_words(L, text);
}

/* What is known of the body: its size, which must be what the program has declared. */
static void size_body(lua_State *L, answer *r) {
  size_t size = 0;
  int type = lua_type(L, ARG_BODY);
  r->sized = type != LUA_TNIL || r->declared;
  if (type == LUA_TSTRING) r->body = lua_tolstring(L, ARG_BODY, &size);
  else if (type == LUA_TNUMBER) size = (size_t)lua_tointeger(L, ARG_BODY);
  bool wrong = has_none(r) && (size > 0 || (r->status == 204 && r->declared));
  if (wrong) refuse(L, "a response of status %s has no body", r->status == 204 ? "204" : "304");
  bool other = r->of_head || has_none(r) || type == LUA_TNIL; /* of what is not sent */
  if (r->declared && r->length != size && !(other && size == 0)) disagree(L, r, size);
  if (!r->declared) r->length = size;
  if (!r->sized && r->old && !r->of_head && !has_none(r)) r->keep = false;
  bool follows = type == LUA_TSTRING && !r->of_head && size <= INLINE_MAX;
  r->body_size = follows ? size : 0;
}

static const char *framing_of(const answer *r) {
  if (has_none(r)) return "none";
  if (r->of_head) return "head";
  if (r->sized) return "length";
  return r->old ? "close" : "chunked";
}

static void put_framing(answer *r) {
  bool told = r->declared || (r->sized && !has_none(r));
  if (!r->keep) PUT(r, "Connection: close\r\n");
  else if (r->old) PUT(r, "Connection: keep-alive\r\n");
  if (told) {
    PUT(r, "Content-Length: ");
    put_number(r, r->length);
    PUT(r, "\r\n");
  } else if (!has_none(r) && !r->of_head && !r->old) {
    PUT(r, "Transfer-Encoding: chunked\r\n");
  }
}

/* ---- all of it ---- */

static void put_start(answer *r) {
  if (r->status == 200) {
    PUT(r, "HTTP/1.1 200 OK\r\n");
    return;
  }
  PUT(r, "HTTP/1.1 ");
  put_number(r, (uint64_t)r->status);
  PUT(r, " ");
  const char *reason = kio_http_reason(r->status);
  put(r, reason, strlen(reason));
  PUT(r, "\r\n");
}

static void put_servers_own(lua_State *L, answer *r, kio_http_date *date) {
  size_t size;
  const char *server = lua_tolstring(L, ARG_SERVER, &size);
  if (!r->dated) {
    kio_http_date_now(date);
    put(r, date->text, sizeof date->text);
  }
  if (server) {
    PUT(r, "Server: ");
    put(r, server, size);
    PUT(r, "\r\n");
  }
}

static bool is_head(const kio_http_head_value *v) {
  if (v->head.method.size != 4) return false;
  return memcmp(kio_http_head_text(v), "HEAD", 4) == 0;
}

/* What the request asks for; one whose head could not be read is the connection's last. */
static void read_request(lua_State *L, answer *r) {
  lua_Integer status = lua_isinteger(L, ARG_STATUS) ? lua_tointeger(L, ARG_STATUS) : 0;
  if (status < 200 || status > 999) {
    const char *text = kio_http_guest(L)->push_text(L, ARG_STATUS);
    refuse(L, "the handler has returned the status %s", text);
  }
  r->status = (int)status;
  if (lua_isnil(L, ARG_HEAD)) return;
  const kio_http_head_value *v = kio_http_check_head(L, ARG_HEAD);
  const kio_http_head *head = &v->head;
  r->of_head = is_head(v);
  r->old = head->minor == 0;
  r->loaded = head->framing != KIO_HTTP_NONE && !v->body_taken;
  /* Who has asked for a tunnel takes what follows for its own: no request comes behind that. */
  bool of_connect = head->authority.at > 0 && head->authority.at == head->target.at;
  r->keep = head->keep_alive && lua_toboolean(L, ARG_MAY_GO_ON) && !of_connect;
  bool in_the_way = r->loaded && (head->expect_continue || head->length > PASSED_MAX);
  if (in_the_way && !lua_toboolean(L, ARG_READ)) r->keep = false;
}

/* How a body that comes later is framed, and how long it is. */
static int push_framing(lua_State *L, const answer *r) {
  bool counts = r->sized && !r->of_head && !has_none(r);
  lua_pushstring(L, framing_of(r));
  lua_pushinteger(L, counts ? (lua_Integer)r->length : 0);
  return 2;
}

static int push_results(lua_State *L, const answer *r, bool written) {
  bool follows = r->body && r->body_size < r->length && !r->of_head && !has_none(r);
  bool simple = written && !follows && r->keep && !r->loaded && r->body;
  lua_pushboolean(L, simple);
  if (simple) return 1;
  if (r->keep) lua_pushboolean(L, !r->loaded);
  else lua_pushnil(L);
  if (written) lua_pushnil(L);
  else lua_pushlstring(L, r->text, r->size);
  if (follows) lua_pushvalue(L, ARG_BODY);
  else lua_pushnil(L);
  return r->body ? 4 : 4 + push_framing(L, r);
}

/* What a handler returns has several forms: a body alone stands where a status would. False: it is
   none of those that need nothing but this file. */
static bool is_plain(lua_State *L) {
  if (lua_type(L, ARG_STATUS) == LUA_TSTRING) {
    lua_copy(L, ARG_STATUS, ARG_BODY);
    lua_pushinteger(L, 200);
    lua_replace(L, ARG_STATUS);
    lua_pushnil(L);
    lua_replace(L, ARG_HEADERS);
    return true;
  }
  return lua_isinteger(L, ARG_STATUS) && lua_type(L, ARG_BODY) == LUA_TSTRING;
}

/* The arguments are in their places. Upvalues: kio's table, the date. */
static int write_answer(lua_State *L) {
  answer r;
  kio_http_date *date = lua_touserdata(L, lua_upvalueindex(2));
  memset(&r, 0, offsetof(answer, first));
  r.L = L;
  r.text = r.first;
  r.room = sizeof r.first;
  read_request(L, &r);
  put_start(&r);
  put_fields(L, &r);
  size_body(L, &r);
  put_servers_own(L, &r, date);
  put_framing(&r);
  PUT(&r, "\r\n");
  if (r.body_size > 0) put(&r, r.body, r.body_size);
  return push_results(L, &r, kio_http_guest(L)->put(L, r.text, r.size));
}

static int l_answer(lua_State *L) {
  lua_settop(L, TEXT);
  return write_answer(L);
}

static int l_reply(lua_State *L) {
  lua_settop(L, TEXT);
  return is_plain(L) ? write_answer(L) : 0;
}

void kio_http_answer_open(lua_State *L, const kio_guest *guest) {
  static const luaL_Reg functions[] = {{"answer", l_answer}, {"reply", l_reply}, {NULL, NULL}};
  lua_pushlightuserdata(L, (void *)(uintptr_t)guest);
  kio_http_date *date = lua_newuserdatauv(L, sizeof *date, 0);
  *date = (kio_http_date){0};
  luaL_setfuncs(L, functions, 2);
}
