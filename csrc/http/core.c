/* The door of kio.http.core: a shared object of its own, which works with kio's by the table for
   its guests (net/guest.h). It makes no handles that outlive a Lua state. */
#include "http/core.h"

#include "http/answer.h"
#include "http/face.h"

/* Whose first upvalue is kio's table. */
static const luaL_Reg *const rooms[] = {kio_http_head_ops,   kio_http_read_ops,  kio_http_body_ops,
                                        kio_http_encode_ops, kio_http_write_ops, kio_http_frame_ops,
                                        kio_http_accept_ops, kio_http_about_ops};

int luaopen_kio_http_core(lua_State *L) {
  luaL_checkversion(L);
  const kio_guest *guest = kio_guest_find(L, "kio.http");
  kio_http_head_open(L, guest);
  kio_http_body_open(L, guest);
  kio_http_frames_open(L, guest);
  lua_createtable(L, 0, 16);
  for (size_t i = 0; i < KIO_COUNT(rooms); i++) {
    lua_pushlightuserdata(L, (void *)(uintptr_t)guest);
    luaL_setfuncs(L, rooms[i], 1);
  }
  kio_http_answer_open(L, guest);
  return 1;
}
