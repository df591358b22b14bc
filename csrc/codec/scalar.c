/* Owns nothing. Never raises. Called by the thread of the Lua state. */
#include "codec/scalar.h"

#include <string.h>

#include "codec/wire.h"

enum { HEAD = 2, STRING_MAX = KIO_WIRE_SHARED - 1 }; /* the count and a tag; longer are objects */

static void put_head(kio_parcel *out, int tag) {
  out->small[0] = 1;
  out->small[1] = (char)tag;
  out->size = HEAD;
}

static void put_byte(kio_parcel *out, uint64_t byte) {
  out->small[out->size++] = (char)(unsigned char)byte;
}

static void put_integer(kio_parcel *out, lua_Integer value) {
  uint64_t bits = (uint64_t)value;
  if (value >= 0 && value < 128) {
    put_head(out, KIO_WIRE_SMALL + (int)value);
    return;
  }
  put_head(out, KIO_WIRE_INTEGER);
  bits = value < 0 ? ~(bits << 1) : bits << 1;
  for (; bits >= 128; bits >>= 7) put_byte(out, bits | 128);
  put_byte(out, bits);
}

static void put_bytes(kio_parcel *out, const void *bytes, size_t size) {
  memcpy(out->small + out->size, bytes, size);
  out->size += size;
}

static bool put_string(lua_State *L, int index, kio_parcel *out) {
  size_t size;
  const char *text = lua_tolstring(L, index, &size);
  if (size > STRING_MAX) return false;
  put_head(out, KIO_WIRE_STRING);
  put_byte(out, size);
  put_bytes(out, text, size);
  return true;
}

static void put_number(lua_State *L, int index, kio_parcel *out) {
  if (lua_isinteger(L, index)) {
    put_integer(out, lua_tointeger(L, index));
  } else {
    lua_Number value = lua_tonumber(L, index);
    put_head(out, KIO_WIRE_FLOAT);
    put_bytes(out, &value, sizeof value);
  }
}

bool kio_scalar_pack(lua_State *L, int index, kio_parcel *out) {
  *out = (kio_parcel){0};
  switch (lua_type(L, index)) {
  case LUA_TNIL: put_head(out, KIO_WIRE_NIL); return true;
  case LUA_TBOOLEAN:
    put_head(out, lua_toboolean(L, index) ? KIO_WIRE_TRUE : KIO_WIRE_FALSE);
    return true;
  case LUA_TNUMBER: put_number(L, index, out); return true;
  case LUA_TSTRING: return put_string(L, index, out);
  default: return false;
  }
}

/* Pushes the integer that is all the rest; false: it is not that. */
static bool push_integer(lua_State *L, const unsigned char *at, size_t size) {
  uint64_t bits = 0;
  if (size == 0 || size > 9) return false; /* 9 groups of 7 bits */
  for (size_t i = 0; i < size; i++) {
    if ((at[i] < 128) != (i == size - 1)) return false;
    bits |= (uint64_t)(at[i] & 127) << 7 * i;
  }
  lua_pushinteger(L, (lua_Integer)(bits & 1 ? ~(bits >> 1) : bits >> 1));
  return true;
}

static bool push_float(lua_State *L, const unsigned char *at, size_t size) {
  lua_Number value;
  if (size != sizeof value) return false;
  memcpy(&value, at, sizeof value);
  lua_pushnumber(L, value);
  return true;
}

static bool push_value(lua_State *L, const unsigned char *bytes, size_t size) {
  if (bytes[1] == KIO_WIRE_INTEGER) return push_integer(L, bytes + HEAD, size - HEAD);
  if (bytes[1] == KIO_WIRE_FLOAT) return push_float(L, bytes + HEAD, size - HEAD);
  if (size != HEAD) return false;
  if (bytes[1] >= KIO_WIRE_SMALL) lua_pushinteger(L, bytes[1] - KIO_WIRE_SMALL);
  else if (bytes[1] == KIO_WIRE_FALSE || bytes[1] == KIO_WIRE_TRUE)
    lua_pushboolean(L, bytes[1] == KIO_WIRE_TRUE);
  else return false;
  return true;
}

bool kio_scalar_unpack(lua_State *L, kio_parcel *parcel) {
  const unsigned char *bytes = (const unsigned char *)parcel->small;
  bool small = !parcel->data && parcel->size >= HEAD && bytes[0] == 1 && lua_checkstack(L, 1);
  if (!small || !push_value(L, bytes, parcel->size)) return false;
  parcel->size = 0;
  return true;
}
