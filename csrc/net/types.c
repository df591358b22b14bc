/* Puts the methods of each type together. Owns nothing. It stands above the files whose methods
   these are, so that none of them has to know another. Called when the module is opened. */
#include "net/types.h"

#include <lauxlib.h>

#include "net/sockopt.h"
#include "net/stream_lua.h"
#include "net/udp.h"

static void open_type(lua_State *L, const kio_handle_kind *kind, const luaL_Reg *metamethods,
                      const luaL_Reg *const *rooms) {
  luaL_newmetatable(L, kind->type);
  kio_handle_register(L, kind);
  luaL_setfuncs(L, metamethods, 0);
  lua_newtable(L);
  for (; *rooms; rooms++) luaL_setfuncs(L, *rooms, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__index");
  lua_remove(L, -2);
}

void kio_stream_open(lua_State *L) {
  const luaL_Reg *const rooms[] = {kio_stream_methods, kio_read_methods, kio_socket_methods,
                                   kio_fds_methods, NULL};
  open_type(L, &kio_stream_kind, kio_stream_metamethods, rooms);
}

void kio_udp_open(lua_State *L) {
  const luaL_Reg *const rooms[] = {kio_udp_methods, kio_message_methods, kio_fds_methods,
                                   kio_socket_methods, NULL};
  open_type(L, &kio_udp_kind, kio_udp_metamethods, rooms);
}
