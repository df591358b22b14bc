/* kio.tasks, kio.stats, and the reports of deadlocks and of tasks that hold the loop. Owns nothing
   but two places in the registry: the report kept for a run in trouble, and the function its
   watchdog calls. Reads only; may be called in any state of the loop. */
#include "run/inspect.h"

#include <lauxlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/config.h"
#include "base/log.h"
#include "op/op.h"
#include "op/registry.h"
#include "run/coroutine.h"
#include "system/address.h"
#include "task/here.h"
#include "task/scope.h"
#include "task/task.h"
#include "task/traceback.h"

enum { PEER_MAX = 4 * KIO_ADDRESS_TEXT_MAX + 1 }; /* bytes of an address, escaped */

/* ---- one task ---- */

/* What its spawner called it, or else where its function begins. */
static void push_raw_name(lua_State *L, kio_task *task) {
  lua_Debug about;
  int type = LUA_TNIL;
  if (kio_task_push(L, task) == LUA_TUSERDATA) {
    type = lua_getiuservalue(L, -1, KIO_TASK_UV_NAME);
    lua_remove(L, -2);
  }
  if (type == LUA_TSTRING) return;
  lua_pop(L, 1);
  kio_task_push_function(L, task);
  if (task->sched->main == task) {
    lua_pop(L, 1);
    lua_pushliteral(L, "main");
  } else if (!lua_isfunction(L, -1) || lua_iscfunction(L, -1)) {
    lua_pop(L, 1);
    lua_pushfstring(L, "task %d", (int)task->id);
  } else {
    lua_getinfo(L, ">S", &about);
    lua_pushfstring(L, "%s:%d", about.short_src, about.linedefined);
  }
}

/* The same, on one line: a server calls the task of a connection by what its peer has chosen. */
static void push_name(lua_State *L, kio_task *task) {
  push_raw_name(L, task);
  kio_traceback_escape(L, KIO_ESCAPE_NAME);
}

/* The other end of what it works on, escaped; false when there is none, or none with a name. */
static bool peer_of(const kio_task *task, char text[PEER_MAX]) {
  char raw[KIO_ADDRESS_TEXT_MAX + 1];
  kio_sockaddr peer;
  const kio_request *request = task->request;
  if (task->doing_fd < 0) return false;
  kio_address_blank(&peer);
  if (request && request->op == KIO_OP_CONNECT) peer = *request->arg.address;
  else if (getpeername(task->doing_fd, &peer.as.any, &peer.size) != 0) return false;
  if (peer.as.any.sa_family == AF_UNIX && peer.size <= sizeof peer.as.any.sa_family) return false;
  kio_address_text(&peer, raw);
  kio_escape(text, PEER_MAX, raw, strlen(raw), KIO_ESCAPE_NAME);
  return true;
}

static lua_Number waited_s(const kio_task *task) {
  return (lua_Number)(task->sched->now_ns - task->since_ns) / (lua_Number)KIO_NS_PER_SEC;
}

/* Pushes where it is: the innermost coroutine first, then those that have resumed it. `level` is
   where to begin in a coroutine that runs. */
static void push_traceback(lua_State *L, kio_task *task, int level) {
  enum { DEEPEST = 8 };
  lua_State *chain[DEEPEST];
  int count = 0;
  if (!task->started) {
    lua_pushliteral(L, "stack traceback:\n\t(not yet started)");
    return;
  }
  for (lua_State *co = task->co; co; co = kio_coroutine_inner(L, co)) {
    if (count == DEEPEST) count--; /* the innermost tells most */
    chain[count++] = co;
  }
  kio_traceback_push(L, chain[count - 1], chain[count - 1] == L ? level : 0);
  for (int i = count - 2; i >= 0; i--) {
    lua_pushliteral(L, "\nwhich is a coroutine in\n");
    kio_traceback_push(L, chain[i], 0);
    lua_concat(L, 3);
  }
}

static kio_task *awaited_by(const kio_task *task) {
  return task->doing == kio_task_awaiting ? task->subject : NULL;
}

/* ---- tasks ---- */

static void set_count(lua_State *L, const char *name, uint64_t value) {
  kio_set_integer(L, name, (lua_Integer)value);
}

/* Sets a field of the table on top to a live task. */
static void set_task(lua_State *L, const char *name, const kio_task *task) {
  kio_task_push(L, task);
  lua_setfield(L, -2, name);
}

static void push_waiting(lua_State *L, const kio_task *task) {
  char peer[PEER_MAX];
  lua_createtable(L, 0, 4);
  kio_set_text(L, "op", task->doing);
  kio_set_number(L, "seconds", waited_s(task));
  if (task->doing_fd >= 0) set_count(L, "fd", (uint64_t)task->doing_fd);
  if (awaited_by(task)) set_task(L, "task", awaited_by(task));
  if (!peer_of(task, peer)) return;
  kio_set_text(L, "peer", peer);
}

/* In whose scope it runs; the run's own scope is that of its main task. */
static kio_task *parent_of(const kio_task *task) {
  const kio_scope *owner = kio_scope_owner(task->own.parent);
  kio_task *parent = owner->task ? owner->task : task->sched->main;
  return parent == task ? NULL : parent;
}

static void push_task(lua_State *L, kio_task *task) {
  const kio_task *parent = parent_of(task);
  lua_createtable(L, 0, 8);
  set_count(L, "id", task->id);
  set_task(L, "task", task);
  if (parent) set_task(L, "parent", parent);
  push_name(L, task);
  lua_setfield(L, -2, "name");
  kio_set_text(L, "status", kio_task_status_name(task));
  lua_pushboolean(L, task->daemon);
  lua_setfield(L, -2, "daemon");
  push_traceback(L, task, 1);
  lua_setfield(L, -2, "traceback");
  if (task->status != KIO_TASK_WAITING) return;
  push_waiting(L, task);
  lua_setfield(L, -2, "waiting");
}

static kio_sched *check_sched(lua_State *L, const char *what) {
  kio_sched *sched = kio_sched_current();
  if (!sched) luaL_error(L, "%s outside kio.run", what);
  return sched;
}

/* tasks() -> a list of what every live task of this thread's run is doing, oldest first */
static int l_tasks(lua_State *L) {
  kio_sched *sched = check_sched(L, "kio.tasks");
  kio_takes(L, 0);
  lua_Integer count = 0;
  lua_newtable(L);
  KIO_LIST_EACH(&sched->tasks, link) {
    push_task(L, KIO_CONTAINER(link, kio_task, link));
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

/* ---- reports ---- */

/* Only the top one of what has been pushed above `base` stays. */
static void keep_top(lua_State *L, int base) {
  lua_insert(L, base + 1);
  lua_settop(L, base + 1);
}

/* task 3 "name" */
static void push_label(lua_State *L, kio_task *task) {
  enum { LONGEST = 80 };
  int base = lua_gettop(L);
  push_name(L, task);
  const char *name = lua_tostring(L, -1);
  if (strlen(name) > LONGEST) name = lua_pushfstring(L, "%s...", lua_pushlstring(L, name, LONGEST));
  lua_pushfstring(L, "task %d \"%s\"", (int)task->id, name);
  keep_top(L, base);
}

/* waits for 1.500 s in recv on fd 7 (127.0.0.1:80) */
static void push_wait(lua_State *L, const kio_task *task) {
  char seconds[32], peer[PEER_MAX];
  int base = lua_gettop(L);
  snprintf(seconds, sizeof seconds, "%.3f", waited_s(task));
  lua_pushfstring(L, "waits for %s s in %s", seconds, task->doing);
  if (awaited_by(task)) {
    push_label(L, awaited_by(task));
    lua_pushfstring(L, "%s of %s", lua_tostring(L, -2), lua_tostring(L, -1));
  } else if (task->doing_fd >= 0) {
    lua_pushfstring(L, "%s on fd %d", lua_tostring(L, -1), task->doing_fd);
    if (peer_of(task, peer)) lua_pushfstring(L, "%s (%s)", lua_tostring(L, -1), peer);
  }
  keep_top(L, base);
}

/* task 3 "name": what it does */
static void push_line(lua_State *L, kio_task *task) {
  int base = lua_gettop(L);
  push_label(L, task);
  if (task->status == KIO_TASK_WAITING) push_wait(L, task);
  else lua_pushstring(L, kio_task_status_name(task));
  lua_pushfstring(L, "%s: %s", lua_tostring(L, -2), lua_tostring(L, -1));
  keep_top(L, base);
}

/* A text about every live task but the running one: all are named, the first ones with their
   tracebacks, up to a number nobody would read. */
static void push_report(lua_State *L, kio_sched *sched) {
  luaL_Buffer text;
  int named = 0, more = 0;
  luaL_buffinit(L, &text);
  KIO_LIST_EACH(&sched->tasks, link) {
    kio_task *task = KIO_CONTAINER(link, kio_task, link);
    if (task == sched->current) continue;
    if (named == KIO_REPORT_TASKS) {
      more++;
      continue;
    }
    if (named > 0) luaL_addchar(&text, '\n');
    push_line(L, task);
    luaL_addvalue(&text);
    if (named++ >= KIO_REPORT_TRACEBACKS) continue;
    luaL_addchar(&text, '\n');
    push_traceback(L, task, 0);
    luaL_addvalue(&text);
  }
  if (more > 0) {
    lua_pushfstring(L, "\nand %d more", more);
    luaL_addvalue(&text);
  }
  luaL_pushresult(&text);
}

static int l_report(lua_State *L) {
  push_report(L, check_sched(L, "report"));
  return 1;
}

static int l_keep_report(lua_State *L) {
  kio_sched *sched = lua_touserdata(L, 1);
  push_report(L, sched);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &sched->end.trouble);
  return 0;
}

void kio_inspect_trouble(kio_sched *sched) {
  lua_State *L = sched->L;
  if (!lua_checkstack(L, 2)) return;
  lua_pushcfunction(L, l_keep_report);
  lua_pushlightuserdata(L, sched);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1); /* memory is out: the trouble is told alone */
}

void kio_inspect_push_trouble(lua_State *L, kio_sched *sched) {
  int base = lua_gettop(L);
  lua_pushstring(L, sched->end.trouble);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &sched->end.trouble) == LUA_TSTRING) {
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &sched->end.trouble);
    lua_pushfstring(L, "%s\n%s", lua_tostring(L, -2), lua_tostring(L, -1));
    keep_top(L, base);
  }
  lua_settop(L, base + 1);
}

/* ---- the watchdog ---- */

/* Pushes what is told of a task that holds the loop. */
static void push_hog(lua_State *L, kio_task *task, int64_t held_ns) {
  lua_createtable(L, 0, 5);
  set_task(L, "task", task);
  kio_set_number(L, "seconds", (lua_Number)held_ns / (lua_Number)KIO_NS_PER_SEC);
  push_name(L, task);
  lua_setfield(L, -2, "name");
  push_traceback(L, task, 0);
  lua_setfield(L, -2, "traceback");
  lua_pushboolean(L, task->sched->current != NULL);
  lua_setfield(L, -2, "running");
}

static void tell_stderr(lua_State *L, kio_task *task, int64_t held_ns) {
  int base = lua_gettop(L);
  push_label(L, task);
  push_traceback(L, task, 0);
  fprintf(stderr, "kio: %s has held the loop for %.3f s\n%s\n", lua_tostring(L, base + 1),
          (double)held_ns / 1e9, lua_tostring(L, base + 2));
  lua_settop(L, base);
}

static void tell_hog(lua_State *L, kio_task *task, int64_t held_ns) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &task->sched->config.watchdog) == LUA_TFUNCTION) {
    push_hog(L, task, held_ns);
    lua_call(L, 1, 0);
  } else {
    lua_pop(L, 1);
    tell_stderr(L, task, held_ns);
  }
}

static int l_tell_hog(lua_State *L) {
  kio_task *task = lua_touserdata(L, 1);
  tell_hog(L, task, (int64_t)lua_tointeger(L, 2));
  return 0;
}

void kio_inspect_hog(lua_State *L, kio_task *task, int64_t held_ns) {
  if (task->sched->current) {
    tell_hog(L, task, held_ns);
    return;
  }
  if (!lua_checkstack(L, 3)) return;
  lua_pushcfunction(L, l_tell_hog);
  lua_pushlightuserdata(L, task);
  lua_pushinteger(L, (lua_Integer)held_ns);
  if (lua_pcall(L, 2, 0, 0) == LUA_OK) return;
  kio_log_always("on_watchdog failed: %s", kio_traceback_push_text(L, -1));
  lua_pop(L, 2);
}

/* ---- counters ---- */

static void set_ops(lua_State *L, const kio_ring_stats *ring) {
  lua_createtable(L, 0, KIO_OP_COUNT);
  for (int op = 0; op < KIO_OP_COUNT; op++) {
    if (ring->ops[op] > 0) set_count(L, kio_op_name((unsigned)op), ring->ops[op]);
  }
  lua_setfield(L, -2, "ops");
}

static void set_ring(lua_State *L, const kio_ring *ring) {
  const kio_ring_stats *stats = &ring->stats;
  lua_Number enters = stats->enters > 0 ? (lua_Number)stats->enters : 1;
  set_count(L, "pending", ring->pending);
  set_count(L, "enters", stats->enters);
  set_count(L, "completions", stats->completions);
  kio_set_number(L, "completions_per_enter", (lua_Number)stats->completions / enters);
  set_count(L, "more", stats->more);
  set_count(L, "ignored", stats->ignored);
  set_count(L, "stale", stats->stale);
  set_count(L, "overflows", stats->overflows);
  set_count(L, "held_back", stats->held_back);
  set_count(L, "starved", stats->starved);
  set_ops(L, stats);
}

/* What the threads for blocking work do: all 0 before the first job. */
static void set_pool(lua_State *L, const kio_sched *sched) {
  kio_pool_stats stats = {0};
  unsigned running = 0, queued = 0;
  bool may_lock = kio_ring_alive(&sched->ring); /* in a forked child nobody might unlock */
  if (sched->config.worker && may_lock)
    kio_runtime_pool_stats(sched->config.worker->runtime, &stats);
  for (int i = 0; i < KIO_LANE_COUNT; i++) {
    running += stats.running[i];
    queued += stats.queued[i];
  }
  lua_createtable(L, 0, 3);
  set_count(L, "threads", stats.threads);
  set_count(L, "running", running);
  set_count(L, "queued", queued);
  lua_setfield(L, -2, "pool");
}

/* stats() -> a table of counters of this thread's run */
static int l_stats(lua_State *L) {
  const kio_sched *sched = check_sched(L, "kio.stats");
  kio_takes(L, 0);
  lua_createtable(L, 0, 20);
  kio_set_text(L, "backend", kio_ring_name(&sched->ring, &sched->config.ring));
  set_count(L, "turns", sched->stats.turns);
  set_count(L, "resumes", sched->stats.resumes);
  set_count(L, "spawned", sched->stats.spawned);
  set_count(L, "tasks", sched->stats.spawned - sched->stats.ended);
  set_count(L, "timers", sched->timers.count);
  set_count(L, "ready", sched->ready_count);
  set_count(L, "buffers",
            sched->buffers.taken - (sched->door.wake != NULL)); /* that one is kio's */
  kio_set_number(L, "longest_turn",
                 (lua_Number)sched->stats.longest_turn_ns / (lua_Number)KIO_NS_PER_SEC);
  set_ring(L, &sched->ring);
  set_pool(L, sched);
  return 1;
}

const luaL_Reg kio_inspect_ops[] = {
    {"tasks", l_tasks},
    {"stats", l_stats},
    {NULL, NULL},
};

const luaL_Reg kio_inspect_own[] = {
    {"report", l_report},
    {NULL, NULL},
};
