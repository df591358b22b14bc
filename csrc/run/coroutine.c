/* Lua's coroutine functions, made aware of tasks. A coroutine inside a task that starts an
   operation yields with kio's mark; its resumer sees the mark and yields too, level by level, down
   to the loop, and on the way back each level resumes the next. So an operation parks the whole
   task, while the coroutine's own yields go to its own resumer. Outside tasks these do what Lua's
   do, messages included (Lua reference manual, section 6.2). */
#include "run/coroutine.h"

#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"
#include "task/hook.h"
#include "task/member.h"
#include "task/result.h"
#include "task/sched_tree.h"
#include "task/task.h"
#include "task/version.h"

static lua_State *check_coroutine(lua_State *L, int index) {
  lua_State *co = lua_tothread(L, index);
  luaL_argexpected(L, co, index, "thread");
  return co;
}

/* The scheduler whose running task is executing L; NULL outside tasks. */
static kio_sched *driving(lua_State *L) {
  kio_sched *sched = kio_sched_current();
  return sched && sched->leaf == L ? sched : NULL;
}

#define YIELD_IN_SCOPE                                                                 \
  "coroutine.yield out of a scope this coroutine has opened (kio.scope, kio.timeout, " \
  "kio.deadline, "                                                                     \
  "kio.shield): open it in the one that resumes"

/* ---- resume ---- */

/* co has yielded or ended, L goes on. In this order: an interrupt may come at any point. */
static void back(kio_sched *sched, lua_State *L, lua_State *co) {
  sched->leaf = L;
  if (!sched->hooked) return;
  kio_hook_uncover(co);
  kio_hook_cover(L);
}

/* One lua_resume; the scheduler knows who runs. Where L itself cannot yield, an operation below
   could not reach the loop: `stuck` has it refused. */
static int enter(lua_State *L, lua_State *co, int nargs, int *nresults) {
  kio_sched *sched = driving(L);
  if (!sched) return lua_resume(co, L, nargs, nresults);
  bool stuck = sched->stuck;
  sched->leaf = co;
  sched->stuck = stuck || !lua_isyieldable(L);
  if (sched->hooked) kio_hook_cover(co);
  int status = lua_resume(co, L, nargs, nresults);
  back(sched, L, co);
  sched->stuck = stuck;
  return status;
}

/* Closes co's pending variables. Their handlers run here and now: an operation in one is refused,
   for Lua cannot yield from them. The error, if any, is left on co's stack. */
static int reset(lua_State *L, lua_State *co) {
  kio_sched *sched = driving(L);
  if (!sched) return kio_lua_close(co, L);
  bool stuck = sched->stuck;
  sched->leaf = co;
  sched->stuck = true;
  if (sched->hooked) kio_hook_cover(co);
  int status = kio_lua_close(co, L);
  back(sched, L, co);
  sched->stuck = stuck;
  return status;
}

/* A yield that l_yield has not seen (it was taken from the library before kio was loaded) has left
   a scope open, which would go on to bind the resumer. The coroutine ends here; true then. */
static bool left_scope(lua_State *L, lua_State *co, int nresults) {
  kio_sched *sched = driving(L);
  if (!sched || sched->current->scope->co != co) return false;
  lua_pop(co, nresults);
  kio_sched_leave_scopes(sched->current, co);
  reset(L, co);
  lua_settop(co, 0);
  lua_pushliteral(L, YIELD_IN_SCOPE);
  return true;
}

/* A close by co itself that l_close has not seen leaves its scopes as such a yield does. */
static void leave_ended(lua_State *L, lua_State *co) {
  kio_sched *sched = driving(L);
  if (sched && sched->current->scope->co == co) kio_sched_leave_scopes(sched->current, co);
}

/* Resumes co; how many results it left on L's stack, or -1 with the error there. While co is parked
   in an operation L parks too, and `k` goes on. */
static int resume(lua_State *L, lua_State *co, int nargs, lua_KFunction k) {
  int nresults;
  int status = enter(L, co, nargs, &nresults);
  if (status == LUA_YIELD && kio_task_is_parked(co)) return kio_task_yield_marked(L, 0, k);
  if (status != LUA_YIELD) leave_ended(L, co);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (status == LUA_YIELD && left_scope(L, co, nresults)) return -1;
  if (!lua_checkstack(L, nresults + 1)) {
    lua_pop(co, nresults);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, nresults);
  return nresults;
}

/* Before co goes on. */
static void unpark(lua_State *L, lua_State *co) {
  kio_sched *sched = driving(L);
  if (kio_task_is_parked(co)) {
    kio_task_unpark(co);
  } else if (sched) { /* a foreign close has ended it */
    kio_sched_forget_waits(sched->current);
    kio_sched_leave_scopes(sched->current, co);
  }
}

/* The first resume of a call: moves the arguments over. */
static int begin(lua_State *L, lua_State *co, int nargs, lua_KFunction k) {
  if (kio_task_is_parked(co)) {
    lua_pushliteral(L, "cannot resume non-suspended coroutine");
    return -1;
  }
  if (kio_task_is_over(co)) {
    lua_pushliteral(L, "cannot resume dead coroutine");
    return -1;
  }
  if (!lua_checkstack(co, nargs)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, nargs);
  return resume(L, co, nargs, k);
}

static int resumed(lua_State *L, int count) {
  lua_pushboolean(L, count >= 0);
  lua_insert(L, count >= 0 ? -(count + 1) : -2);
  return count >= 0 ? count + 1 : 2;
}

static int l_resumek(lua_State *L, int status, lua_KContext ctx) {
  lua_State *co = lua_tothread(L, 1);
  (void)status;
  (void)ctx;
  unpark(L, co);
  return resumed(L, resume(L, co, 0, l_resumek));
}

static int l_resume(lua_State *L) {
  lua_State *co = check_coroutine(L, 1);
  return resumed(L, begin(L, co, lua_gettop(L) - 1, l_resumek));
}

/* ---- wrap ---- */

/* An error in the coroutine closes it, says where it passed, and goes on in the caller. */
static int wrap_failed(lua_State *L, lua_State *co) {
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_pop(L, 1); /* closing may put another error in its place */
    status = reset(L, co);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int l_wrappedk(lua_State *L, int status, lua_KContext ctx) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  (void)status;
  (void)ctx;
  unpark(L, co);
  int count = resume(L, co, 0, l_wrappedk);
  return count >= 0 ? count : wrap_failed(L, co);
}

static int l_wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int count = begin(L, co, lua_gettop(L), l_wrappedk);
  return count >= 0 ? count : wrap_failed(L, co);
}

static int l_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, l_wrapped, 1);
  return 1;
}

/* ---- who has resumed whom ---- */

lua_State *kio_coroutine_inner(lua_State *L, lua_State *co) {
  lua_Debug frame;
  lua_State *inner = NULL;
  if (!lua_getstack(co, 0, &frame)) return NULL;
  lua_getinfo(L, "f", &frame); /* the frame tells whose it is */
  lua_CFunction function = lua_tocfunction(L, -1);
  if (function == l_wrapped) {
    lua_getupvalue(L, -1, 1);
    inner = lua_tothread(L, -1);
    lua_pop(L, 1);
  } else if (function == l_resume && lua_checkstack(co, 1) && lua_getlocal(co, &frame, 1)) {
    inner = lua_tothread(co, -1);
    lua_pop(co, 1);
  }
  lua_pop(L, 1);
  return inner;
}

/* ---- the others ---- */

static int l_yield(lua_State *L) {
  kio_sched *sched = kio_sched_current();
  if (sched && sched->current && sched->current->co == L) {
    return luaL_error(L, "coroutine.yield at a task's top level: nobody would resume it "
                         "(kio.yield lets other tasks run)");
  }
  if (sched && sched->leaf == L && sched->current->scope->co == L) {
    return luaL_error(L, YIELD_IN_SCOPE);
  }
  return lua_yield(L, lua_gettop(L));
}

static int l_isyieldable(lua_State *L) {
  kio_sched *sched = kio_sched_current();
  lua_State *co = lua_isnone(L, 1) ? L : check_coroutine(L, 1);
  bool top_level = sched && sched->current && sched->current->co == co;
  lua_pushboolean(L, !top_level && lua_isyieldable(co));
  return 1;
}

static const char *status_of(lua_State *L, lua_State *co) {
  lua_Debug frame;
  if (L == co) return "running";
  if (kio_task_is_parked(co)) return "normal"; /* its task waits with it */
  if (lua_status(co) == LUA_YIELD) return "suspended";
  if (lua_status(co) != LUA_OK) return "dead";
  if (lua_getstack(co, 0, &frame)) return "normal";
  return lua_gettop(co) == 0 || kio_task_is_over(co) ? "dead" : "suspended";
}

static int l_status(lua_State *L) {
  lua_pushstring(L, status_of(L, check_coroutine(L, 1)));
  return 1;
}

static bool is_main(lua_State *L) {
  bool is = lua_pushthread(L);
  lua_pop(L, 1);
  return is;
}

/* Ends the coroutine that runs, as Lua 5.5 does: its resume returns. What must see its own end does
   not end so: a task, and a scope. */
static int close_itself(lua_State *L) {
  const kio_sched *sched = driving(L);
  if (is_main(L)) return luaL_error(L, "cannot close main thread");
  if (sched && sched->current->co == L) {
    return luaL_error(L, "cannot close a task's own coroutine: a task ends when its function "
                         "returns, or by task:cancel()");
  }
  if (sched && sched->current->scope->co == L) {
    return luaL_error(L, "cannot close a coroutine inside a scope it has opened (kio.scope, "
                         "kio.timeout, kio.deadline, kio.shield)");
  }
  kio_lua_close_itself(L);
  return 0;
}

static int l_close(lua_State *L) {
  bool itself = KIO_LUA_CLOSES_ITSELF && lua_isnone(L, 1);
  lua_State *co = itself ? L : check_coroutine(L, 1);
  const char *status = status_of(L, co);
  if (KIO_LUA_CLOSES_ITSELF && L == co) return close_itself(L);
  if (*status != 'd' && *status != 's') {
    return luaL_error(L, "cannot close a %s coroutine", status);
  }
  if (kio_task_is_over(co) || reset(L, co) == LUA_OK) {
    lua_pushboolean(L, true);
    return 1;
  }
  lua_pushboolean(L, false);
  lua_xmove(co, L, 1);
  return 2;
}

static const luaL_Reg functions[] = {
    {"resume", l_resume},           {"wrap", l_wrap},   {"yield", l_yield}, {"status", l_status},
    {"isyieldable", l_isyieldable}, {"close", l_close}, {NULL, NULL},
};

void kio_coroutine_open(lua_State *L) {
  if (lua_getglobal(L, "coroutine") == LUA_TTABLE) luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
