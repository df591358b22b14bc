/* Lua values from one Lua state to another: packed into a parcel here, unpacked there.
   What crosses: nil, booleans, numbers (exact), strings, tables (cycles and shared references stay
   what they are), Lua functions with their upvalues, modules and what they hold by name, kio's
   handles (they move: the sender's is closed then). Everything else is refused by its path. */
#ifndef KIO_CODEC_CODEC_H
#define KIO_CODEC_CODEC_H

#include <lua.h>

#include "thread/parcel.h"

typedef struct kio_codec_limits {
  size_t size_max;    /* bytes of values, code and names; what a buffer moves is not counted */
  unsigned depth_max; /* tables within tables, functions within functions; at most 200 */
  const char *what;   /* what the values are to the user: "arg", "result", "message" */
  bool only_copies;   /* what moves is refused: the values are to go to several */
} kio_codec_limits;

/* Packs the `count` values from stack index `first` into *out. False after pushing a message that
   names what cannot cross, by its path ("arg 2.config.logger: userdata (FILE*) cannot cross to
   another thread"): then nothing has moved, and *out is empty. NULL limits: the usual ones.
   Runs no Lua code. Raises only when Lua's memory is out, with nothing moved or left behind. */
bool kio_codec_pack(lua_State *L, int first, int count, kio_parcel *out,
                    const kio_codec_limits *limits);
/* The same, and pushes what kio_codec_restore needs. */
bool kio_codec_pack_kept(lua_State *L, int first, int count, kio_parcel *out,
                         const kio_codec_limits *limits);
/* Nobody has taken the parcel: the handles that have moved into it are again what they were, and it
   is freed. `index`: what kio_codec_pack_kept has pushed. Cannot fail. */
void kio_codec_restore(lua_State *L, int index, kio_parcel *parcel);
/* Pushes the values and returns how many; -1 after pushing a message (bytes that make no sense, a
   module that cannot be loaded here). Uses the parcel up in every case. May run the Lua code of
   modules that are required here for the first time; must not be called where that is forbidden.
   Raises only when Lua's memory is out. */
int kio_codec_unpack(lua_State *L, kio_parcel *parcel);

/* Gives the handles that are in the list at `index`, by their places beside the parcel, all of them
   prepared. NULL; or why one cannot move any more, since a finalizer has run meanwhile: then none
   has moved. */
const char *kio_handles_give(lua_State *L, int index, kio_parcel *parcel);

#endif
