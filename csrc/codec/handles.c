/* Owns nothing: lets handles leave with their parcel, all or none. */
#include "codec/handles.h"

#include "op/type.h"

/* Why handle `i` cannot move any more; NULL: it is prepared anew. */
static const char *prepare_again(lua_State *L, int index, kio_beside *beside, size_t i) {
  const kio_handle_kind *kind = beside->kind;
  void *spare = NULL;
  if (!kind || !kind->restore) return NULL; /* it does not move */
  lua_rawgeti(L, index, (lua_Integer)i + 1);
  const char *why = kind->prepare(L, lua_gettop(L), &spare);
  lua_pop(L, 1);
  if (why) return why;
  kind->drop(beside->object);
  beside->object = spare;
  return NULL;
}

/* Nothing here takes Lua's memory, so no finalizer runs. */
const char *kio_handles_give(lua_State *L, int index, kio_parcel *parcel) {
  const char *why = NULL;
  for (size_t i = 0; i < parcel->beside_count && !why; i++) {
    why = prepare_again(L, index, &parcel->beside[i], i);
  }
  for (size_t i = 0; i < parcel->beside_count && !why; i++) {
    kio_beside *beside = &parcel->beside[i];
    const kio_handle_kind *kind = beside->kind;
    if (!kind) continue;
    lua_rawgeti(L, index, (lua_Integer)i + 1);
    beside->object = kind->give(L, lua_gettop(L), beside->object);
    lua_pop(L, 1);
  }
  return why;
}

/* A shared handle has its reference still: that of the parcel goes with it. */
void kio_handles_restore(lua_State *L, int index, kio_parcel *parcel) {
  for (size_t i = 0; i < parcel->beside_count; i++) {
    kio_beside *beside = &parcel->beside[i];
    const kio_handle_kind *kind = beside->kind;
    if (!kind || !kind->restore) continue;
    lua_rawgeti(L, index, (lua_Integer)i + 1);
    kind->restore(L, lua_gettop(L), beside->object);
    beside->object = NULL;
    lua_pop(L, 1);
  }
  kio_parcel_free(parcel);
}
