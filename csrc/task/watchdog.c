/* Owns the count hook. Invariant: it is on a coroutine only while that one, or one it has resumed,
   runs in a watched task; where it has got elsewhere (a new coroutine inherits it) it takes itself
   off. Called by the scheduler's thread only. */
#include "task/watchdog.h"

#include "base/config.h"
#include "task/sched.h"

static void look(kio_sched *sched, lua_State *L, kio_task *task) {
  kio_watch *watch = &sched->watch;
  if (sched->config.watch.limit_ns == 0) return; /* there is a hook for an interrupt only */
  /* The run's own clock may be virtual, and then a busy loop takes no time. */
  int64_t held = kio_real_now_ns() - watch->since_ns;
  if (held < watch->report_ns) return;
  watch->report_ns = held * 2;
  sched->config.watch.report(L, task, held);
}

static void on_count(lua_State *L, lua_Debug *event) {
  kio_sched *sched = kio_sched_current();
  (void)event;
  if (!sched || !sched->current || !sched->hooked) {
    kio_watchdog_uncover(L);
    return;
  }
  if (sched->interrupt.state != KIO_INTERRUPT_NONE) kio_interrupt_look(sched, L);
  look(sched, L, sched->current);
}

void kio_watchdog_cover(lua_State *co) {
  if (!lua_gethook(co)) lua_sethook(co, on_count, LUA_MASKCOUNT, KIO_WATCHDOG_COUNT);
}

void kio_watchdog_uncover(lua_State *co) {
  if (lua_gethook(co) == on_count) lua_sethook(co, NULL, 0, 0);
}

/* With the masks lua.c uses for its own SIGINT. */
void kio_watchdog_strike(lua_State *co) {
  lua_sethook(co, on_count, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

void kio_watchdog_renew(lua_State *co, bool always) {
  lua_sethook(co, on_count, LUA_MASKCOUNT, always ? 1 : KIO_WATCHDOG_COUNT);
}

void kio_watchdog_begin(kio_sched *sched) {
  sched->watch = (kio_watch){kio_real_now_ns(), sched->config.watch.limit_ns};
  kio_watchdog_cover(sched->current->co);
}

void kio_watchdog_end(kio_sched *sched, kio_task *task) {
  kio_watchdog_uncover(task->co);
  look(sched, sched->L, task);
}
