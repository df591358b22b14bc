/* Scopes: the tree along which cancellation goes down and failures go up. Every task has a scope of
   its own, and kio.scope, kio.timeout and kio.shield open further ones, which own the tasks spawned
   in them and end only when all of those have ended. Cancellation is level-triggered: as long as a
   scope is `active`, every operation of code that runs in it raises. */
#ifndef KIO_TASK_SCOPE_H
#define KIO_TASK_SCOPE_H

#include <lua.h>

#include "base/base.h"
#include "base/list.h"
#include "base/timer.h"

typedef struct kio_task kio_task;
typedef struct kio_scope kio_scope;

typedef enum kio_scope_end {
  KIO_SCOPE_RUNS,     /* nothing has ended it */
  KIO_SCOPE_CANCEL,   /* somebody cancelled it */
  KIO_SCOPE_DEADLINE, /* its deadline passed */
  KIO_SCOPE_FAILURE   /* a task in it, or its body, failed */
} kio_scope_end;

struct kio_scope {
  kio_link link;      /* in the parent's `inner` */
  kio_list inner;     /* scopes directly inside: of tasks, and opened by bodies */
  kio_list failures;  /* tasks of it that failed unobserved, first one first, by task->link */
  kio_scope *parent;  /* NULL: the root of a run, or closed */
  kio_task *task;     /* whose code runs in it; NULL: the root */
  lua_State *co;      /* the coroutine that opened it, which must not yield out of it; or NULL */
  kio_timer timer;    /* its deadline */
  uint32_t live;      /* tasks spawned in it that have not ended */
  uint32_t daemons;   /* those of them that end with the rest */
  int ref;            /* the anchor of the userdata it lies in; LUA_NOREF: it is let go */
  uint8_t end;        /* kio_scope_end: what ended it first */
  bool active;        /* cancelled, by itself or from outside */
  bool shield;        /* what is outside does not cancel it */
  bool of_task;       /* a task's own: owns no tasks, those belong to the next one outside */
  bool waiting;       /* its body is over and its task parked until `live` is 0 */
  bool daemons_ended; /* its daemons were cancelled, and none was spawned since */
  bool cut;           /* a task of it ended by a cancellation of more than that task */
};

/* Opens `scope` inside `parent` (NULL: a root) for the code of `task`; shielded, it ignores a
   cancellation from outside. The memory is the caller's, until kio_scope_close; `ref` is theirs to
   set behind this, from kio_anchor. */
void kio_scope_open(kio_scope *scope, kio_scope *parent, kio_task *task, bool shield);
/* Lua may collect the userdata it lies in; harmless twice. Takes no memory. */
void kio_scope_let_go(lua_State *L, kio_scope *scope);
/* Closes an empty scope. Its timer must have been stopped. */
void kio_scope_close(kio_scope *scope);
/* Cancels everything in it, now and from now on. Only the first reason counts. */
void kio_scope_cancel(kio_scope *scope, kio_scope_end why);
/* Whether a deadline is among what has cancelled it: an operation is then tried once all the
   same. */
bool kio_scope_due(const kio_scope *scope);
/* The scope that owns what is spawned by code running in `scope`. */
kio_scope *kio_scope_owner(kio_scope *scope);
#ifdef KIO_TEST
/* Cancellation has reached every scope below this root, and each counts its tasks right. */
void kio_scope_verify(kio_scope *root);
#endif
/* Whether only daemons are left in it. */
static inline bool kio_scope_idle(const kio_scope *scope) {
  return scope->live == scope->daemons;
}

#endif
