/* Kinds of userdata that move to another thread. A room registers its kind in the metatable, so the
   codec finds it there, and another library can bring a handle that moves. */
#ifndef KIO_OP_HANDLE_H
#define KIO_OP_HANDLE_H

#include <lua.h>

/* A kind of userdata that moves. An object is what travels in its place: C memory that belongs to
   no state and no scheduler. One that is shared instead of moved gives a reference, and keeps its
   own. */
typedef struct kio_handle_kind {
  const char *type; /* the name of its metatable in the registry */
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

/* The metatable on top of the stack is that of `kind`, which must outlive the state. May raise
   (memory). */
void kio_handle_register(lua_State *L, const kio_handle_kind *kind);
/* The kind of the userdata at `index`; NULL when it cannot move. Runs no Lua code, takes no
   memory. */
const kio_handle_kind *kio_handle_kind_of(lua_State *L, int index);

#endif
