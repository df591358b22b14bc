/* The door of kio.zlib.core: a shared object of its own, which works with kio's by the table that
   kio has for its guests (net/guest.h). */
#include "zlib/core.h"

#include "net/guest.h"
#include "zlib/face.h"
#include "zlib/test_memory.h"

static const kio_guest *find_kio(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, KIO_GUEST_KEY);
  const kio_guest *guest = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (!guest) luaL_error(L, "kio.zlib: this kio is too old, or was not required before");
  if (guest->abi != KIO_GUEST_ABI) {
    luaL_error(L,
               "kio.zlib: kio has version %d of the interface for it, and this is for version %d:"
               " install both anew",
               (int)guest->abi, KIO_GUEST_ABI);
  }
  return guest;
}

int luaopen_kio_zlib_core(lua_State *L) {
  luaL_checkversion(L);
  const kio_guest *guest = find_kio(L);
  guest->type_open(L, &kio_zlib_deflate_type);
  guest->type_open(L, &kio_zlib_inflate_type);
  lua_createtable(L, 0, 6);
  luaL_setfuncs(L, kio_zlib_coder_ops, 0);
  luaL_setfuncs(L, kio_zlib_sum_ops, 0);
#ifdef KIO_TEST
  luaL_setfuncs(L, kio_zlib_test_memory_ops, 0);
#endif
  return 1;
}
