/* The other end of codec/pack.h: a parcel becomes Lua values again. */
#ifndef KIO_CODEC_UNPACK_H
#define KIO_CODEC_UNPACK_H

#include <lua.h>

#include "thread/parcel.h"

/* Pushes the values and returns how many; -1 after pushing a message (bytes that make no sense, a
   module that cannot be loaded here). Uses the parcel up in every case. May run the Lua code of
   modules that are required here for the first time; must not be called where that is forbidden.
   Raises only when Lua's memory is out. */
int kio_codec_unpack(lua_State *L, kio_parcel *parcel);

#endif
