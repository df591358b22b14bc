/* Test builds only: the codec for specs. A parcel is a userdata until something unpacks it; a peer
   is a Lua state of its own, on the same thread. */
#include "test/codec.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "base/memory.h"
#include "codec/pack.h"
#include "codec/unpack.h"
#include "op/registry.h"

#define PARCEL_TYPE "kio.test.Parcel"
#define PEER_TYPE "kio.test.Peer"

/* ---- parcels ---- */

static kio_parcel *push_parcel(lua_State *L) {
  kio_parcel *parcel = lua_newuserdatauv(L, sizeof *parcel, 0);
  *parcel = (kio_parcel){0};
  luaL_setmetatable(L, PARCEL_TYPE);
  return parcel;
}

static kio_parcel *check_parcel(lua_State *L, int index) {
  kio_parcel *parcel = luaL_checkudata(L, index, PARCEL_TYPE);
  luaL_argcheck(L, parcel->data || parcel->size > 0, index, "the parcel is empty");
  return parcel;
}

static void free_parcel(void *self) {
  kio_parcel_free(self);
}

/* nil and the message on top */
static int refused(lua_State *L) {
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

/* codec_pack(limits, ...) -> parcel | nil, message; limits: nil or { size =, depth =, what = } */
static int l_pack(lua_State *L) {
  kio_codec_limits limits = {1 << 30, 200, "arg", false};
  bool limited = lua_istable(L, 1);
  if (limited) {
    if (lua_getfield(L, 1, "size") != LUA_TNIL) limits.size_max = (size_t)lua_tointeger(L, -1);
    if (lua_getfield(L, 1, "depth") != LUA_TNIL) limits.depth_max = (unsigned)lua_tointeger(L, -1);
    if (lua_getfield(L, 1, "what") != LUA_TNIL) limits.what = lua_tostring(L, -1);
    lua_pop(L, 3);
  }
  kio_parcel *parcel = push_parcel(L);
  lua_replace(L, 1);
  bool packed = kio_codec_pack(L, 2, lua_gettop(L) - 1, parcel, limited ? &limits : NULL);
  if (!packed) return refused(L);
  lua_settop(L, 1);
  return 1;
}

/* codec_unpack(parcel) -> true, values... | nil, message */
static int l_unpack(lua_State *L) {
  kio_parcel *parcel = check_parcel(L, 1);
  lua_pushboolean(L, true);
  int count = kio_codec_unpack(L, parcel);
  return count < 0 ? refused(L) : count + 1;
}

static bool set_bytes(kio_parcel *parcel, const char *bytes, size_t size) {
  char *copy = kio_memory_resize(NULL, size + 1);
  if (!copy) return false;
  memcpy(copy, bytes, size);
  kio_memory_free(parcel->data);
  parcel->data = copy;
  parcel->size = size;
  return true;
}

/* codec_bytes(parcel) -> its bytes, without what is beside them */
static int l_bytes(lua_State *L) {
  const kio_parcel *parcel = check_parcel(L, 1);
  lua_pushlstring(L, kio_parcel_bytes(parcel), parcel->size);
  return 1;
}

/* codec_parcel(bytes [, parcel]) -> a parcel of these bytes, or the one given with its bytes
   replaced */
static int l_parcel(lua_State *L) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  kio_parcel *parcel = lua_isnoneornil(L, 2) ? push_parcel(L) : check_parcel(L, 2);
  if (!set_bytes(parcel, bytes, size)) return luaL_error(L, "not enough memory");
  return 1;
}

/* ---- peers ---- */

/* Makes modules be found where this state finds them. */
static void copy_path(lua_State *L, lua_State *peer, const char *name) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, name);
  lua_getglobal(peer, "package");
  lua_pushstring(peer, lua_tostring(L, -1));
  lua_setfield(peer, -2, name);
  lua_pop(peer, 1);
  lua_pop(L, 2);
}

static lua_State *check_peer(lua_State *L) {
  lua_State **peer = luaL_checkudata(L, 1, PEER_TYPE);
  luaL_argcheck(L, *peer, 1, "the peer is closed");
  return *peer;
}

static void close_peer(void *self) {
  lua_State **peer = self;
  if (*peer) lua_close(*peer);
  *peer = NULL;
}

/* codec_peer() -> a fresh Lua state that finds modules where this one does */
static int l_peer(lua_State *L) {
  lua_State **peer = lua_newuserdatauv(L, sizeof *peer, 0);
  *peer = NULL;
  luaL_setmetatable(L, PEER_TYPE);
  *peer = luaL_newstate();
  if (!*peer) return luaL_error(L, "not enough memory");
  luaL_openlibs(*peer);
  copy_path(L, *peer, "path");
  copy_path(L, *peer, "cpath");
  return 1;
}

/* What the peer's stack holds from index 1 on, packed by it. */
static int answer(lua_State *L, lua_State *peer, kio_parcel *out) {
  kio_codec_limits limits = {1 << 30, 200, "result", false};
  bool packed = kio_codec_pack(peer, 1, lua_gettop(peer), out, &limits);
  if (packed) return 1;
  lua_pushnil(L);
  lua_pushstring(L, lua_tostring(peer, -1));
  return 2;
}

/* codec_call(peer, parcel, source) -> parcel | nil, message: runs the source in the peer with the
   parcel's values; what it returns comes back */
static int l_call(lua_State *L) {
  lua_State *peer = check_peer(L);
  kio_parcel *parcel = check_parcel(L, 2);
  const char *source = luaL_checkstring(L, 3);
  kio_parcel *out = push_parcel(L);
  lua_settop(peer, 0);
  int failed = luaL_loadstring(peer, source);
  int count = failed ? -1 : kio_codec_unpack(peer, parcel);
  if (count >= 0) failed = lua_pcall(peer, count, LUA_MULTRET, 0);
  if (count < 0 || failed) {
    lua_pushnil(L);
    lua_pushstring(L, lua_tostring(peer, -1));
    return 2;
  }
  return answer(L, peer, out);
}

static const kio_type types[] = {
    {.name = PARCEL_TYPE, .end = free_parcel, .close = kio_type_l_close},
    {.name = PEER_TYPE, .end = close_peer, .close = kio_type_l_close},
};

void kio_test_codec_open(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"codec_pack", l_pack},
      {"codec_unpack", l_unpack},
      {"codec_bytes", l_bytes},
      {"codec_parcel", l_parcel},
      {"codec_peer", l_peer},
      {"codec_call", l_call},
      {NULL, NULL},
  };
  for (size_t i = 0; i < KIO_COUNT(types); i++) kio_type_open(L, &types[i]);
  luaL_setfuncs(L, functions, 0);
}
