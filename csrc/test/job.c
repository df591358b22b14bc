/* Test builds only: a job that waits as long as a spec says. It waits for a byte on a descriptor of
   its own, so that what it does is known to have ended, or not, by what a spec has written. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/memory.h"
#include "op/offload.h"
#include "op/registry.h"
#include "task/task.h"

typedef struct wait_offload {
  kio_offloaded offload;
  int fd;      /* a copy of its own */
  int wait_ms; /* at most so long; negative: for ever */
  int result;  /* the byte; -1: none came */
} wait_offload;

static wait_offload *wait_of(kio_job *job) {
  return (wait_offload *)(void *)job;
}

static void wait_work(kio_job *job, kio_local *local) {
  wait_offload *w = wait_of(job);
  unsigned char byte;
  struct pollfd look = {w->fd, POLLIN, 0};
  (void)local;
  bool there = poll(&look, 1, w->wait_ms) > 0 && read(w->fd, &byte, 1) == 1;
  w->result = there ? byte : -1;
}

static void wait_free(kio_job *job) {
  wait_offload *w = wait_of(job);
  if (w->fd >= 0) close(w->fd);
  kio_memory_free(w);
}

static int l_wait_jobk(lua_State *L, int status, lua_KContext ctx) {
  wait_offload *w = (wait_offload *)ctx; /* NOLINT: it was one when it went down */
  (void)status;
  int err = kio_offload_result(L, &w->offload);
  int byte = err ? -1 : w->result;
  kio_offload_end(&w->offload);
  if (err) return kio_fail(L, err, "wait_job", "test");
  if (byte < 0) return 0;
  lua_pushfstring(L, "%c", byte);
  return 1;
}

/* wait_job(fd, seconds | nil [, { timeout =, patient =, user =, lookup = }]) -> the byte that came
   on fd | no value when none did. `patient`, `user` and `lookup` (the lanes) as in thread/pool.h */
static int l_wait_job(lua_State *L) {
  static const char *const known[] = {"timeout", "patient", "user", "lookup", NULL};
  int64_t timeout = KIO_NEVER, wait_ns = KIO_NEVER;
  int fd = kio_check_fd(L, 1);
  kio_offload_kind kind = {.name = "wait_job",
                           .subject = "test",
                           .size = sizeof(wait_offload),
                           .work = wait_work,
                           .free = wait_free,
                           .lane = KIO_LANE_INTERNAL};
  if (!lua_isnoneornil(L, 2)) wait_ns = kio_check_seconds(L, 2);
  if (!lua_isnoneornil(L, 3)) {
    kio_check_options(L, 3, known);
    timeout = kio_option_timeout(L, 3, KIO_NEVER);
    lua_getfield(L, 3, "patient");
    kind.patient = lua_toboolean(L, -1);
    lua_getfield(L, 3, "user");
    if (lua_toboolean(L, -1)) kind.lane = KIO_LANE_USER;
    lua_getfield(L, 3, "lookup");
    if (lua_toboolean(L, -1)) kind.lane = KIO_LANE_LOOKUP;
  }
  kio_task *task = kio_op_begin(L);
  wait_offload *w = kio_offload_new(L, task, &kind);
  if (!w) return KIO_FAILED;
  w->wait_ms = wait_ns == KIO_NEVER ? -1 : (int)(wait_ns / 1000000);
  w->fd = dup(fd);
  if (w->fd < 0) return kio_fail(L, errno, "wait_job", "test");
  return kio_offload_submit(L, task, &w->offload, timeout, l_wait_jobk);
}

const luaL_Reg kio_test_job_ops[] = {
    {"wait_job", l_wait_job},
    {NULL, NULL},
};
