/* Test builds only: what specs need to see and to break. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/errname.h"
#include "base/memory.h"
#include "base/signame.h"
#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"
#include "test/sim_script.h"
#include "thread/thread.h"

/* ---- the world ---- */

static void set_count(lua_State *L, const char *name, long value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

/* world() -> counters of what is alive outside a run; all are 0 in a clean world */
static int l_world(lua_State *L) {
  lua_createtable(L, 0, 3);
  set_count(L, "blocks", kio_memory_live());
  set_count(L, "schedulers", kio_sched_current() ? 1 : 0);
  set_count(L, "scripts", kio_sim_script_waits() ? 1 : 0);
  return 1;
}

/* fail_memory(n) -> how many have failed since the last call: from now the n-th C allocation fails;
   0: none */
static int l_fail_memory(lua_State *L) {
  long n = (long)luaL_checkinteger(L, 1);
  lua_pushinteger(L, kio_memory_failures());
  kio_memory_fail_at(n);
  return 1;
}

/* What the hook of Lua's memory has: the allocator below it, after how many allocations it fails,
   and how many it has failed. */
static _Thread_local struct {
  lua_Alloc allocate;
  long left;
  lua_Integer failed;
} lua_memory;

enum { LUA_TRIES = 2 }; /* Lua collects all its garbage and tries once more */

static void *allocate_or_fail(void *ud, void *ptr, size_t before, size_t size) {
  bool more = size > 0 && (!ptr || size > before);
  if (more && --lua_memory.left <= 0 && lua_memory.failed < LUA_TRIES) {
    lua_memory.failed++;
    return NULL;
  }
  return lua_memory.allocate(ud, ptr, before, size);
}

/* fail_lua_memory(n) -> whether one has failed since the last call: from now the n-th allocation of
   this Lua state fails; 0: none */
static int l_fail_lua_memory(lua_State *L) {
  void *ud;
  lua_Alloc now = lua_getallocf(L, &ud);
  if (now != allocate_or_fail) lua_memory.allocate = now;
  lua_pushboolean(L, lua_memory.failed > 0);
  lua_memory.failed = 0;
  lua_memory.left = (long)luaL_checkinteger(L, 1);
  lua_setallocf(L, lua_memory.left > 0 ? allocate_or_fail : lua_memory.allocate, ud);
  return 1;
}

/* fail_thread(n): the n-th thread this one starts from now fails; 0: none */
static int l_fail_thread(lua_State *L) {
  kio_thread_fail_at((int)luaL_checkinteger(L, 1));
  return 0;
}

/* ---- the simulated ring ---- */

static int op_named(lua_State *L, const char *name) {
  int op = (int)kio_op_named(name);
  if (op == KIO_OP_COUNT) luaL_error(L, "sim: there is no operation '%s'", name);
  return op;
}

/* "EIO" -> -EIO; a number stays what it is */
static int read_result(lua_State *L) {
  if (lua_isinteger(L, -1)) return (int)lua_tointeger(L, -1);
  const char *name = luaL_checkstring(L, -1);
  int err = kio_errname_find(name);
  if (err == 0) luaL_error(L, "sim: there is no errno '%s'", name);
  return -err;
}

static lua_Integer count_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  lua_Integer value = luaL_optinteger(L, -1, 0);
  lua_pop(L, 1);
  return value;
}

static kio_sim_rule read_rule(lua_State *L, int index) {
  static const char *const known[] = {"op", "nth", "result", "short", "delay", "twice", NULL};
  kio_sim_rule rule = {.op = KIO_SIM_ANY_OP};
  luaL_checktype(L, index, LUA_TTABLE);
  kio_check_options(L, index, known);
  if (lua_getfield(L, index, "op") != LUA_TNIL) rule.op = op_named(L, luaL_checkstring(L, -1));
  rule.has_result = lua_getfield(L, index, "result") != LUA_TNIL;
  if (rule.has_result) rule.result = read_result(L);
  if (lua_getfield(L, index, "delay") != LUA_TNIL) rule.delay_ns = kio_check_seconds(L, -1);
  lua_getfield(L, index, "twice");
  rule.twice = lua_toboolean(L, -1);
  lua_settop(L, index);
  rule.nth = (uint64_t)count_field(L, index, "nth");
  rule.short_max = (size_t)count_field(L, index, "short");
  return rule;
}

/* sim{ {op =, nth =, result =, short =, delay =, twice =}, ..., short =, full =, reorder = }:
   the script of this thread's next run on the simulated ring (test/sim_script.h) */
static int l_sim(lua_State *L) {
  kio_sim_script script = {0};
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  script.short_max = (size_t)count_field(L, 1, "short");
  script.full = (unsigned)count_field(L, 1, "full");
  script.reorder = (uint64_t)count_field(L, 1, "reorder");
  script.rule_count = (unsigned)lua_rawlen(L, 1);
  luaL_argcheck(L, script.rule_count <= KIO_SIM_RULES, 1, "too many rules");
  for (unsigned i = 0; i < script.rule_count; i++) {
    lua_rawgeti(L, 1, (lua_Integer)i + 1);
    script.rules[i] = read_rule(L, 2);
    lua_settop(L, 1);
  }
  kio_sim_script_set(&script);
  return 0;
}

/* sim_fired() -> how often a rule of the last simulated run has matched */
static int l_sim_fired(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)kio_sim_script_fired());
  return 1;
}

/* ---- descriptors ---- */

/* set_nonblock(fd) */
static int l_set_nonblock(lua_State *L) {
  int fd = kio_check_fd(L, 1);
  lua_pushboolean(L, fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
  return 1;
}

/* terminal() -> the two ends of a pseudoterminal, or nothing */
static int l_terminal(lua_State *L) {
  int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) return 0;
  lua_pushinteger(L, master);
  lua_pushinteger(L, open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC));
  return 2;
}

/* ---- signals ---- */

/* send_signal(name, ...): to this process, as kill(1) does */
static int l_send_signal(lua_State *L) {
  for (int i = 1; i <= lua_gettop(L); i++) {
    int number = kio_signame_find(luaL_checkstring(L, i));
    luaL_argcheck(L, number, i, "no such signal");
    kill(getpid(), number);
  }
  return 0;
}

/* ---- forks ---- */

/* fork() -> 0 in the child, which is ended after a minute; its number in the parent */
static int l_fork(lua_State *L) {
  enum { SECONDS = 60 };
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
    alarm(SECONDS);
  }
  lua_pushinteger(L, pid);
  return 1;
}

/* reap(pid) -> the exit status of a child; minus the signal that has ended it. Blocks. */
static int l_reap(lua_State *L) {
  int status = 0;
  waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0);
  lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
  return 1;
}

/* exit_now(status): closes nothing, as a child that gives up before its exec */
static int l_exit_now(lua_State *L) {
  fflush(NULL);
  _exit((int)luaL_checkinteger(L, 1));
}

const luaL_Reg kio_test_ops[] = {
    {"world", l_world},
    {"fork", l_fork},
    {"reap", l_reap},
    {"exit_now", l_exit_now},
    {"fail_memory", l_fail_memory},
    {"fail_lua_memory", l_fail_lua_memory},
    {"fail_thread", l_fail_thread},
    {"sim", l_sim},
    {"sim_fired", l_sim_fired},
    {"send_signal", l_send_signal},
    {"set_nonblock", l_set_nonblock},
    {"terminal", l_terminal},
    {NULL, NULL},
};
