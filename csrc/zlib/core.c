/* The door of kio.zlib.core: a shared object of its own, which works with kio's by the table that
   kio has for its guests (net/guest.h). */
#include "zlib/core.h"

#include "net/guest.h"
#include "zlib/face.h"
#include "zlib/test_memory.h"

int luaopen_kio_zlib_core(lua_State *L) {
  luaL_checkversion(L);
  const kio_guest *guest = kio_guest_find(L, "kio.zlib");
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
