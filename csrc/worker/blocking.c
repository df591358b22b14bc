/* kio.spawn_blocking: a Lua function on a thread of the pool, in a Lua state that belongs to that
   thread. The origin packs the function and hands the job over before anybody waits for it; the
   task it gives back waits. Invariant: what lies in a `blocking` belongs to the pool's thread from
   submit until the offload has arrived, and to the origin before and after. */
#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "codec/pack.h"
#include "codec/unpack.h"
#include "op/offload.h"
#include "op/registry.h"
#include "run/state.h"
#include "run/task_lua.h"
#include "task/here.h"
#include "task/scope.h"
#include "task/task.h"
#include "task/traceback.h"
#include "worker/outcome.h"

enum { NAME_MAX_SIZE = 64 };

typedef struct blocking {
  kio_offloaded offload;
  kio_seed seed;
  kio_parcel parcel;        /* the function and its arguments, then the outcome */
  uint8_t outcome;          /* kio_outcome: DONE, FAILED, or MEMORY: there was none for so much */
  char name[NAME_MAX_SIZE]; /* for reports: what the caller says, or where the function is */
} blocking;

static blocking *blocking_of(kio_job *job) {
  return KIO_CONTAINER(job, blocking, offload.job);
}

static void blocking_free(kio_job *job) {
  blocking *b = blocking_of(job);
  kio_parcel_free(&b->parcel);
  kio_seed_fini(&b->seed);
  kio_memory_free(b);
}

/* ---- on a thread of the pool ---- */

static int on_error(lua_State *L) {
  kio_traceback_push(L, L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "kio.traceback");
  return 1;
}

/* call(blocking) -> outcome */
static int l_call(lua_State *L) {
  blocking *b = lua_touserdata(L, 1);
  lua_pushcfunction(L, on_error);
  int count = kio_codec_unpack(L, &b->parcel);
  bool ok = count > 0 && lua_pcall(L, count - 1, LUA_MULTRET, 2) == LUA_OK;
  if (count < 0) lua_pushnil(L);
  else if (!ok) lua_getfield(L, LUA_REGISTRYINDEX, "kio.traceback");
  lua_pushinteger(L, ok ? kio_outcome_pack_results(L, 3, &b->parcel)
                        : kio_outcome_pack_error(L, &b->parcel));
  return 1;
}

static void close_state(void *data) {
  lua_close(data);
}

static lua_State *state_of(kio_local *local, const kio_seed *seed) {
  if (!local->data) local->data = kio_state_new(seed);
  if (local->data) local->fini = close_state;
  return local->data;
}

static void work(kio_job *job, kio_local *local) {
  blocking *b = blocking_of(job);
  kio_assert(!job->queued && b->parcel.size > 0);
  lua_State *L = state_of(local, &b->seed);
  b->outcome = KIO_OUTCOME_MEMORY;
  if (!L) return;
  lua_pushcfunction(L, l_call);
  lua_pushlightuserdata(L, b);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) b->outcome = (uint8_t)lua_tointeger(L, -1);
  lua_settop(L, 0);
}

/* ---- the task that waits ---- */

static int l_waitk(lua_State *L, int status, lua_KContext ctx) {
  blocking *b = (blocking *)ctx; /* NOLINT: it was one when it went down */
  (void)status;
  int err = kio_offload_result(L, &b->offload);
  if (err || b->outcome == KIO_OUTCOME_MEMORY) {
    kio_offload_end(&b->offload);
    return luaL_error(L, "kio.spawn_blocking: %s", strerror(err ? err : ENOMEM));
  }
  kio_assert(b->offload.await.arrived && !b->offload.job.queued);
  kio_outcome outcome = b->outcome;
  kio_parcel parcel = b->parcel;
  b->parcel = (kio_parcel){0};
  kio_offload_end(&b->offload);
  return kio_outcome_push(L, outcome, &parcel, "a blocking thread");
}

/* The body of the task, which begins when the job has ended: wait(anchor) -> its results. */
static int l_wait(lua_State *L) {
  kio_task *task = kio_op_begin(L);
  blocking *b = blocking_of(&kio_offload_check(L, 1)->job);
  return kio_offload_wait(L, task, &b->offload, l_waitk);
}

/* ---- spawning ---- */

/* The stack: the table or nil, its options, the function and its arguments. */
enum { TABLE = 1, NAME, WAIT, FUNCTION };

/* The arguments become the frame above, whichever way they were given. */
static void read_arguments(lua_State *L) {
  static const char *const known[] = {"name", "wait", NULL};
  if (!lua_istable(L, 1)) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_rotate(L, 1, 3);
    return;
  }
  lua_settop(L, TABLE);
  kio_check_named_options(L, TABLE, known);
  lua_Integer count = (lua_Integer)lua_rawlen(L, TABLE);
  luaL_argcheck(L, count < INT16_MAX && lua_checkstack(L, (int)count + 8), TABLE,
                "too many arguments");
  bool named = kio_option(L, TABLE, "name") != LUA_TNIL;
  luaL_argcheck(L, !named || lua_type(L, NAME) == LUA_TSTRING, TABLE, "the name must be a string");
  int wait = kio_option(L, TABLE, "wait");
  luaL_argcheck(L, wait == LUA_TNIL || wait == LUA_TBOOLEAN, TABLE,
                "option 'wait' must be a boolean");
  for (lua_Integer i = 1; i <= count; i++) lua_rawgeti(L, TABLE, i);
  luaL_argcheck(L, lua_isfunction(L, FUNCTION), TABLE, "no function to run");
}

static void set_name(lua_State *L, blocking *b) {
  lua_Debug about;
  lua_pushvalue(L, FUNCTION);
  lua_getinfo(L, ">S", &about);
  if (lua_isstring(L, NAME)) snprintf(b->name, sizeof b->name, "%s", lua_tostring(L, NAME));
  else snprintf(b->name, sizeof b->name, "%s:%d", about.short_src, about.linedefined);
  b->offload.job.name = b->name;
}

/* A task that waits for the job, which is under way: the anchor is on top. */
static int spawn_waiter(lua_State *L, kio_task *task, blocking *b) {
  lua_pushcfunction(L, l_wait);
  lua_insert(L, -2);
  kio_task *waiter = kio_spawn(L, task->sched, kio_scope_owner(task->scope), lua_gettop(L) - 1);
  kio_offload_hold(waiter, &b->offload);
  if (!lua_isstring(L, NAME)) return 1;
  lua_pushvalue(L, NAME);
  lua_setiuservalue(L, -2, KIO_TASK_UV_NAME);
  return 1;
}

static int refuse(lua_State *L, blocking *b, int err) {
  const char *what = "kio.spawn_blocking", *full = "all threads are busy, and the queue is full";
  if (err == -EAGAIN) kio_fail_text(L, "EAGAIN", what, "blocking pool", full);
  else kio_fail(L, -err, what, "blocking pool");
  kio_offload_end(&b->offload);
  return KIO_FAILED;
}

static const kio_offload_kind blocking_kind = {
    .name = "kio.spawn_blocking",
    .subject = "blocking pool",
    .size = sizeof(blocking),
    .work = work,
    .free = blocking_free,
    .lane = KIO_LANE_USER,
    .patient = true,
};

/* A place is kept: the function goes, and with it what moves. The anchor is on top. */
static int send_off(lua_State *L, kio_task *task, blocking *b) {
  int anchor = lua_gettop(L);
  kio_assert(b->offload.job.reserved && b->parcel.size == 0);
  if (!kio_codec_pack(L, FUNCTION, anchor - FUNCTION, &b->parcel, NULL)) {
    kio_offload_end(&b->offload); /* and with it the place */
    return lua_error(L);
  }
  int err = kio_offload_start(task->sched, &b->offload);
  return err ? refuse(L, b, err) : spawn_waiter(L, task, b);
}

static int l_placek(lua_State *L, int status, lua_KContext ctx) {
  blocking *b = (blocking *)ctx; /* NOLINT: it was one when it went down */
  (void)status;
  int err = kio_offload_result(L, &b->offload);
  return err ? refuse(L, b, -err) : send_off(L, kio_sched_current()->current, b);
}

/* spawn_blocking(f, ...) or {f, ..., name =, wait =} -> task | nil, message, "EAGAIN" */
static int l_spawn_blocking(lua_State *L) {
  kio_task *task = kio_op_begin(L);
  read_arguments(L);
  luaL_checkstack(L, 8, "too many arguments");
  blocking *b = kio_offload_new(L, task, &blocking_kind);
  if (!b) return KIO_FAILED;
  set_name(L, b);
  if (!kio_seed_init(&b->seed, L)) return refuse(L, b, -ENOMEM);
  bool wait = lua_toboolean(L, WAIT);
  int err = kio_offload_reserve(task->sched, &b->offload, wait);
  if (err == -EAGAIN && wait) return kio_offload_wait(L, task, &b->offload, l_placek);
  return err ? refuse(L, b, err) : send_off(L, task, b);
}

const luaL_Reg kio_blocking_ops[] = {
    {"spawn_blocking", l_spawn_blocking},
    {NULL, NULL},
};
