/* The keys of WebSocket handshakes. Owns nothing. The thread of the Lua state. */
#include <string.h>
#include <sys/random.h>

#include "http/face.h"
#include "http/sha1.h"

enum { KEY_SIZE = 16 };

static void push_base64(lua_State *L, const uint8_t *bytes, size_t size) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  for (size_t at = 0; at < size; at += 3) {
    size_t left = size - at;
    unsigned group = (unsigned)bytes[at] << 16;
    if (left > 1) group |= (unsigned)bytes[at + 1] << 8;
    if (left > 2) group |= bytes[at + 2];
    luaL_addchar(&text, digits[group >> 18]);
    luaL_addchar(&text, digits[group >> 12 & 63]);
    luaL_addchar(&text, (char)(left > 1 ? digits[group >> 6 & 63] : '='));
    luaL_addchar(&text, (char)(left > 2 ? digits[group & 63] : '='));
  }
  luaL_pushresult(&text);
}

/* websocket_key() -> 16 random bytes, in Base64 */
static int l_key(lua_State *L) {
  uint8_t key[KEY_SIZE];
  if (getrandom(key, sizeof key, 0) != sizeof key) luaL_error(L, "no random bytes can be had");
  push_base64(L, key, sizeof key);
  return 1;
}

/* websocket_accept(key) -> what a server answers to it */
static int l_accept(lua_State *L) {
  uint8_t digest[KIO_HTTP_SHA1_SIZE];
  size_t size;
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  lua_pushliteral(L, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"); /* RFC 6455, section 1.3 */
  lua_concat(L, 2);
  const char *text = lua_tolstring(L, 1, &size);
  kio_http_sha1(text, size, digest);
  push_base64(L, digest, sizeof digest);
  return 1;
}

const luaL_Reg kio_http_accept_ops[] = {
    {"websocket_key", l_key},
    {"websocket_accept", l_accept},
    {NULL, NULL},
};
