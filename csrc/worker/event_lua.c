/* kio.thread.event: a flag that any worker, and any thread with a Lua state, may set, and that
   tasks of all workers wait for. The thread of the Lua state. */
#include <lauxlib.h>

#include "op/handle.h"
#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"
#include "task/result.h"
#include "task/task.h"
#include "thread/event.h"
#include "worker/await.h"
#include "worker/shared.h"

#define EVENT_TYPE "kio.ThreadEvent"

/* ---- the object ---- */

static void *ref(void *object) {
  return kio_event_ref(object);
}

static void unref(void *object) {
  kio_event_unref(object);
}

static bool leave(void *object, kio_awaiter *awaiter) {
  return kio_event_leave(object, awaiter);
}

static const kio_shared_kind shared_kind = {EVENT_TYPE, unref};
static const kio_await_kind await_kind = {ref, unref, leave, NULL};

static kio_shared *check(lua_State *L) {
  return kio_shared_check(L, &shared_kind);
}

/* ---- waiting ---- */

static int happened(lua_State *L) {
  lua_pushboolean(L, true);
  return 1;
}

static int l_waitk(lua_State *L, int status, lua_KContext ctx) {
  kio_await *await = (kio_await *)ctx; /* NOLINT: it is anchored on this frame */
  bool set = await->awaiter.answer == KIO_ANSWER_DONE;
  const kio_task *task = kio_sched_current()->current;
  (void)status;
  kio_await_end(await);
  if (set) return happened(L);
  if (task->wake == KIO_WAKE_CANCEL) return kio_task_raise_cancelled(L);
  return kio_fail_text(L, "ETIMEDOUT", "wait", "event", "timed out");
}

static int wait(lua_State *L, kio_task *task, int64_t timeout_ns) {
  kio_event *event = ((kio_shared *)lua_touserdata(L, 1))->object;
  if (kio_event_wait(event, NULL)) return happened(L);
  kio_await *await = kio_await_new(L, task, &await_kind, event, timeout_ns);
  if (!await) return lua_error(L);
  if (!kio_event_wait(event, &await->awaiter)) {
    return kio_await_park(L, await, task, "thread event", l_waitk);
  }
  kio_timer_stop(&task->sched->timers, &task->timer);
  kio_await_end(await);
  return happened(L);
}

/* event:wait([timeout]) -> true */
static int l_wait(lua_State *L) {
  check(L);
  kio_takes(L, 2);
  int64_t timeout_ns = kio_shared_timeout(L, 2);
  kio_task *task = kio_op_begin(L);
  return wait(L, task, timeout_ns);
}

/* thread_event_watch(event) -> watch that is woken when it is set | nil: it is */
static int l_watch(lua_State *L) {
  kio_shared *shared = check(L);
  kio_task *task = kio_op_task(L);
  kio_await *watch = kio_watch_new(L, task, &await_kind, shared->object);
  if (!kio_event_wait(shared->object, &watch->awaiter)) {
    kio_watch_begin(watch, task);
    return 1;
  }
  kio_await_end(watch);
  return 0;
}

/* ---- the rest ---- */

/* event:set() */
static int l_set(lua_State *L) {
  kio_shared *shared = check(L);
  kio_takes(L, 1);
  kio_event_set(shared->object);
  return 0;
}

/* event:reset() */
static int l_reset(lua_State *L) {
  kio_shared *shared = check(L);
  kio_takes(L, 1);
  kio_event_reset(shared->object);
  return 0;
}

/* event:is_set() */
static int l_is_set(lua_State *L) {
  kio_shared *shared = check(L);
  kio_takes(L, 1);
  lua_pushboolean(L, kio_event_wait(shared->object, NULL));
  return 1;
}

static int l_tostring(lua_State *L) {
  kio_shared *shared = kio_shared_self(L, &shared_kind);
  const char *state = shared->object ? "the parent process'" : "finalized";
  if (shared->object && !kio_shared_is_parents(shared)) {
    state = kio_event_wait(shared->object, NULL) ? "set" : "not set";
  }
  lua_pushfstring(L, EVENT_TYPE " (%s)", state);
  return 1;
}

/* thread_event() -> event */
static int l_thread_event(lua_State *L) {
  kio_takes(L, 0);
  kio_shared *shared = kio_shared_push_empty(L, &shared_kind);
  shared->object = kio_event_new();
  if (!shared->object) return luaL_error(L, "not enough memory");
  kio_shared_enter(L, shared->object);
  return 1;
}

/* An event crosses by reference: both sides have it then. */
static const char *prepare(lua_State *L, int index, void **spare) {
  const kio_shared *shared = lua_touserdata(L, index);
  if (!shared->object) return "it was finalized";
  if (kio_shared_is_parents(shared)) return KIO_SHARED_PARENTS;
  *spare = kio_event_ref(shared->object);
  return NULL;
}

static void take(lua_State *L, void *object) {
  kio_shared_push(L, &shared_kind, object);
}

static const kio_handle_kind handle_kind = {
    EVENT_TYPE, prepare, kio_handle_give_reference, take, unref, NULL,
};

static const luaL_Reg methods[] = {
    {"wait", l_wait}, {"set", l_set}, {"reset", l_reset}, {"is_set", l_is_set}, {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__gc", kio_shared_l_gc},
    {"__tostring", l_tostring},
    {NULL, NULL},
};

void kio_event_open(lua_State *L) {
  luaL_newmetatable(L, EVENT_TYPE);
  kio_handle_register(L, &handle_kind);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

const luaL_Reg kio_event_own[] = {
    {"thread_event", l_thread_event},
    {"thread_event_watch", l_watch},
    {NULL, NULL},
};
