/* The origin's end of a call, as far as tasks and callers without a loop share it. */
#ifndef KIO_WORKER_CALL_OUT_H
#define KIO_WORKER_CALL_OUT_H

#include "op/await.h"
#include "thread/runtime.h"
#include "worker/call_in.h"

typedef struct kio_call_out {
  kio_call_in in;
  kio_await await; /* the answer comes */
  bool asked;      /* `cancel` has been posted */
} kio_call_out;

/* A new call whose answer goes to that inbox, its anchor on top of the stack. Raises when memory is
   out. */
kio_call_out *kio_call_out_new(lua_State *L, kio_inbox *inbox);
/* The call of the anchor at `index`. */
kio_call_out *kio_call_out_check(lua_State *L, int index);
/* Sends a packed call to a worker; 0: to any. False: it has stopped, or all have. */
bool kio_call_out_send(kio_runtime *runtime, kio_call_out *out, unsigned worker);
/* Nobody is interested in it any more. True: it will never begin, and no answer comes. */
bool kio_call_out_give_up(kio_call_out *out);
/* The answer has come, and is that the function's worker has stopped: it has not ended. */
bool kio_call_out_lost(const kio_call_out *out);
/* The answer has come: pushes the function's results, or raises its error. */
int kio_call_out_push_outcome(lua_State *L, kio_call_out *out);

#endif
