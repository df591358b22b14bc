/* Owns nothing but what a scheduler may still spend on it. Called by the scheduler's thread with
   the coroutine that runs there, or outside of a run. */
#include "task/collect.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/config.h"
#include "base/log.h"
#include "base/number.h"

static bool may_help(int err) {
  return err == -EMFILE || err == -ENFILE;
}

/* Whether so many could be made now. What they would be does not matter. */
static bool has_room(int wanted) {
  int fds[KIO_COLLECT_MAX], count = 0;
  kio_assert(wanted <= KIO_COLLECT_MAX);
  while (count < wanted && (fds[count] = kio_number_own(eventfd(0, EFD_CLOEXEC))) >= 0) count++;
  bool all = count == wanted;
  while (count > 0) kio_number_close(fds[--count]);
  return all;
}

/* What a collection costs: not what other programs take of the processor meanwhile. */
static int64_t spent_ns(void) {
  struct timespec spent;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return spent.tv_sec * KIO_NS_PER_SEC + spent.tv_nsec;
}

/* Spends nothing that has not been earned, but for a little ahead. Where other programs make
   collections long their time earns nothing: a program would do little else. */
static bool affordable(kio_sched *sched, int64_t now_ns) {
  kio_assert(now_ns >= sched->collect_seen_ns);
  int64_t earned = (now_ns - sched->collect_seen_ns) / KIO_COLLECT_SHARE;
  sched->collect_ns = kio_min_ns(sched->collect_ns + earned, KIO_COLLECT_AHEAD_NS);
  sched->collect_seen_ns = now_ns;
  return sched->collect_ns > 0;
}

bool kio_collect(lua_State *L, int err, int wanted) {
  kio_sched *sched = kio_sched_here();
  if (!may_help(err) || (wanted > 0 && has_room(wanted))) return false;
  if (sched && !affordable(sched, kio_real_now_ns())) return false;
  int64_t before_ns = spent_ns();
  lua_gc(L, LUA_GCCOLLECT, 0);
  bool helped = has_room(wanted);
  if (sched && (!helped || wanted == 0)) sched->collect_ns -= spent_ns() - before_ns;
  if (sched) sched->collect_seen_ns = kio_real_now_ns();
  kio_log("no descriptor was left: garbage was collected, %s",
          helped ? "which had some" : "in vain");
  return helped;
}

bool kio_collect_threads(lua_State *L, unsigned threads) {
  const char *code = lua_tostring(L, -1);
  bool lacks = code && (strcmp(code, "EMFILE") == 0 || strcmp(code, "ENFILE") == 0);
  size_t wanted = kio_min_size(2 * (size_t)threads + 1, KIO_COLLECT_MAX);
  return lacks && kio_collect(L, -EMFILE, (int)wanted);
}
