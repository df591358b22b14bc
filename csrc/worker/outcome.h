/* What a function has come to on another thread: packed there, pushed or raised here. */
#ifndef KIO_WORKER_OUTCOME_H
#define KIO_WORKER_OUTCOME_H

#include <lua.h>

#include "thread/call.h"

/* Packs the values from `first` to the top, its results; when they cannot cross that is its
   error. */
kio_outcome kio_outcome_pack_results(lua_State *L, int first, kio_parcel *parcel);
/* Packs the error and the traceback, or nil, on top; an error that cannot cross goes as its
   text. */
kio_outcome kio_outcome_pack_error(lua_State *L, kio_parcel *parcel);
/* DONE: pushes the results, and returns how many. FAILED: raises the error, as come from `where`.
   */
int kio_outcome_push(lua_State *L, kio_outcome outcome, kio_parcel *parcel, const char *where);

#endif
