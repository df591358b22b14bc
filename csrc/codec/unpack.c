/* Unpacking. Owns nothing: the parcel is freed by kio_codec_unpack however the walk ends, and what
   the walk makes is Lua's. Trusts no byte of `data`: every number is checked before it is used, and
   sizes must be covered by bytes that are there. Called by the thread of the Lua state. */
#include "codec/unpack.h"

#include <lauxlib.h>
#include <string.h>

#include "codec/scalar.h"
#include "codec/wire.h"
#include "op/type.h"

enum { VALUES_MAX = 1000000 }; /* more than fit on a Lua stack */

typedef struct reader {
  lua_State *L;
  kio_parcel *parcel;
  const char *at;    /* the next byte */
  const char *end;   /* behind the last one */
  size_t promised;   /* values that may still be announced: each takes a byte at least */
  unsigned depth;    /* values around the one that is read */
  uint64_t objects;  /* numbered so far */
  uint64_t upvalues; /* numbered so far */
  int known;         /* stack index of a table: objects by number, from 1; nil: none so far */
  int owners;        /* and of one: of upvalue n the function at 2n + 1, its place behind it */
} reader;

/* ---- bytes ---- */

static _Noreturn void garbage(reader *r, const char *what) {
  lua_pushfstring(r->L, "not a parcel: %s", what);
  lua_error(r->L);
  abort(); /* lua_error does not return */
}

static const char *take(reader *r, size_t size) {
  if (size > (size_t)(r->end - r->at)) garbage(r, "it ends too early");
  r->at += size;
  return r->at - size;
}

static uint64_t take_number(reader *r) {
  uint64_t number = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    uint64_t byte = (unsigned char)*take(r, 1);
    if (shift == 63 && byte > 1) break;
    number |= (byte & 127) << shift;
    if (byte < 128) return number;
  }
  garbage(r, "a number without end");
}

/* Values are announced that must still come. */
static void promise(reader *r, uint64_t count) {
  if (count > r->promised) garbage(r, "more values than bytes");
  r->promised -= count;
}

/* ---- what comes again ---- */

/* Makes a table where there is nil. */
static void need_table(reader *r, int index) {
  if (!lua_isnil(r->L, index)) return;
  lua_newtable(r->L);
  lua_replace(r->L, index);
}

/* The value on top is the next object. Behind the last byte nobody will ask for it. */
static void number_object(reader *r) {
  if (r->at == r->end) return;
  need_table(r, r->known);
  lua_pushvalue(r->L, -1);
  lua_rawseti(r->L, r->known, (lua_Integer)++r->objects);
}

static void read_again(reader *r) {
  uint64_t number = take_number(r);
  if (number >= r->objects) garbage(r, "a reference to nothing");
  lua_rawgeti(r->L, r->known, (lua_Integer)number + 1);
}

static kio_beside *take_beside(reader *r, int tag) {
  uint64_t number = take_number(r);
  if (number >= r->parcel->beside_count) garbage(r, "a reference to nothing beside it");
  kio_beside *beside = &r->parcel->beside[number];
  if (beside->tag != tag) garbage(r, "a reference to the wrong thing beside it");
  return beside;
}

/* ---- values ---- */

static void read_value(reader *r);

static void go_deeper(reader *r) {
  if (++r->depth > KIO_WIRE_DEPTH_MAX) garbage(r, "nested too deep");
  luaL_checkstack(r->L, 12, NULL);
}

static void read_integer(reader *r) {
  uint64_t bits = take_number(r);
  lua_pushinteger(r->L, (lua_Integer)(bits & 1 ? ~(bits >> 1) : bits >> 1));
}

static void read_float(reader *r) {
  lua_Number value;
  memcpy(&value, take(r, sizeof value), sizeof value);
  lua_pushnumber(r->L, value);
}

static void read_string(reader *r) {
  uint64_t size = take_number(r);
  lua_pushlstring(r->L, take(r, size), size);
  if (size >= KIO_WIRE_SHARED) number_object(r);
}

/* Reads a key and its value into the table at `index`. */
static void read_pair(reader *r, int index) {
  read_value(r);
  int type = lua_type(r->L, -1);
  lua_Number number = lua_tonumber(r->L, -1);
  bool nan = type == LUA_TNUMBER && number != number;
  if (type == LUA_TNIL || nan) garbage(r, "a key that is nil or NaN");
  read_value(r);
  lua_rawset(r->L, index);
}

static void read_table(reader *r) {
  kio_wire_sizes sizes;
  lua_State *L = r->L;
  go_deeper(r);
  memcpy(&sizes, take(r, sizeof sizes), sizeof sizes);
  promise(r, (uint64_t)sizes.list + 2 * (uint64_t)sizes.pairs);
  if (sizes.list > INT32_MAX || sizes.pairs > INT32_MAX) garbage(r, "a table beyond all size");
  lua_createtable(L, (int)sizes.list, (int)sizes.pairs);
  int index = lua_gettop(L);
  number_object(r);
  for (uint32_t i = 1; i <= sizes.list; i++) {
    read_value(r);
    lua_rawseti(L, index, i);
  }
  for (uint32_t i = 0; i < sizes.pairs; i++) read_pair(r, index);
  r->depth--;
}

/* ---- functions and names ---- */

typedef struct code {
  const char *bytes;
  size_t size; /* 0: given to Lua */
} code;

static const char *code_piece(lua_State *L, void *ud, size_t *size) {
  code *c = ud;
  (void)L;
  *size = c->size;
  c->size = 0;
  return c->bytes;
}

/* The n-th upvalue of the function at `index` is new: reads its value. */
static void read_upvalue(reader *r, int index, int n) {
  lua_State *L = r->L;
  lua_Integer number = (lua_Integer)r->upvalues++;
  need_table(r, r->owners);
  lua_pushvalue(L, index);
  lua_rawseti(L, r->owners, 2 * number + 1);
  lua_pushinteger(L, n);
  lua_rawseti(L, r->owners, 2 * number + 2);
  read_value(r);
  lua_setupvalue(L, index, n);
}

/* It is the same variable as one that was read before. */
static void join_upvalue(reader *r, int index, int n, uint64_t number) {
  lua_State *L = r->L;
  if (number > r->upvalues) garbage(r, "an upvalue out of turn");
  lua_rawgeti(L, r->owners, 2 * (lua_Integer)number + 2);
  int place = (int)lua_tointeger(L, -1);
  lua_rawgeti(L, r->owners, 2 * (lua_Integer)number + 1);
  lua_upvaluejoin(L, index, n, lua_gettop(L), place);
  lua_pop(L, 2);
}

static void read_function(reader *r) {
  lua_State *L = r->L;
  lua_Debug info;
  const kio_beside *beside = take_beside(r, KIO_WIRE_FUNCTION);
  code c = {r->parcel->trusted + beside->at, beside->size};
  go_deeper(r);
  if (lua_load(L, code_piece, &c, "=parcel", "b") != LUA_OK) lua_error(L);
  int index = lua_gettop(L);
  number_object(r);
  lua_pushvalue(L, index);
  lua_getinfo(L, ">u", &info);
  if (take_number(r) != info.nups) garbage(r, "a function with the wrong upvalues");
  for (int i = 1; i <= info.nups; i++) {
    uint64_t number = take_number(r);
    if (number == r->upvalues) read_upvalue(r, index, i);
    else join_upvalue(r, index, i, number);
  }
  r->depth--;
}

/* Pushes the module, loading it when this state has not. */
static void push_module(reader *r, const char *name) {
  lua_State *L = r->L;
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
  if (lua_toboolean(L, -1)) return;
  lua_pop(L, 1);
  lua_getglobal(L, "require");
  lua_pushstring(L, name);
  lua_call(L, 1, 1);
}

static void read_name(reader *r) {
  lua_State *L = r->L;
  const kio_beside *beside = take_beside(r, KIO_WIRE_NAME);
  const char *module = r->parcel->trusted + beside->at;
  luaL_checkstack(L, 12, NULL);
  size_t head = strlen(module) + 1;
  push_module(r, module);
  if (head < beside->size) {
    const char *key = module + head;
    if (lua_getfield(L, -1, key) == LUA_TNIL) {
      luaL_error(L, "module '%s' has no field '%s' on this thread", module, key);
    }
    lua_remove(L, -2);
  }
  number_object(r);
}

static void read_handle(reader *r) {
  kio_beside *beside = take_beside(r, KIO_WIRE_HANDLE);
  const kio_handle_kind *kind = beside->kind;
  if (!beside->object) garbage(r, "a handle that was taken before");
  luaL_checkstack(r->L, 12, NULL);
  push_module(r, "kio"); /* for its metatables, and what is written in Lua */
  lua_pop(r->L, 1);
  kind->take(r->L, beside->object);
  beside->object = NULL;
  number_object(r);
}

/* ---- the walk ---- */

/* Pushes the next value. */
static void read_value(reader *r) {
  unsigned char tag = (unsigned char)*take(r, 1);
  if (tag >= KIO_WIRE_SMALL) {
    lua_pushinteger(r->L, tag - KIO_WIRE_SMALL);
    return;
  }
  switch ((kio_wire_tag)tag) {
  case KIO_WIRE_NIL: lua_pushnil(r->L); break;
  case KIO_WIRE_FALSE: lua_pushboolean(r->L, false); break;
  case KIO_WIRE_TRUE: lua_pushboolean(r->L, true); break;
  case KIO_WIRE_INTEGER: read_integer(r); break;
  case KIO_WIRE_FLOAT: read_float(r); break;
  case KIO_WIRE_STRING: read_string(r); break;
  case KIO_WIRE_TABLE: read_table(r); break;
  case KIO_WIRE_FUNCTION: read_function(r); break;
  case KIO_WIRE_NAME: read_name(r); break;
  case KIO_WIRE_HANDLE: read_handle(r); break;
  case KIO_WIRE_GLOBALS: lua_pushglobaltable(r->L); break;
  case KIO_WIRE_AGAIN: read_again(r); break;
  default: garbage(r, "an unknown tag");
  }
}

/* (parcel): pushes its values. */
static int l_unpack(lua_State *L) {
  kio_parcel *parcel = lua_touserdata(L, 1);
  const char *bytes = kio_parcel_bytes(parcel);
  reader r = {.L = L, .parcel = parcel, .at = bytes, .end = bytes + parcel->size};
  r.promised = parcel->size;
  lua_settop(L, 3);
  r.known = 2;
  r.owners = 3;
  uint64_t count = take_number(&r);
  promise(&r, count);
  if (count > VALUES_MAX) garbage(&r, "too many values");
  luaL_checkstack(L, (int)count + 12, "too many values");
  for (uint64_t i = 0; i < count; i++) read_value(&r);
  if (r.at != r.end) garbage(&r, "bytes behind the last value");
  return (int)count;
}

int kio_codec_unpack(lua_State *L, kio_parcel *parcel) {
  if (kio_scalar_unpack(L, parcel)) return 1;
  int top = lua_gettop(L);
  bool room = lua_checkstack(L, 8);
  int status = LUA_ERRMEM;
  if (room) {
    lua_pushcfunction(L, l_unpack);
    lua_pushlightuserdata(L, parcel);
    status = lua_pcall(L, 1, LUA_MULTRET, 0);
  }
  kio_parcel_free(parcel);
  if (!room) luaL_error(L, "stack overflow");
  if (status == LUA_ERRMEM) lua_error(L);
  if (status == LUA_OK) return lua_gettop(L) - top;
  if (lua_type(L, -1) == LUA_TSTRING) return -1;
  lua_settop(L, top); /* a module's error that is no text */
  lua_pushliteral(L, "a module that this value needs raised an error that is no text");
  return -1;
}
