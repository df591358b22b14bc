/* Owns the Lua state of one worker, from its thread's start to its end. Runs on that thread only;
   what it shares with others are the plan, until it has started, and what it posts. */
#include "run/worker.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "run/check.h"
#include "run/sched_lua.h"
#include "task/here.h"
#include "task/result.h"
#include "task/sched.h"
#include "task/sched_end.h"
#include "task/sched_inbox.h"
#include "task/sched_tree.h"
#include "task/traceback.h"

typedef struct start {
  kio_worker *worker;
  const kio_worker_plan *plan;
  int err; /* the negative errno of the step that failed; 0: none has, or it was no system's */
} start;

static void stop_arrive(kio_post *post, void *context) {
  kio_sched *sched = context;
  kio_worker *worker = KIO_CONTAINER(post, kio_worker, stop);
  int64_t left = kio_runtime_until_ns(worker->runtime) - kio_real_now_ns();
  kio_sched_stop(sched);
  sched->end.stop_ns = kio_min_ns(sched->end.stop_ns, kio_sched_due(sched, left > 0 ? left : 0));
}

/* Lua's loader takes a file that it gets no descriptor for as one that is not there. */
static void require_kio(lua_State *L, start *s) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "kio");
  errno = 0;
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return;
  if (errno != EMFILE && errno != ENFILE) lua_error(L);
  s->err = -errno;
  luaL_error(L, "it cannot load kio: %s", strerror(errno));
}

static void open_sched(lua_State *L, kio_sched *sched, start *s) {
  kio_sched_config config = s->plan->config;
  config.worker = s->worker;
  config.serves = true;
  s->err = kio_sched_init(sched, L, &config);
  if (s->err) {
    kio_check_push_refusal(L, -s->err, &config, false);
    lua_error(L);
  }
  if (!kio_sched_inbox(sched, &s->err)) luaL_error(L, "no inbox: %s", strerror(-s->err));
}

/* What went wrong in the loop, or in a task that nobody had asked for; NULL: nothing. */
static const char *failure(lua_State *L, kio_sched *sched) {
  if (kio_list_empty(&sched->root.failures)) return sched->end.trouble;
  kio_traceback_take(L, sched, &sched->root.failures);
  kio_task_push_result(L, lua_touserdata(L, -1), 0);
  return kio_traceback_push_text(L, -1);
}

/* A task has forked, and the child has come to that task's end. This is its only thread: there is
   nobody to tell, and nothing to return to. */
static _Noreturn void end_child(lua_State *L, kio_sched *sched) {
  kio_log_always("%s", failure(L, sched));
  _exit(EXIT_FAILURE);
}

/* work(start): the life of the worker */
static int l_work(lua_State *L) {
  start *s = lua_touserdata(L, 1);
  kio_worker *worker = s->worker;
  require_kio(L, s);
  kio_sched *sched = kio_sched_push_new(L);
  open_sched(L, sched, s);
  worker->stop.arrive = stop_arrive;
  kio_worker_started(worker);
  kio_sched_run(sched);
  if (!kio_ring_alive(&sched->ring)) end_child(L, sched);
  const char *why = failure(L, sched);
  if (why) kio_worker_failed(worker, why, -ECANCELED);
  kio_sched_fini(sched);
  return 0;
}

void kio_worker_main(kio_worker *worker, void *plan) {
  start s = {worker, plan, 0};
  lua_State *L = kio_state_new(&s.plan->seed);
  if (!L) {
    kio_worker_failed(worker, "not enough memory for its Lua state", -ENOMEM);
    return;
  }
  lua_pushcfunction(L, l_work);
  lua_pushlightuserdata(L, &s);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    const char *why = kio_traceback_push_text(L, -1);
    if (!s.err) s.err = strcmp(why, "not enough memory") == 0 ? -ENOMEM : -ECANCELED;
    kio_worker_failed(worker, why, s.err);
  }
  lua_close(L);
}
