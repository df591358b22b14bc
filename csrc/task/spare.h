/* Blocks of Lua's memory that were freed, kept for the next ones of their size. A task is five of
   them and its end frees as many; the collector frees those of many tasks at once, more than what
   malloc keeps at hand, so that each took some 400 instructions from there and back.
   It stands between Lua and its allocator during a run, and holds nothing that is not the
   allocator's: each block goes back to it with the size it was asked for, at the latest when the
   run ends. Called by the thread of the Lua state only. */
#ifndef KIO_TASK_SPARE_H
#define KIO_TASK_SPARE_H

#include <lua.h>

typedef struct kio_spare kio_spare;

/* From now on. NULL: there is no memory for that, or none is to be kept. */
kio_spare *kio_spare_install(lua_State *L);
/* Gives all of them back, and takes it away. When another allocator was put over it, or in its
   place, it stays where it is and keeps nothing. NULL is allowed. */
void kio_spare_remove(lua_State *L, kio_spare *spare);

#endif
