/* flavours: test asan epoll
   A host that can fork, which Lua cannot: runs spec/c/fork.lua with fork, wait and exit_now added.
   Run from the project's root. Exit status 0 is a pass. */
#include <lauxlib.h>
#include <lualib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "core.h"

/* fork() -> 0 in the child, its pid in the parent */
static int l_fork(lua_State *L) {
  fflush(NULL);
  pid_t pid = fork();
  CHECK(pid >= 0);
  lua_pushinteger(L, pid);
  return 1;
}

/* wait(pid) -> the exit status; minus the signal when it was killed. Blocks the whole process. */
static int l_wait(lua_State *L) {
  int status;
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  CHECK(waitpid(pid, &status, 0) == pid);
  lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
  return 1;
}

/* exit_now(status): without closing anything, as a child before exec would */
static int l_exit_now(lua_State *L) {
  fflush(NULL);
  _exit((int)luaL_checkinteger(L, 1));
}

int main(void) {
  lua_State *L = luaL_newstate();
  CHECK(L);
  luaL_openlibs(L);
  luaL_requiref(L, "kio.core", luaopen_kio_core, 0);
  lua_register(L, "fork", l_fork);
  lua_register(L, "wait", l_wait);
  lua_register(L, "exit_now", l_exit_now);
  if (luaL_dofile(L, "spec/c/fork.lua") != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    return 1;
  }
  lua_close(L);
  return 0;
}
