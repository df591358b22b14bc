/* Owns nothing. Invariant: the parcel of a failure holds two values, the error and its traceback or
   nil. The thread of the Lua state. */
#include "worker/outcome.h"

#include <lauxlib.h>

#include "base/config.h"
#include "codec/pack.h"
#include "codec/unpack.h"
#include "codec/wire.h"
#include "task/traceback.h"

kio_outcome kio_outcome_pack_error(lua_State *L, kio_parcel *parcel) {
  static const kio_codec_limits limits = {KIO_PARCEL_MAX, KIO_WIRE_DEPTH_MAX, "error", false};
  int err = lua_gettop(L) - 1;
  if (kio_codec_pack(L, err, 2, parcel, &limits)) return KIO_OUTCOME_FAILED;
  lua_settop(L, err + 1);
  kio_traceback_push_text(L, err);
  lua_replace(L, err);
  bool packed = kio_codec_pack(L, err, 2, parcel, &limits);
  return packed ? KIO_OUTCOME_FAILED : KIO_OUTCOME_MEMORY;
}

kio_outcome kio_outcome_pack_results(lua_State *L, int first, kio_parcel *parcel) {
  static const kio_codec_limits limits = {KIO_PARCEL_MAX, KIO_WIRE_DEPTH_MAX, "result", false};
  int count = lua_gettop(L) - first + 1;
  if (kio_codec_pack(L, first, count, parcel, &limits)) return KIO_OUTCOME_DONE;
  lua_pushnil(L);
  return kio_outcome_pack_error(L, parcel);
}

int kio_outcome_push(lua_State *L, kio_outcome outcome, kio_parcel *parcel, const char *where) {
  int count = kio_codec_unpack(L, parcel);
  if (count < 0) return lua_error(L);
  if (outcome == KIO_OUTCOME_DONE) return count;
  kio_assert(outcome == KIO_OUTCOME_FAILED && count == 2);
  lua_insert(L, -2); /* the error above its traceback */
  return kio_traceback_raise_sent(L, -2, where);
}
