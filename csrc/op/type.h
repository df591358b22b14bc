/* Kinds of userdata: what their metatables hold, how the collector ends one, how one moves to
   another thread. A program reaches every metatable, at the latest with the debug library, and can
   call what is in it: on a handle in use, on one of another kind, on nothing, and twice. Only the
   collector knows that nobody uses a handle any more. */
#ifndef KIO_OP_TYPE_H
#define KIO_OP_TYPE_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

/* How userdata move. An object is what travels in place of one: C memory that belongs to no state
   and no scheduler. One that is shared instead of moved gives a reference, and keeps its own. */
typedef struct kio_handle_kind {
  /* May the userdata at `index` move now? NULL, or why not. Sets *spare to an object that give will
     leave behind or fill, so that give needs no memory. Changes nothing. */
  const char *(*prepare)(lua_State *L, int index, void **spare);
  /* Moves it out and closes it here, in exchange for the spare. Cannot fail. */
  void *(*give)(lua_State *L, int index, void *spare);
  /* Pushes a userdata for the object, which belongs to it from then on. When it raises (memory)
     the object is still the parcel's. */
  void (*take)(lua_State *L, void *object);
  /* Disposes of an object that nobody took, or of a spare. Any thread may call it. */
  void (*drop)(void *object);
  /* Undoes give, in the state and on the thread that gave: the userdata has its object again.
     NULL: it is shared, and has it still. */
  void (*restore)(lua_State *L, int index, void *object);
} kio_handle_kind;

/* `give` of shared kinds: the reference that `prepare` has taken. */
void *kio_handle_give_reference(lua_State *L, int index, void *spare);

/* One kind of userdata; it must outlive the state. */
typedef struct kio_type {
  const char *name;             /* of its metatable in the registry; its __name */
  const luaL_Reg *methods[6];   /* tables of them; fewer end with a NULL */
  void (*end)(void *self);      /* when the collector has found it; NULL: it owns nothing */
  lua_CFunction close;          /* __close; kio_type_l_close: `end`, which then is harmless twice */
  lua_CFunction tostring, len;  /* __tostring, __len */
  const kio_handle_kind *moves; /* NULL: it stays in its state */
} kio_type;

/* Makes its metatable; NULL fields are left out. Harmless when it is there. */
void kio_type_open(lua_State *L, const kio_type *type);
/* Pushes the table of its methods, to which others may add. */
void kio_type_push_methods(lua_State *L, const kio_type *type);
/* The type of the userdata at `index`; NULL when it is none of these. Runs no Lua code, takes no
   memory. */
const kio_type *kio_type_of(lua_State *L, int index);
/* A __close. */
int kio_type_l_close(lua_State *L);
/* Whether the collector has called the function at this level of the stack, 0 being the running
   one. */
bool kio_called_by_collector(lua_State *L, int level);

#endif
