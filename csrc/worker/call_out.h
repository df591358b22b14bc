/* The origin's half of a remote, as far as tasks and plain callers share it. */
#ifndef KIO_WORKER_CALL_OUT_H
#define KIO_WORKER_CALL_OUT_H

#include "task/task.h"
#include "thread/runtime.h"
#include "worker/call_in.h"

/* A new errand whose answer goes to that inbox, its anchor on top of the stack. Raises when memory
   is out. */
kio_errand *kio_errand_new(lua_State *L, kio_inbox *inbox);
/* The errand of the anchor at `index`. */
kio_errand *kio_errand_check(lua_State *L, int index);
/* Sends a packed errand to a worker; 0: to any. False: it has stopped, or all have. */
bool kio_errand_send(kio_runtime *runtime, kio_errand *errand, unsigned worker);
/* The task, about to park, waits for the answer; it is woken by that. */
void kio_errand_await(kio_errand *errand, kio_task *task);
/* Its task waits no longer. */
void kio_errand_settle(kio_errand *errand);
/* Nobody is interested in it any more. True: it will never begin, and no answer comes. */
bool kio_errand_call_off(kio_errand *errand);
/* The answer has come, and is that the function's worker has stopped: it has not ended. */
bool kio_errand_lost(const kio_errand *errand);
/* The answer has come: pushes the function's results, or raises its error. */
int kio_errand_push_outcome(lua_State *L, kio_errand *errand);

#endif
