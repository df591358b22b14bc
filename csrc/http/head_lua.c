/* Heads and headers: what was parsed, as strings that are made when they are asked for. Owns
   nothing but through its userdata. */
#include <string.h>

#include "http/bytes.h"
#include "http/face.h"

#define HEAD_TYPE "kio.http.Head"
#define HEADERS_TYPE "kio.http.Headers"

static const char head_tag, headers_tag;

/* Headers; the first user value is their head. */
typedef struct headers_value {
  const void *tag;
} headers_value;

static kio_http_head_value *to_head(lua_State *L, int index) {
  kio_http_head_value *v = lua_touserdata(L, index);
  bool ours = v && lua_rawlen(L, index) >= sizeof *v && v->tag == &head_tag;
  return ours ? v : NULL;
}

kio_http_head_value *kio_http_check_head(lua_State *L, int index) {
  kio_http_head_value *v = to_head(L, index);
  if (!v) luaL_typeerror(L, index, HEAD_TYPE);
  return v;
}

static void push_span(lua_State *L, const char *text, kio_http_span span) {
  lua_pushlstring(L, text + span.at, span.size);
}

/* nil when it has no place. */
static void push_optional(lua_State *L, const char *text, kio_http_span span) {
  if (span.at > 0) push_span(L, text, span);
  else lua_pushnil(L);
}

enum { FEW = 2048 }; /* bytes of most heads at most */

/* A head that the bytes are in, which are of this Lua's own already. */
static void push_value(lua_State *L, const char *bytes, const kio_http_head *head,
                       const kio_http_field *fields, const kio_http_limits *limits) {
  size_t fields_size = head->field_count * sizeof *fields;
  kio_http_head_value *v = lua_newuserdatauv(L, sizeof *v + fields_size + head->size, 0);
  v->tag = &head_tag;
  v->body_taken = false;
  v->max_trailers = limits->max_trailers;
  v->max_fields = limits->max_fields;
  v->head = *head;
  if (fields_size > 0) memcpy(v->fields, fields, fields_size);
  memcpy(v->fields + head->field_count, bytes, head->size);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &head_tag);
  lua_setmetatable(L, -2);
}

void kio_http_push_head(lua_State *L, const char *bytes, const kio_http_head *head,
                        const kio_http_field *fields, const kio_http_limits *limits) {
  char few[FEW];
  if (head->size <= FEW) {
    memcpy(few, bytes, head->size);
    push_value(L, few, head, fields, limits);
    return;
  }
  bytes = lua_pushlstring(L, bytes, head->size);
  push_value(L, bytes, head, fields, limits);
  lua_remove(L, -2);
}

/* ---- fields by name ---- */

/* The next field of that name, in lower or upper case, from `i` on; the count when there is
   none. */
static uint32_t find(const kio_http_head_value *v, const char *text, const char *name, size_t size,
                     uint32_t i) {
  for (; i < v->head.field_count; i++) {
    kio_http_span span = v->fields[i].name;
    if (span.size != size) continue;
    size_t n = 0;
    while (n < size && kio_http_lower(text[span.at + n]) == kio_http_lower(name[n])) n++;
    if (n == size) break;
  }
  return i;
}

/* Pushes the values of that name from the field `first` on, joined. */
static void push_joined(lua_State *L, const kio_http_head_value *v, const char *text,
                        const char *name, size_t size, uint32_t first) {
  luaL_Buffer joined;
  luaL_buffinit(L, &joined);
  for (uint32_t i = first; i < v->head.field_count; i = find(v, text, name, size, i + 1)) {
    if (i > first) luaL_addlstring(&joined, ", ", 2);
    luaL_addlstring(&joined, text + v->fields[i].value.at, v->fields[i].value.size);
  }
  luaL_pushresult(&joined);
}

/* headers[name] -> value | nil */
static int l_headers_index(lua_State *L) {
  size_t size;
  const headers_value *h = lua_touserdata(L, 1);
  bool ours = h && lua_rawlen(L, 1) == sizeof *h && h->tag == &headers_tag;
  if (!ours) luaL_typeerror(L, 1, HEADERS_TYPE);
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  lua_settop(L, 2);
  lua_getiuservalue(L, 1, 1);
  const kio_http_head_value *v = kio_http_check_head(L, 3);
  const char *text = kio_http_head_text(v), *name = lua_tolstring(L, 2, &size);
  uint32_t count = v->head.field_count, first = find(v, text, name, size, 0);
  if (first == count) return 0;
  bool is_only = find(v, text, name, size, first + 1) == count;
  if (is_only) push_span(L, text, v->fields[first].value);
  else push_joined(L, v, text, name, size, first);
  return 1;
}

void kio_http_push_headers(lua_State *L, int index) {
  index = lua_absindex(L, index);
  headers_value *h = lua_newuserdatauv(L, sizeof *h, 1);
  h->tag = &headers_tag;
  luaL_setmetatable(L, HEADERS_TYPE);
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, 1);
}

/* The iterator: upvalues are the head and how many fields it has given. */
static int l_next(lua_State *L) {
  int head = lua_upvalueindex(1);
  lua_Integer i = lua_tointeger(L, lua_upvalueindex(2));
  const kio_http_head_value *v = to_head(L, head);
  if (!v || i < 0 || i >= v->head.field_count) return 0;
  lua_pushinteger(L, i + 1);
  lua_replace(L, lua_upvalueindex(2));
  const char *text = kio_http_head_text(v);
  push_span(L, text, v->fields[i].name);
  push_span(L, text, v->fields[i].value);
  return 2;
}

/* pairs(headers): name, value, as sent */
static int l_headers_pairs(lua_State *L) {
  const headers_value *h = lua_touserdata(L, 1);
  bool ours = h && lua_rawlen(L, 1) == sizeof *h && h->tag == &headers_tag;
  if (!ours) luaL_typeerror(L, 1, HEADERS_TYPE);
  lua_getiuservalue(L, 1, 1);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, l_next, 2);
  return 1;
}

/* head:list() -> { { name, value }, ... } */
static int l_list(lua_State *L) {
  const kio_http_head_value *v = kio_http_check_head(L, 1);
  lua_settop(L, 1);
  const char *text = kio_http_head_text(v);
  lua_createtable(L, (int)v->head.field_count, 0);
  for (uint32_t i = 0; i < v->head.field_count; i++) {
    lua_createtable(L, 2, 0);
    push_span(L, text, v->fields[i].name);
    lua_rawseti(L, -2, 1);
    push_span(L, text, v->fields[i].value);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* head:all(name) -> { value, ... } */
static int l_all(lua_State *L) {
  size_t size;
  const kio_http_head_value *v = kio_http_check_head(L, 1);
  const char *name = luaL_checklstring(L, 2, &size);
  lua_settop(L, 2);
  const char *text = kio_http_head_text(v);
  lua_newtable(L);
  lua_Integer n = 0;
  for (uint32_t i = 0; (i = find(v, text, name, size, i)) < v->head.field_count; i++) {
    push_span(L, text, v->fields[i].value);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* ---- the fields of a head's own ---- */

static const char *const framings[] = {"none", "length", "chunked", "close"};

static void push_path(lua_State *L, const char *text, const kio_http_head *head) {
  bool is_absolute = head->path.size == 0 && head->authority.at != head->target.at;
  if (is_absolute && head->path.at > 0) lua_pushliteral(L, "/"); /* http://host has it left out */
  else push_optional(L, text, head->path);
}

static void push_length(lua_State *L, const kio_http_head *head) {
  int64_t length = head->length < 0 && head->framing == KIO_HTTP_NONE ? 0 : head->length;
  if (length >= 0) lua_pushinteger(L, length);
  else lua_pushnil(L);
}

static void push_version(lua_State *L, const kio_http_head *head) {
  if (head->minor == 1) lua_pushliteral(L, "1.1");
  else lua_pushliteral(L, "1.0");
}

/* head:facts() -> method, path, query, body, length, keep_alive, expect_continue, upgrade,
   version */
static int l_facts(lua_State *L) {
  const kio_http_head_value *v = kio_http_check_head(L, 1);
  const kio_http_head *head = &v->head;
  lua_settop(L, 1);
  const char *text = kio_http_head_text(v);
  push_span(L, text, head->method);
  push_path(L, text, head);
  push_optional(L, text, head->query);
  lua_pushstring(L, framings[head->framing]);
  push_length(L, head);
  lua_pushboolean(L, head->keep_alive);
  lua_pushboolean(L, head->expect_continue);
  push_optional(L, text, head->upgrade);
  push_version(L, head);
  return 9;
}

typedef enum head_field {
  METHOD = 1,
  TARGET,
  PATH,
  QUERY,
  AUTHORITY,
  VERSION,
  STATUS,
  REASON,
  HEADERS,
  BODY,
  LENGTH,
  KEEP_ALIVE,
  EXPECT_CONTINUE,
  UPGRADE
} head_field;

static const char *const head_fields[] = {
    "method", "target",  "path", "query",  "authority",  "version",         "status",
    "reason", "headers", "body", "length", "keep_alive", "expect_continue", "upgrade",
};

static void push_request_field(lua_State *L, const char *text, const kio_http_head *head,
                               head_field field) {
  bool is_request = head->status == 0 && head->method.size > 0;
  switch (field) {
  case METHOD:
    if (is_request) push_span(L, text, head->method);
    else lua_pushnil(L);
    return;
  case TARGET: push_optional(L, text, head->target); return;
  case PATH: push_path(L, text, head); return;
  case QUERY: push_optional(L, text, head->query); return;
  default: push_optional(L, text, head->authority); return;
  }
}

static void push_message_field(lua_State *L, const char *text, const kio_http_head *head,
                               head_field field) {
  switch (field) {
  case VERSION: push_version(L, head); return;
  case STATUS:
    if (head->status > 0) lua_pushinteger(L, head->status);
    else lua_pushnil(L);
    return;
  case REASON: push_optional(L, text, head->reason); return;
  case BODY: lua_pushstring(L, framings[head->framing]); return;
  case LENGTH: push_length(L, head); return;
  case KEEP_ALIVE: lua_pushboolean(L, head->keep_alive); return;
  case EXPECT_CONTINUE: lua_pushboolean(L, head->expect_continue); return;
  default: push_optional(L, text, head->upgrade); return;
  }
}

/* Pushes a field of the head at `index`. */
static void push_field(lua_State *L, int index, head_field field) {
  const kio_http_head_value *v = kio_http_check_head(L, index);
  if (field == HEADERS) kio_http_push_headers(L, index);
  else if (field <= AUTHORITY) push_request_field(L, kio_http_head_text(v), &v->head, field);
  else push_message_field(L, kio_http_head_text(v), &v->head, field);
}

/* Whether the key at index 2 names a field. Upvalue 1: the numbers of the fields by name. */
static bool names_field(lua_State *L, head_field *field) {
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  bool names = lua_rawget(L, lua_upvalueindex(1)) == LUA_TNUMBER;
  if (names) *field = (head_field)lua_tointeger(L, -1);
  lua_settop(L, 2);
  return names;
}

/* Upvalue 2: the methods. */
static int l_head_index(lua_State *L) {
  head_field field;
  if (names_field(L, &field)) push_field(L, 1, field);
  else lua_rawget(L, lua_upvalueindex(2));
  return 1;
}

/* The __index that l_head_indexer makes. Upvalues: the numbers, the methods, what knows the other
   keys, "head". */
static int l_index_by_head(lua_State *L) {
  head_field field;
  bool of_head = lua_istable(L, 1) && names_field(L, &field);
  if (of_head && (field <= VERSION || field == HEADERS)) {
    lua_pushvalue(L, lua_upvalueindex(4));
    lua_rawget(L, 1);
    push_field(L, 3, field);
    return 1;
  }
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL) return 1;
  lua_settop(L, 2);
  lua_pushvalue(L, lua_upvalueindex(3));
  lua_insert(L, 1);
  lua_call(L, 2, 1);
  return 1;
}

static void push_numbers(lua_State *L) {
  lua_newtable(L);
  for (size_t i = 0; i < KIO_COUNT(head_fields); i++) {
    lua_pushinteger(L, (lua_Integer)i + 1);
    lua_setfield(L, -2, head_fields[i]);
  }
}

/* head_indexer(methods, other) -> an __index for tables: what the head that stands in their field
   `head` says of a request, then methods, then what other(table, key) gives */
static int l_head_indexer(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  push_numbers(L);
  lua_insert(L, 1);
  lua_pushliteral(L, "head");
  lua_pushcclosure(L, l_index_by_head, 4);
  return 1;
}

const luaL_Reg kio_http_head_ops[] = {{"head_indexer", l_head_indexer}, {NULL, NULL}};

static const luaL_Reg head_methods[] = {
    {"list", l_list}, {"all", l_all}, {"facts", l_facts}, {NULL, NULL}};

static const kio_type head_type = {.name = HEAD_TYPE, .methods = {head_methods}};
static const kio_type headers_type = {.name = HEADERS_TYPE};

void kio_http_head_open(lua_State *L, const kio_guest *guest) {
  guest->type_open(L, &head_type);
  luaL_getmetatable(L, HEAD_TYPE);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &head_tag); /* found faster than by its name */
  push_numbers(L);
  lua_newtable(L);
  luaL_setfuncs(L, head_methods, 0);
  lua_pushcclosure(L, l_head_index, 2);
  lua_setfield(L, -2, "__index");
  guest->type_open(L, &headers_type);
  luaL_getmetatable(L, HEADERS_TYPE);
  lua_pushcfunction(L, l_headers_index);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, l_headers_pairs);
  lua_setfield(L, -2, "__pairs");
  lua_pop(L, 2);
}
