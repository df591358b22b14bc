/* Owns nothing: puts the kinds of handles that move together. */
#include "lua_codec.h"

#include <lauxlib.h>

static const kio_handle_kind *const kinds[] = {&kio_stream_kind, &kio_listener_kind, &kio_udp_kind,
                                               &kio_buffer_kind, NULL};

const kio_handle_kind *kio_handle_kind_of(lua_State *L, int index) {
  for (size_t i = 0; kinds[i]; i++) {
    if (luaL_testudata(L, index, kinds[i]->type)) return kinds[i];
  }
  return NULL;
}
