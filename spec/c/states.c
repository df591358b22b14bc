/* flavours: test asan tsan epoll
   timeout: 120
   A host that has Lua as one of its parts: two threads of its own, each with a Lua state that loads
   kio by itself, run workers, pools and runtimes at the same time, again and again; states move
   from thread to thread, and are closed with a runtime left open, or with threads that do not end.
   Afterwards the process is as before: descriptors, threads, memory, signals, and the library is
   unloaded, unless a thread still runs in it. Not linked with the core: Lua loads it, as anywhere.
   Run from the project's root. Exit status 0 is a pass. */
#include <dirent.h>
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

enum { SIDES = 2, LOADS = 300 };

static const char *flavour;
static int rounds = 10; /* states a side has, one after the other */
static pthread_barrier_t barrier;

/* ---- the process ---- */

/* How many entries a folder has. */
static int entries(const char *path, bool (*counts)(const char *name)) {
  int count = 0;
  DIR *dir = opendir(path);
  CHECK(dir);
  for (struct dirent *entry; (entry = readdir(dir));) {
    count += entry->d_name[0] != '.' && (!counts || counts(entry->d_name));
  }
  closedir(dir);
  return count;
}

static int descriptors(void) {
  return entries("/proc/self/fd", NULL);
}

/* The kernel's threads for a ring end some time after it. */
static bool is_ours(const char *tid) {
  char path[64], name[32] = "";
  snprintf(path, sizeof path, "/proc/self/task/%s/comm", tid);
  FILE *file = fopen(path, "re");
  if (!file) return false;
  bool read = fgets(name, sizeof name, file) != NULL;
  fclose(file);
  return read && strncmp(name, "iou-", 4) != 0;
}

static int threads(void) {
  return entries("/proc/self/task", is_ours);
}

/* The host is alone again, but for `count` threads. One that was joined is seen a moment longer;
   ThreadSanitizer has one of its own. */
static void await_threads(int count) {
  count += strcmp(flavour, "tsan") == 0 ? 2 : 1;
  for (int i = 0; i < 5000 && threads() != count; i++) usleep(1000);
  CHECK(threads() == count);
}

static bool is_loaded(void) {
  char line[512];
  bool found = false;
  FILE *maps = fopen("/proc/self/maps", "re");
  CHECK(maps);
  while (fgets(line, sizeof line, maps)) found |= strstr(line, "/kio/core.so") != NULL;
  fclose(maps);
  return found;
}

/* KiB of memory in use. */
static long resident(void) {
  long pages, ignored;
  FILE *file = fopen("/proc/self/statm", "re");
  CHECK(file && fscanf(file, "%ld %ld", &ignored, &pages) == 2);
  fclose(file);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Sanitizers keep the library, and memory that was freed. */
static bool sanitized(void) {
  return strcmp(flavour, "test") != 0;
}

/* ---- Lua states ---- */

static lua_State *new_state(void) {
  lua_State *L = luaL_newstate();
  CHECK(L);
  luaL_openlibs(L);
  lua_pushstring(L, flavour);
  lua_setglobal(L, "flavour");
  if (luaL_dofile(L, "spec/c/states.lua") == LUA_OK) return L;
  fprintf(stderr, "%s\n", lua_tostring(L, -1));
  exit(1);
}

/* Runs a step with two numbers. */
static void step_with(lua_State *L, const char *name, int a, int b) {
  lua_getfield(L, 1, name);
  lua_pushinteger(L, a);
  lua_pushinteger(L, b);
  if (lua_pcall(L, 2, 0, 0) == LUA_OK) return;
  fprintf(stderr, "%s: %s\n", name, lua_tostring(L, -1));
  exit(1);
}

static void step(lua_State *L, const char *name) {
  step_with(L, name, 0, 0);
}

/* All sides have come here. */
static void meet(void) {
  pthread_barrier_wait(&barrier);
}

/* A thread of the host's: returns its last state, open. */
static void *side(void *arg) {
  lua_State *L = NULL;
  (void)arg;
  for (int i = 0; i < rounds; i++) {
    L = new_state();
    meet();
    step(L, "work");
    step(L, "collect");
    meet();
    step(L, "check");
    meet(); /* nobody works while somebody checks */
    if (i < rounds - 1) lua_close(L);
  }
  step(L, "leave");
  step(L, "use");
  return L;
}

static void both_sides(void) {
  pthread_t sides[SIDES];
  lua_State *states[SIDES];
  pthread_barrier_init(&barrier, NULL, SIDES);
  for (int i = 0; i < SIDES; i++) CHECK(pthread_create(&sides[i], NULL, side, NULL) == 0);
  for (int i = 0; i < SIDES; i++) pthread_join(sides[i], (void **)&states[i]);
  pthread_barrier_destroy(&barrier);
  for (int i = 0; i < SIDES; i++) { /* on another thread, with the runtime left open */
    step(states[i], "use");
    step(states[i], "work");
    lua_close(states[i]);
  }
}

/* ---- tests ---- */

static void test_two_states_at_once(void) {
  sigset_t before, after;
  struct sigaction interrupt;
  pthread_sigmask(SIG_SETMASK, NULL, &before);
  both_sides(); /* what the C library keeps for ever is there now */
  int fds = descriptors();
  long memory = resident();
  for (int i = 0; i < 2; i++) {
    both_sides();
    CHECK(descriptors() == fds);
    await_threads(0);
    CHECK(sanitized() || !is_loaded());
  }
  CHECK(sanitized() || resident() < memory + 16384);
  pthread_sigmask(SIG_SETMASK, NULL, &after);
  for (int n = 1; n <= 64; n++) CHECK(sigismember(&before, n) == sigismember(&after, n));
  CHECK(sigaction(SIGINT, NULL, &interrupt) == 0 && interrupt.sa_handler == SIG_DFL);
}

/* A library's thread-locals come from a small room when it is loaded late. */
static void test_loaded_again_and_again(void) {
  for (int i = 0; i < LOADS; i++) {
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    lua_pushfstring(L, "package.cpath = './build/%s/?.so'; require 'kio.core'", flavour);
    CHECK(luaL_dostring(L, lua_tostring(L, -1)) == LUA_OK && is_loaded());
    lua_close(L);
    CHECK(sanitized() || !is_loaded());
  }
}

/* Two threads run on in a library whose state is closed, by a name that means nothing any more. */
static void test_closed_with_threads_that_hang(void) {
  int began[2], go[2];
  CHECK(pipe(began) == 0 && pipe(go) == 0);
  CHECK(dup2(began[0], 100) == 100 && dup2(began[1], 101) == 101);
  lua_State *L = new_state();
  step_with(L, "hang", 101, go[0]);
  await_threads(2);
  char root[4096];
  CHECK(getcwd(root, sizeof root) && chdir("/") == 0);
  lua_close(L);
  CHECK(is_loaded());
  await_threads(2);
  CHECK(write(go[1], "gg", 2) == 2);
  await_threads(0);
  CHECK(chdir(root) == 0);
  int fds[] = {began[0], began[1], go[0], go[1], 100, 101};
  for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) close(fds[i]);
  both_sides();
}

int main(void) {
  flavour = getenv("KIO_BUILD") ? getenv("KIO_BUILD") : "test";
  if (sanitized()) rounds = 3;
  test_loaded_again_and_again();
  test_two_states_at_once();
  test_closed_with_threads_that_hang();
  return 0;
}
