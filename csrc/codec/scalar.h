/* The short way for a single value that needs neither memory nor a look around: nil, a boolean, a
   number, a short string. Its bytes are what codec/pack.c would have written. */
#ifndef KIO_CODEC_SCALAR_H
#define KIO_CODEC_SCALAR_H

#include <lua.h>

#include "thread/parcel.h"

/* Packs the value at `index`; false: it takes the long way, and nothing has happened. */
bool kio_scalar_pack(lua_State *L, int index, kio_parcel *out);
/* Pushes the only value of the parcel and empties that; false: it takes the long way, and nothing
   has happened. */
bool kio_scalar_unpack(lua_State *L, kio_parcel *parcel);

#endif
