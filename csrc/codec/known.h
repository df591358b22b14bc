/* What has a name in every Lua state: loaded modules, and the functions and objects in them. A
   module is a value of package.loaded that is a function, a userdata, or a table with such a field;
   a table with none is data. What is found is kept for the next time: an entry for each address. */
#ifndef KIO_CODEC_KNOWN_H
#define KIO_CODEC_KNOWN_H

#include <lua.h>

#include "base/base.h"

typedef struct kio_known kio_known;

/* Pushes what is known now, in this Lua state; good as long as that is on the stack, except for
   modules that have been unloaded or changed meanwhile. Looks through package.loaded, and through
   the modules when one of them is new. Raises when memory is out. Each of these functions needs 8
   free places on the stack. */
kio_known *kio_known_here(lua_State *L);
/* kio_known_here, looking through all modules again: for what was put into one since. */
kio_known *kio_known_again(lua_State *L);
/* Finds the table, function or userdata at `index`: the name of its module, or NULL. For a member
   it pushes the key under which the module holds it, else nil; nothing when it finds none. */
const char *kio_known_find(lua_State *L, kio_known *known, int index);

#endif
