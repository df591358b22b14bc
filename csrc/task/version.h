/* What differs between the versions of Lua that kio is built for, 5.4 and 5.5. Nothing else asks
   which one it is. */
#ifndef KIO_TASK_VERSION_H
#define KIO_TASK_VERSION_H

#include <lua.h>

#include "base/base.h"

/* Since 5.5 a coroutine may close itself, and strings may lie in memory that is not Lua's. */
enum { KIO_LUA_CLOSES_ITSELF = LUA_VERSION_NUM >= 505 };
enum { KIO_LUA_TAKES_BYTES = LUA_VERSION_NUM >= 505 };

/* Closes the pending variables of co, called by `from`. The error, if any, is left on co's
   stack. */
static inline int kio_lua_close(lua_State *co, lua_State *from) {
#if LUA_VERSION_RELEASE_NUM >= 50406
  return lua_closethread(co, from);
#else
  (void)from;
  return lua_resetthread(co);
#endif
}

/* Has the running coroutine close itself: does not return, its resume does. */
static inline void kio_lua_close_itself(lua_State *L) {
  kio_assert(KIO_LUA_CLOSES_ITSELF);
  kio_lua_close(L, L);
}

/* Tells the collector of memory that it does not see: it works as if it had allocated that. What it
   finds may have a finalizer, which runs now. */
static inline void kio_lua_count(lua_State *L, size_t bytes) {
  if (bytes < 1024 || lua_gc(L, LUA_GCISRUNNING) == 0) return;
#if LUA_VERSION_NUM >= 505
  lua_gc(L, LUA_GCSTEP, bytes);
#else
  lua_gc(L, LUA_GCSTEP, (int)(bytes / 1024));
#endif
}

/* Pushes a string whose bytes lie at `data`, with a zero byte behind them. Lua has them until it
   calls release(owner, data, ...): when it collects the string, or before it raises for want of
   memory. */
static inline void kio_lua_push_bytes(lua_State *L, const char *data, size_t size,
                                      lua_Alloc release, void *owner) {
#if LUA_VERSION_NUM >= 505
  lua_pushexternalstring(L, data, size, release, owner);
#else
  (void)L, (void)data, (void)size, (void)release, (void)owner;
  kio_assert(KIO_LUA_TAKES_BYTES);
#endif
}

#endif
