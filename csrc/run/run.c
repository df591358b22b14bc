/* kio.run and what tells about it. Owns the life of a scheduler: its userdata lies on the stack of
   kio.run, and its finalizer ends it even when lua_close or os.exit comes from within a task. */
#include <errno.h>
#include <string.h>

#include "base/errname.h"
#include "op/misuse.h"
#include "op/op.h"
#include "op/registry.h"
#include "run/check.h"
#include "run/guard.h"
#include "run/inspect.h"
#include "run/options.h"
#include "run/sched_lua.h"
#include "run/traceback_lua.h"
#include "run/worker.h"
#include "task/collect.h"
#include "task/here.h"
#include "task/interrupt.h"
#include "task/result.h"
#include "task/sched.h"
#include "task/sched_end.h"
#include "task/sched_inbox.h"
#include "task/sched_tree.h"
#include "task/sigpipe.h"
#include "task/task.h"
#include "task/traceback.h"

enum { OPTIONS = 2, ON_ERROR, ON_WATCHDOG }; /* where they are on kio.run's stack */

/* ---- running ---- */

/* Called with the scheduler, main and on_watchdog. */
static int l_start(lua_State *L) {
  kio_sched *sched = lua_touserdata(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &sched->config.watchdog);
  lua_remove(L, 1);
  sched->main = kio_task_new(L, sched, &sched->root, 0);
  return 0;
}

/* Pushes what the loop itself found wrong, and where the tasks were then. */
static int l_trouble(lua_State *L) {
  kio_inspect_push_trouble(L, lua_touserdata(L, 1));
  return 1;
}

/* The loop was in trouble, or interrupted, and then the task on top failed: it had been cut off,
   and that is why. */
static int raise_trouble(lua_State *L, kio_sched *sched, const char *trouble) {
  int self = lua_gettop(L);
  kio_traceback_attach_all(L, sched, self, &sched->root.failures);
  kio_task_push_result(L, lua_touserdata(L, self), 0);
  const char *text = kio_traceback_push_text(L, -1);
  if (lua_getiuservalue(L, self, KIO_TASK_UV_TRACE) != LUA_TSTRING) lua_pushliteral(L, "");
  return luaL_error(L, "%s\nand while the tasks were ended, one failed: %s\n%s", trouble, text,
                    lua_tostring(L, -1));
}

/* The error of the task on top: one that is a string carries the traceback, others stay as they
   are, and theirs is kept beside them. With it go those of the other failed tasks, and what went
   wrong while all were ended. */
static int raise_error_of(lua_State *L, kio_sched *sched, const char *trouble) {
  int self = lua_gettop(L);
  kio_traceback_attach_all(L, sched, self, &sched->root.failures);
  kio_task_push_result(L, lua_touserdata(L, self), 0);
  if (trouble && lua_istable(L, -1)) {
    lua_pushnil(L);
    lua_pushfstring(L, "kio.run: then %s", trouble);
    kio_traceback_attach(L, self, "kio.run", -1, -2);
    lua_pop(L, 2);
  }
  if (lua_type(L, -1) != LUA_TSTRING) {
    lua_getiuservalue(L, self, KIO_TASK_UV_TRACE);
    kio_traceback_keep(L, -2, -1);
    lua_pop(L, 1);
    return lua_error(L);
  }
  if (lua_getiuservalue(L, self, KIO_TASK_UV_TRACE) != LUA_TSTRING) lua_pop(L, 1);
  else lua_pushfstring(L, "%s\n%s", lua_tostring(L, -2), lua_tostring(L, -1));
  if (trouble) lua_pushfstring(L, "%s\nkio.run: then %s", lua_tostring(L, -1), trouble);
  return lua_error(L);
}

/* As lua.c says it. */
static int raise_interrupted(lua_State *L, kio_sched *sched, const char *trouble) {
  const char *text = "interrupted!";
  if (trouble) text = lua_pushfstring(L, "%s\nkio.run: then %s", text, trouble);
  if (kio_list_empty(&sched->root.failures)) return luaL_error(L, "%s", text);
  kio_traceback_take(L, sched, &sched->root.failures);
  return raise_trouble(L, sched, text);
}

static int l_results(lua_State *L) {
  kio_sched *sched = lua_touserdata(L, 1);
  kio_task *main = sched->main;
  const char *trouble = lua_tostring(L, 2);
  if (sched->interrupt.state != KIO_INTERRUPT_NONE) return raise_interrupted(L, sched, trouble);
  if (!kio_list_empty(&sched->root.failures)) {
    const char *text = trouble ? lua_pushfstring(L, "kio.run: %s", trouble) : NULL;
    kio_traceback_take(L, sched, &sched->root.failures);
    if (trouble && sched->end.trouble_first) return raise_trouble(L, sched, text);
    return raise_error_of(L, sched, trouble);
  }
  if (trouble) return luaL_error(L, "kio.run: %s", trouble);
  if (sched->end.asked && main->status == KIO_TASK_CANCELLED) {
    return kio_fail_text(L, "ECANCELED", "kio.run", "main", "stopped by kio.stop");
  }
  if (main->status != KIO_TASK_DONE) {
    kio_task_push(L, main);
    return raise_error_of(L, sched, NULL);
  }
  return kio_task_push_results(L, main);
}

static void forget_function(lua_State *L, const void *key) {
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

/* The run is over: its tasks need no anchor any more. */
static void forget_all(kio_sched *sched) {
  kio_link *link;
  kio_task *main = sched->main;
  sched->main = NULL;
  while ((link = kio_list_pop(&sched->root.failures))) {
    kio_sched_forget(sched, KIO_CONTAINER(link, kio_task, link));
  }
  forget_function(sched->L, &sched->root);
  forget_function(sched->L, &sched->config.watchdog);
  if (main) kio_sched_forget(sched, main);
}

/* Runs f under a protected call with the scheduler and, from `extra` values, its arguments. */
static int protected(lua_State *L, lua_CFunction f, kio_sched *sched, int extra) {
  lua_pushcfunction(L, f);
  lua_insert(L, -(extra + 1));
  lua_pushlightuserdata(L, sched);
  lua_insert(L, -(extra + 1));
  return lua_pcall(L, extra + 1, LUA_MULTRET, 0);
}

/* Somebody asked the run to stop: kio.stop. */
static void asked_to_stop(kio_post *post, void *context) {
  kio_sched *sched = context;
  (void)post;
  sched->end.asked = true;
  kio_sched_stop(sched);
}

/* The tasks of all workers wait for each other. */
static void found_deadlock(kio_post *post, void *context) {
  kio_sched *sched = context;
  (void)post;
  kio_sched_trouble(sched, "deadlock: every task of every worker waits and nothing is left that "
                           "could wake one");
  kio_sched_stop(sched);
}

static void worker_failed(kio_post *post, void *context) {
  kio_sched *sched = context;
  (void)post;
  if (kio_sched_take_failures(sched)) kio_sched_stop(sched);
}

/* Starts the other workers. 0, or a negative errno after `failure` has been written. */
static int start_workers(lua_State *L, kio_sched *sched, kio_worker_plan *plan,
                         char failure[KIO_FAILURE_MAX]) {
  int err = 0;
  snprintf(failure, KIO_FAILURE_MAX, "worker 1: not enough memory for its inbox");
  bool alone = kio_runtime_count(sched->runtime) == 1; /* its inbox is made when it is needed */
  bool ready = (alone || kio_sched_inbox(sched, &err)) && kio_seed_init(&plan->seed, L);
  if (ready) err = kio_runtime_start(sched->runtime, failure);
  else if (!err) err = -ENOMEM;
  kio_seed_fini(&plan->seed);
  return err;
}

static int push_failure(lua_State *L, int err, const char *failure) {
  const char *code = kio_errname(-err);
  kio_misuse_push_where(L);
  lua_pushfstring(L, "kio.run start: %s (%s)", failure, code);
  lua_concat(L, 2);
  lua_pushstring(L, code);
  return 2;
}

static int push_refusal(lua_State *L, int err, const kio_sched_config *config) {
  kio_misuse_push_where(L);
  lua_pushliteral(L, "kio.run: ");
  kio_check_push_refusal(L, err, config, true);
  lua_concat(L, 3);
  lua_pushstring(L, kio_errname(err));
  return 2;
}

/* Opens the scheduler and the runtime it is worker 1 of. 0, or 2 pushed values: the error to raise
   and its code; then nothing is left of the rest. */
static int open_run(lua_State *L, kio_sched *sched, kio_options *options) {
  int err;
  char failure[KIO_FAILURE_MAX];
  kio_worker_plan plan = {.config = options->sched};
  kio_runtime_config *config = &options->runtime;
  config->caller_is_first = true;
  config->main = kio_worker_main;
  config->context = &plan;
  config->on_stop = asked_to_stop;
  config->on_deadlock = found_deadlock;
  config->on_failure = worker_failed;
  kio_runtime *runtime = kio_runtime_new(config, &err, failure);
  if (!runtime) return push_failure(L, err, failure);
  options->sched.worker = kio_runtime_worker(runtime, 1);
  err = kio_sched_init(sched, L, &options->sched);
  if (err) {
    kio_runtime_unref(runtime);
    return push_refusal(L, -err, &options->sched);
  }
  sched->runtime = runtime;
  sched->end.keep = options->keep;
  err = start_workers(L, sched, &plan, failure);
  if (err == 0) return 0;
  kio_sched_fini(sched);
  return push_failure(L, err, failure);
}

/* run(main, record) -> main's results; raises its error, and what kept the run from starting */
static int l_run(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  if (kio_sched_here()) return kio_misuse(L, "kio.run within kio.run: use kio.spawn");
  kio_options options;
  kio_options_read(L, OPTIONS, &options);
  lua_settop(L, OPTIONS);
  kio_guard_option(L, OPTIONS);
  kio_option(L, OPTIONS, "on_watchdog");
  kio_sched *sched = kio_sched_push_new(L);
  int failed = open_run(L, sched, &options);
  if (failed && kio_collect_threads(L, options.runtime.threads)) {
    lua_pop(L, failed);
    failed = open_run(L, sched, &options);
  }
  if (failed) {
    lua_pop(L, 1); /* the code */
    return lua_error(L);
  }
  sched->sigpipe = kio_sigpipe_hold();
  if (options.interrupt) kio_interrupt_install(sched);
  sched->on_error = lua_isfunction(L, ON_ERROR);
  lua_pushvalue(L, ON_ERROR);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &sched->root);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, ON_WATCHDOG);
  int status = protected(L, l_start, sched, 2);
  if (status == LUA_OK) kio_sched_run(sched);
  int troubled = status == LUA_OK && sched->end.trouble;
  if (troubled) status = protected(L, l_trouble, sched, 0);
  kio_sched_fini(sched);
  int base = lua_gettop(L) - (status != LUA_OK);
  if (status == LUA_OK) status = protected(L, l_results, sched, troubled);
  forget_all(sched);
  if (status == LUA_OK) return lua_gettop(L) - base;
  kio_traceback_tell(L);
  return lua_error(L);
}

const luaL_Reg kio_run_own[] = {
    {"run", l_run},
    {NULL, NULL},
};
