/* kio.thread.event: a flag that any worker, and any thread with a Lua state, may set, and that
   tasks of all workers wait for. The thread of the Lua state. */
#include <lauxlib.h>

#include "op/op.h"
#include "op/registry.h"
#include "thread/event.h"
#include "worker/shared_wait.h"
#include "worker/shared.h"

#define EVENT_TYPE "kio.ThreadEvent"

/* ---- the object ---- */

static void take(lua_State *L, void *object);

static void push_state(lua_State *L, void *object) {
  lua_pushstring(L, kio_event_wait(object, NULL) ? "set" : "not set");
}

static const kio_shared_kind kind = {
    .type = EVENT_TYPE,
    .moves = {kio_shared_prepare, kio_handle_give_reference, take, kio_event_unref, NULL},
    .noun = "event",
    .ref = kio_event_ref,
    .push_state = push_state,
};

static void take(lua_State *L, void *object) {
  kio_shared_push(L, &kind, object);
}

static kio_shared *check(lua_State *L) {
  return kio_shared_check(L, &kind);
}

/* ---- waiting ---- */

static int happened(lua_State *L) {
  lua_pushboolean(L, true);
  return 1;
}

static int l_waitk(lua_State *L, int status, lua_KContext ctx) {
  kio_shared_wait *wait = (kio_shared_wait *)ctx; /* NOLINT: it is anchored on this frame */
  (void)status;
  if (wait->awaiter.answer != KIO_ANSWER_DONE) return kio_shared_wait_fail(L, wait, "wait");
  kio_shared_wait_end(wait);
  return happened(L);
}

static int wait_for(lua_State *L, kio_task *task, int64_t timeout_ns) {
  const kio_shared *shared = lua_touserdata(L, 1);
  if (kio_event_wait(shared->object, NULL)) return happened(L);
  kio_shared_wait *wait = kio_shared_wait_new(L, task, shared, timeout_ns);
  if (!wait) return lua_error(L);
  if (!kio_event_wait(shared->object, &wait->awaiter)) {
    return kio_shared_wait_park(L, task, wait, "thread event", l_waitk);
  }
  kio_shared_wait_spare(task, wait);
  return happened(L);
}

/* event:wait([timeout]) -> true */
static int l_wait(lua_State *L) {
  check(L);
  kio_takes(L, 2);
  int64_t timeout_ns = kio_shared_timeout(L, 2);
  kio_task *task = kio_op_begin(L);
  return wait_for(L, task, timeout_ns);
}

/* thread_event_watch(event) -> watch that is woken when it is set | nil: it is */
static int l_watch(lua_State *L) {
  kio_shared *shared = check(L);
  kio_task *task = kio_op_task(L);
  kio_shared_wait *watch = kio_shared_watch_new(L, task, shared);
  return kio_shared_watch_begin(watch, task, kio_event_wait(shared->object, &watch->awaiter));
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

/* thread_event() -> event */
static int l_thread_event(lua_State *L) {
  kio_takes(L, 0);
  kio_shared *shared = kio_shared_push_empty(L, &kind);
  return kio_shared_put(L, shared, kio_event_new());
}

static const luaL_Reg methods[] = {
    {"wait", l_wait}, {"set", l_set}, {"reset", l_reset}, {"is_set", l_is_set}, {NULL, NULL},
};

const kio_type kio_event_type = {
    .name = EVENT_TYPE,
    .methods = {methods},
    .end = kio_shared_end,
    .tostring = kio_shared_l_tostring,
    .moves = &kind.moves,
};

const luaL_Reg kio_event_own[] = {
    {"thread_event", l_thread_event},
    {"thread_event_watch", l_watch},
    {NULL, NULL},
};
