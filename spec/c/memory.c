/* timeout: 300 */
/* Memory runs out: the n-th allocation fails, for n = 1, 2, 3 ... until a program ends without
   having met it; allocations of Lua and those of C, each by itself, in each of these ways.
   The program must end in its result, a Lua error, or nil, message, code; nothing may be left
   behind; and the same state must then run an echo. Programs: spec/fault/programs.lua. Run from the
   root. */
#include <dirent.h>
#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "core.h"
#include "base/memory.h"
#include "task/here.h"

#define EXPECTED "hello over TCP"

typedef enum way {
  LUA_ONCE,   /* one allocation of Lua's fails; the collection it makes room by succeeds */
  LUA_TWICE,  /* and the attempt after that collection fails too: an error */
  LUA_FROM,   /* and so does every other one until the program has ended */
  C_ONCE,     /* one allocation of kio's own */
  C_THEN_LUA, /* and from then on every one of Lua's, until the program has ended */
  WAYS
} way;

static const char *const way_names[WAYS] = {"lua once", "lua twice", "lua from then on", "c once",
                                            "c, then lua"};

static const char *now_program;
static way now_way;
static long now_n;

/* ---- the allocator ---- */

static long blocks;     /* alive */
static long calls;      /* that wanted memory since the last arm */
static long fail_first; /* the calls that fail, from this one */
static long fail_last;  /* to this one; below fail_first: none */

static void *allocate(void *ud, void *ptr, size_t old_size, size_t size) {
  (void)ud;
  if (size == 0) {
    blocks -= ptr != NULL;
    free(ptr);
    return NULL;
  }
  if (!ptr || size > old_size) { /* to shrink never fails: Lua relies on that */
    calls++;
    bool too_late = now_way == C_THEN_LUA && kio_memory_failures() > 0;
    if (too_late || (calls >= fail_first && calls <= fail_last)) return NULL;
  }
  void *grown = realloc(ptr, size);
  CHECK(grown);
  blocks += ptr == NULL;
  return grown;
}

static void arm(way how, long n) {
  calls = 0;
  fail_first = n;
  fail_last = how == LUA_ONCE ? n : how == LUA_TWICE ? n + 1 : how == LUA_FROM ? LONG_MAX : 0;
  kio_memory_fail_at(how >= C_ONCE ? n : 0);
}

/* Whether the program has met the allocation that fails. */
static bool disarm(way how) {
  bool met = how >= C_ONCE ? kio_memory_failures() > 0 : calls >= fail_first;
  fail_last = 0;
  kio_memory_fail_at(0);
  return met;
}

/* ---- the world ---- */

static int descriptors(void) {
  int count = 0;
  DIR *dir = opendir("/proc/self/fd");
  CHECK(dir);
  while (readdir(dir)) count++;
  closedir(dir);
  return count;
}

static char now_text[200]; /* the three in words */

static void tell_and_die(const char *what, const char *detail) {
  fprintf(stderr, "%s: %s: %s\n", now_text, what, detail ? detail : "");
  exit(1);
}

static void on_alarm(int signal) {
  static const char text[] = ": hangs, or is too slow\n";
  (void)signal;
  bool told = write(STDERR_FILENO, now_text, strlen(now_text)) > 0 &&
              write(STDERR_FILENO, text, strlen(text)) > 0;
  _exit(told ? 1 : 2);
}

/* ---- states ---- */

/* A state beside, whose memory does not fail: it compiles each module once. What fails is what kio
   and its modules allocate, and not Lua's parser over and over. */
static const char *compiled(const char *name, size_t *size) {
  static const char source[] = "local codes, path = {}, './?.lua;./lua/?.lua;./lua/?/init.lua'\n"
                               "return function(name)\n"
                               "  codes[name] = codes[name] or "
                               "string.dump(loadfile(assert(package.searchpath(name, path))))\n"
                               "  return codes[name]\n"
                               "end";
  static lua_State *compiler;
  if (!compiler) {
    CHECK(compiler = luaL_newstate());
    luaL_openlibs(compiler);
    CHECK(luaL_dostring(compiler, source) == LUA_OK);
  }
  lua_pushvalue(compiler, 1);
  lua_pushstring(compiler, name);
  CHECK(lua_pcall(compiler, 1, 1, 0) == LUA_OK);
  const char *code = lua_tolstring(compiler, -1, size);
  lua_settop(compiler, 1); /* `codes` keeps it */
  return code;
}

/* In place of the searcher that reads files. */
static int l_search(lua_State *L) {
  size_t size;
  const char *name = luaL_checkstring(L, 1), *code = compiled(name, &size);
  if (luaL_loadbufferx(L, code, size, name, "b") != LUA_OK) return lua_error(L);
  return 1;
}

static lua_State *new_state(void) {
  lua_State *L = lua_newstate(allocate, NULL);
  CHECK(L);
  luaL_openlibs(L);
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  lua_pushcfunction(L, l_search);
  lua_rawseti(L, -2, 2);
  lua_getfield(L, 1, "preload");
  lua_pushcfunction(L, luaopen_kio_core);
  lua_setfield(L, -2, "kio.core");
  lua_settop(L, 0);
  CHECK(luaL_dostring(L, "programs = require 'spec.fault.programs'") == LUA_OK);
  return L;
}

/* ---- running ---- */

/* Pushes the function that is to be called, so that nothing but its call can fail. */
static void push_program(lua_State *L, const char *name) {
  lua_getglobal(L, "programs");
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
}

static void check_outcome(lua_State *L, int status) {
  if (status != LUA_OK) {
    CHECK(status == LUA_ERRRUN || status == LUA_ERRMEM);
    if (lua_type(L, 1) != LUA_TSTRING) tell_and_die("the error is no string", NULL);
  } else if (lua_isnil(L, 1)) {
    bool told = lua_type(L, 2) == LUA_TSTRING && lua_type(L, 3) == LUA_TSTRING;
    if (!told) tell_and_die("nil without message and code", NULL);
  } else if (!lua_isstring(L, 1) || strcmp(lua_tostring(L, 1), EXPECTED) != 0) {
    tell_and_die("wrong result", lua_tostring(L, 1));
  }
}

static void check_again(lua_State *L) {
  lua_settop(L, 0);
  push_program(L, "echo");
  if (lua_pcall(L, 0, 1, 0) != LUA_OK) tell_and_die("then the echo fails", lua_tostring(L, 1));
  const char *got = lua_tostring(L, 1);
  if (!got || strcmp(got, EXPECTED) != 0) tell_and_die("then the echo is wrong", got);
}

/* Closes the plain descriptors the program says it still has. */
static void close_owned(lua_State *L) {
  lua_getglobal(L, "programs");
  lua_getfield(L, -1, "fds");
  for (int i = 1; i <= 4; i++) {
    if (lua_rawgeti(L, -1, i) == LUA_TNUMBER) CHECK(close((int)lua_tointeger(L, -1)) == 0);
    lua_pushboolean(L, false);
    lua_rawseti(L, -3, i);
    lua_pop(L, 1);
  }
  lua_settop(L, 0);
}

static void check_clean(lua_State *L, int fds) {
  close_owned(L);
  lua_gc(L, LUA_GCCOLLECT, 0);
  lua_gc(L, LUA_GCCOLLECT, 0);
  if (kio_memory_live() != 0) tell_and_die("leaves C memory behind", NULL);
  if (descriptors() != fds) tell_and_die("leaves descriptors behind", NULL);
}

/* One call with the n-th allocation failing; false when it has met none that failed. */
static bool run_once(lua_State *L, int fds) {
  push_program(L, now_program);
  snprintf(now_text, sizeof now_text, "%s on %s, allocation %ld fails (%s)", now_program,
           getenv("KIO_BACKEND"), now_n, way_names[now_way]);
  alarm(60);
  arm(now_way, now_n);
  int status = lua_pcall(L, 0, 3, 0);
  bool met = disarm(now_way);
  if (kio_sched_current()) tell_and_die("leaves a scheduler behind", NULL);
  check_outcome(L, status);
  check_clean(L, fds);
  return met;
}

/* The distance between two allocations that fail, to stay within a minute: of C's alone there are
   few, and each is tried. With a sanitizer a run takes several times as long. The first one is
   drawn at random, so that each has its turn; with KIO_FULL=1 all have. */
static long stride_of(way which) {
  bool full = getenv("KIO_FULL") != NULL;
  if (full || which == C_ONCE) return 1;
#ifdef __SANITIZE_ADDRESS__
  return which == C_THEN_LUA ? 3 : 14;
#else
  return which == LUA_ONCE ? 6 : 2; /* where one fails once, a collection makes room */
#endif
}

static long first_of(long stride) {
  return 1 + random() % stride;
}

/* kio is loaded before: what fails is in the run. How much memory a run asks for depends a little
   on what was there before, so the end is where several runs in a row have not met their
   failure. */
static long fail_in_run(int fds) {
  lua_State *L = new_state();
  int misses = 0;
  check_again(L);
  check_clean(L, fds);
  long stride = stride_of(now_way), runs = 0;
  for (now_n = first_of(stride); misses < 10; now_n += stride) {
    misses = run_once(L, fds) ? 0 : misses + 1;
    if (++runs % 8 == 0) check_again(L);
  }
  check_again(L);
  check_clean(L, fds);
  lua_close(L);
  CHECK(blocks == 0 && kio_memory_live() == 0);
  return now_n - 1;
}

/* Each time a fresh state, in which kio is loaded for the first time; `stride` leaves some out. */
static long fail_in_require(int fds, long stride) {
  bool met = true;
  long runs = 0;
  for (now_n = first_of(stride); met; now_n += stride) {
    lua_State *L = new_state();
    met = run_once(L, fds);
    if (met && ++runs % 4 == 0) check_again(L); /* it takes as long as all the rest */
    check_clean(L, fds);
    lua_close(L);
    CHECK(blocks == 0 && kio_memory_live() == 0);
  }
  return now_n - stride;
}

/* Closing an inotify descriptor takes the kernel 10 ms: not in every combination. */
static bool too_slow(const char *backend) {
  bool few = now_way == LUA_TWICE || now_way == C_ONCE;
  return strcmp(now_program, "watch") == 0 && (strcmp(backend, "sim") == 0 || !few);
}

/* With a name: that program alone. */
int main(int argc, char **argv) {
  static const char *const names[] = {
      "echo",  "twice_in_one_run", "raw_sockets", "files",  "file_objects", "scopes",  "caught",
      "tasks", "parcels",          "jobs",        "serve",  "datagrams",    "buffers", "passed",
      "watch", "signals",          "names",       "threads"};
  static const char *const backends[] = {"uring", "sim"};
  signal(SIGALRM, on_alarm);
  srandom((unsigned)getpid());
  for (size_t b = 0; b < KIO_COUNT(backends); b++) {
    setenv("KIO_BACKEND", backends[b], 1);
    for (now_way = 0; now_way < WAYS; now_way++) {
      for (size_t i = 0; i < KIO_COUNT(names); i++) {
        now_program = names[i];
        if (argc > 1 ? strcmp(argv[1], now_program) != 0 : too_slow(backends[b])) continue;
        long n = fail_in_run(descriptors());
        printf("%s on %s, %s: %ld\n", now_program, backends[b], way_names[now_way], n);
      }
    }
  }
  if (argc > 1) return 0;
  now_program = "echo";
  for (now_way = LUA_ONCE; now_way < WAYS; now_way++) {
    long stride = now_way >= C_ONCE || getenv("KIO_FULL") ? 1 : now_way == LUA_TWICE ? 29 : 97;
    printf("require, %s: %ld\n", way_names[now_way], fail_in_require(descriptors(), stride));
  }
  return 0;
}
