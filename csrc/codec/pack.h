/* Lua values from one Lua state to another: packed into a parcel here, unpacked there.
   What crosses: nil, booleans, numbers (exact), strings, tables (cycles and shared references stay
   what they are), Lua functions with their upvalues, modules and what they hold by name, kio's
   handles (they move: the sender's is closed then). Everything else is refused by its path. */
#ifndef KIO_CODEC_PACK_H
#define KIO_CODEC_PACK_H

#include <lua.h>

#include "thread/parcel.h"

typedef struct kio_codec_limits {
  size_t size_max;    /* bytes of values, code and names; what a buffer moves is not counted */
  unsigned depth_max; /* tables within tables, functions within functions; at most 200 */
  const char *what;   /* what the values are to the user: "arg", "result", "message" */
  bool only_copies;   /* what moves is refused: the values are to go to several */
} kio_codec_limits;

/* Packs the `count` values from stack index `first` into *out, and pushes what kio_handles_restore
   needs. False after pushing a message instead that names what cannot cross, by its path ("arg
   2.config.logger: userdata (FILE*) cannot cross to another thread"): then nothing has moved, and
   *out is empty. NULL limits: the usual ones. Runs no Lua code. Raises only when Lua's memory is
   out, with nothing moved or left behind. */
bool kio_codec_pack_kept(lua_State *L, int first, int count, kio_parcel *out,
                         const kio_codec_limits *limits);
/* kio_codec_pack_kept for a parcel that is never taken back: pushes nothing on success. */
static inline bool kio_codec_pack(lua_State *L, int first, int count, kio_parcel *out,
                                  const kio_codec_limits *limits) {
  if (!kio_codec_pack_kept(L, first, count, out, limits)) return false;
  lua_pop(L, 1);
  return true;
}

#endif
