/* A task: a Lua coroutine run by kio. It waits for at most one thing at a time, and whatever it
   waits for wakes it exactly once. This is the first layer that knows Lua.
   A task lives in a Lua userdata; while it is alive the registry anchors it, so C may hold bare
   pointers to it. Its results (or its error) stay on its coroutine's stack. */
#ifndef KIO_TASK_TASK_H
#define KIO_TASK_TASK_H

#include <lauxlib.h>
#include <lua.h>

#include "base/base.h"
#include "base/list.h"
#include "base/timer.h"
#include "task/queue.h"
#include "task/scope.h"

#define KIO_TASK_TYPE "kio.Task"           /* the userdata's metatable in the registry */
#define KIO_CANCELLED_TYPE "kio.Cancelled" /* that of the value a cancellation raises */

typedef struct kio_sched kio_sched;
typedef struct kio_request kio_request;

typedef struct kio_task kio_task;
typedef struct kio_on_end kio_on_end;

/* Somebody other than a task who must know the end of one. */
struct kio_on_end {
  /* Called by the loop, the task having just ended; its results can be taken. May mark its failure
     as handled. Must not raise. */
  void (*ended)(kio_on_end *end, kio_task *task);
};

/* A line of Lua. */
typedef struct kio_origin {
  char file[LUA_IDSIZE]; /* as messages have it */
  int line;              /* 0: there is none */
} kio_origin;

typedef enum kio_task_status {
  KIO_TASK_READY,    /* in the ready queue, or running */
  KIO_TASK_WAITING,  /* parked: `abandon` tells how to end the wait */
  KIO_TASK_DONE,     /* returned: results are on the coroutine's stack, from index 2 */
  KIO_TASK_FAILED,   /* raised: the error is at index 2 */
  KIO_TASK_CANCELLED /* ended by its cancellation: the Cancelled value is at index 2 */
} kio_task_status;

typedef enum kio_wake {
  KIO_WAKE_DONE,    /* what it waited for has come */
  KIO_WAKE_TIMEOUT, /* its deadline came first */
  KIO_WAKE_CANCEL   /* it was cancelled first */
} kio_wake;

/* Asks to end a wait early; task->wake already tells why. It either wakes the task, or sees to it
   that the wait ends soon by itself (a request in the kernel). */
typedef void (*kio_abandon_fn)(kio_task *task);

struct kio_task {
  const void *tag; /* &kio_task_tag: tells the type faster than the metatable does */
  kio_link link;   /* in the scheduler's list of live tasks; failed, in its scope's list */
  union {
    kio_link wait_link; /* in the ready queue, or in a queue it waits in */
    kio_waiter waiter;  /* the same link, as queues see it */
  };
  kio_queue waiters;      /* tasks that wait for the end of this one */
  kio_timer timer;        /* its deadline, or the end of its sleep */
  kio_sched *sched;       /* whose task it is; NULL when it has ended */
  kio_scope own;          /* what cancelling the task cancels */
  kio_scope *scope;       /* the innermost scope its code runs in: its own, or one it opened */
  lua_State *co;          /* its coroutine, kept by the userdata's first user value */
  kio_abandon_fn abandon; /* while WAITING */
  lua_KFunction k;        /* what goes on when the wait has ended */
  lua_KContext ctx;       /* and what it is given */
  kio_on_end *on_end;     /* called when it ends, or NULL */
  void *subject;          /* what `abandon` needs to find: a stream; or the task it awaits */
  kio_request *request;   /* the request it waits for, or whose result it has not yet taken */
  const char *doing;      /* while WAITING: the operation, for people */
  int doing_fd;           /* and the descriptor it is about; negative: none */
  kio_origin origin;      /* where it was spawned, for people */
  uint32_t id;            /* its number in this run, from 1, in the order of spawning */
  int64_t since_ns;       /* while WAITING: since when */
  uint8_t status;         /* kio_task_status */
  uint8_t wake;           /* kio_wake: why the last wait ended */
  bool daemon;            /* ends with the rest of its scope */
  bool reraised;          /* the error on its way keeps the traceback it has */
  bool started;           /* its coroutine has been resumed at least once */
  bool handled;           /* its failure went to an on_error function, or to `on_end` */
};

/* User values of the userdata. */
enum {
  KIO_TASK_UV_CO = 1,    /* the coroutine */
  KIO_TASK_UV_TRACE = 2, /* of a failed task: its traceback, a string */
  KIO_TASK_UV_CAUSE = 3, /* the task whose error was last raised again in this one */
  KIO_TASK_UV_ERROR = 4, /* the error the traceback belongs to */
  KIO_TASK_UV_NAME = 5,  /* what its spawner called it, a string */
  KIO_TASK_UV_CELL = 6,  /* while it waits in a kio.Queue: what it offers, then what it was given */
  KIO_TASK_UV_COUNT = 6
};

/* Makes a task of the function and `nargs` arguments on top of L's stack, in `scope`, and pushes
   its userdata in their place. It is ready, not yet run. May raise (memory); nothing is left behind
   then. */
kio_task *kio_task_new(lua_State *L, kio_sched *sched, kio_scope *scope, int nargs);
/* Pushes its userdata; nil when it has ended and its failure is told. Returns the type of that. */
static inline int kio_task_push(lua_State *L, const kio_task *task) {
  return lua_rawgeti(L, LUA_REGISTRYINDEX, task->own.ref);
}
extern const char kio_task_tag;         /* only its address counts */
extern const char kio_task_parked_mark; /* its address marks a yield of kio's */

/* The task at a stack index; NULL when that is none. */
static inline kio_task *kio_task_at(lua_State *L, int index) {
  kio_task *task = lua_touserdata(L, index);
  bool ours = task && lua_rawlen(L, index) == sizeof *task && task->tag == &kio_task_tag;
  return ours ? task : NULL;
}
/* The task at a stack index, or an argument error. */
kio_task *kio_task_check(lua_State *L, int index);

/* Parks the running task: yields L, never returns. Some kio_task_wake must follow; then `k` runs in
   L with `ctx`. `abandon` NULL: the wait cannot be ended early. */
int kio_task_park(lua_State *L, kio_task *task, kio_abandon_fn abandon, lua_KContext ctx,
                  lua_KFunction k);
/* In an abandon function: whether a deadline ends the wait, its own or a scope's. Then what can be
   done at once still is, for a timeout of 0 tries once. */
static inline bool kio_task_is_due(const kio_task *task) {
  return task->wake == KIO_WAKE_TIMEOUT || kio_scope_due(task->scope);
}
/* Cancels: the wait it is in ends, and every further operation raises. Nothing when it has
   ended. */
void kio_task_cancel(kio_task *task);
/* Resumes a ready task until it parks or ends. The loop's only way into Lua. */
void kio_task_resume(lua_State *L, kio_task *task);

/* Whether a coroutine that has yielded is parked in an operation: its yield is kio's, not the
   user's. */
bool kio_task_is_parked(lua_State *co);
/* Takes the mark off a parked one, which is about to be resumed. */
void kio_task_unpark(lua_State *co);
/* kio_task_check_resumed (task/here.h) where it was not kio: raises. */
void kio_task_refuse_resume(lua_State *L);
/* Yields L, marked as parked, without touching any task: for coroutines inside a task. */
static inline int kio_task_yield_marked(lua_State *L, lua_KContext ctx, lua_KFunction k) {
  lua_pushlightuserdata(L, (void *)(uintptr_t)&kio_task_parked_mark);
  return lua_yieldk(L, 1, ctx, k);
}

/* What a task that waits for another one is doing; `subject` is that one then. */
extern const char kio_task_awaiting[];
/* Pushes the function the task runs (after a tail call, the one called last); nil when it has
   ended. */
void kio_task_push_function(lua_State *L, kio_task *task);
/* "ready", "waiting", "done", "failed" or "cancelled". */
const char *kio_task_status_name(const kio_task *task);

/* Whether every operation of its code raises now. */
static inline bool kio_task_is_cancelled(const kio_task *task) {
  return task->scope->active;
}

static inline bool kio_task_ended(const kio_task *task) {
  return task->status >= KIO_TASK_DONE;
}

#endif
