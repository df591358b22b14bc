/* Handles that leave with a parcel: all of them or none, and back when nobody takes it. */
#ifndef KIO_CODEC_HANDLES_H
#define KIO_CODEC_HANDLES_H

#include <lua.h>

#include "thread/parcel.h"

/* Gives the handles that are in the list at `index`, by their places beside the parcel, all of them
   prepared. NULL; or why one cannot move any more, since a finalizer has run meanwhile: then none
   has moved. */
const char *kio_handles_give(lua_State *L, int index, kio_parcel *parcel);
/* Nobody has taken the parcel: the handles that have moved into it are again what they were, and it
   is freed. `index`: what kio_codec_pack_kept has pushed. Cannot fail. */
void kio_handles_restore(lua_State *L, int index, kio_parcel *parcel);

#endif
