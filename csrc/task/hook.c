/* Owns the count hook, by which the watchdog and an interrupt look at a task that runs. Invariant:
   it is on a coroutine only while that one, or one it has resumed, runs in a watched task; where it
   has got elsewhere (a new coroutine inherits it) it takes itself off. Called by the scheduler's
   thread only. */
#include "task/hook.h"

#include "base/config.h"
#include "task/here.h"
#include "task/interrupt.h"
#include "task/result.h"
#include "task/sched_tree.h"
#include "task/task.h"

static void on_count(lua_State *L, lua_Debug *event);

/* ---- the watchdog ---- */

static void look_for_holder(kio_sched *sched, lua_State *L, kio_task *task) {
  kio_watchdog *dog = &sched->watchdog;
  if (sched->config.watchdog.limit_ns == 0) return; /* there is a hook for an interrupt only */
  /* The run's own clock may be virtual, and then a busy loop takes no time. */
  int64_t held = kio_real_now_ns() - dog->since_ns;
  if (held < dog->report_ns) return;
  dog->report_ns = held * 2;
  sched->config.watchdog.report(L, task, held);
}

/* ---- interrupts ---- */

void kio_hook_act_on_interrupt(kio_sched *sched) {
  kio_assert(sched->interrupt.state == KIO_INTERRUPT_NOTED);
  sched->interrupt.state = KIO_INTERRUPT_ACTED;
  sched->now_ns = kio_ring_now_ns(&sched->ring); /* the task may have computed for long */
  kio_sched_stop(sched);
}

/* The first time the task's code is cut off where it stands. What unwinds then is left in peace
   until shutdown_timeout has passed: from there on every instruction raises, so that no pcall
   holds. */
static void look_for_interrupt(kio_sched *sched, lua_State *L) {
  bool first = sched->interrupt.state == KIO_INTERRUPT_NOTED;
  if (first) kio_hook_act_on_interrupt(sched);
  bool late = kio_ring_now_ns(&sched->ring) >= sched->end.stop_ns;
  lua_sethook(L, on_count, LUA_MASKCOUNT, late ? 1 : KIO_WATCHDOG_COUNT);
  if (late || (first && kio_task_is_cancelled(sched->current))) kio_task_raise_cancelled(L);
}

/* ---- the hook ---- */

static void on_count(lua_State *L, lua_Debug *event) {
  kio_sched *sched = kio_sched_current();
  (void)event;
  if (!sched || !sched->current || !sched->hooked) {
    kio_hook_uncover(L);
    return;
  }
  if (sched->interrupt.state != KIO_INTERRUPT_NONE) look_for_interrupt(sched, L);
  look_for_holder(sched, L, sched->current);
}

void kio_hook_cover(lua_State *co) {
  if (!lua_gethook(co)) lua_sethook(co, on_count, LUA_MASKCOUNT, KIO_WATCHDOG_COUNT);
}

void kio_hook_uncover(lua_State *co) {
  if (lua_gethook(co) == on_count) lua_sethook(co, NULL, 0, 0);
}

/* With the masks lua.c uses for its own SIGINT. */
void kio_hook_strike(lua_State *co) {
  lua_sethook(co, on_count, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

void kio_hook_begin(kio_sched *sched) {
  kio_assert(sched->current && sched->leaf == sched->current->co);
  sched->watchdog = (kio_watchdog){kio_real_now_ns(), sched->config.watchdog.limit_ns};
  kio_hook_cover(sched->current->co);
}

void kio_hook_end(kio_sched *sched, kio_task *task) {
  kio_assert(!sched->current && !kio_task_ended(task));
  kio_hook_uncover(task->co);
  look_for_holder(sched, sched->L, task);
}
