/* What kio.net's servers need from C: to wait until a descriptor is free, and to see how long a
   connection has been idle. Owns nothing; the waiting tasks are in the scheduler's `short_of`. */
#include "base/log.h"
#include "net/stream_lua.h"
#include "net/udp.h"
#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"
#include "task/io.h"
#include "task/queue.h"
#include "task/result.h"
#include "task/task.h"
#include "task/wait.h"

static int l_waitk(lua_State *L, int status, lua_KContext ctx) {
  const kio_task *task = kio_sched_current()->current;
  (void)status;
  (void)ctx;
  if (task->wake == KIO_WAKE_CANCEL) return kio_task_raise_cancelled(L);
  lua_pushboolean(L, task->wake == KIO_WAKE_DONE);
  return 1;
}

/* descriptor_wait(seconds) -> whether one was freed, or a listener closed, in that time */
static int l_wait(lua_State *L) {
  int64_t timeout = kio_check_seconds(L, 1);
  kio_task *task = kio_op_begin_waiting(L);
  kio_log("no descriptor is free, a listener waits for one");
  kio_op_timer(L, task, timeout);
  kio_queue_push(&task->sched->short_of, task);
  kio_task_says(task, "a free descriptor", -1);
  return kio_task_park(L, task, kio_queue_abandon, 0, l_waitk);
}

/* descriptor_freed(): all who wait for one try again */
static int l_freed(lua_State *L) {
  kio_sched_freed(kio_op_task(L)->sched);
  return 0;
}

/* Since when a task has waited for the peer while nothing moved; KIO_NEVER: none waits. One whose
   socket is being closed waits still, and the socket works on no scheduler any more. */
static int64_t idle_since(lua_State *L) {
  if (kio_udp_is(L, 1)) {
    const kio_udp *udp = lua_touserdata(L, 1);
    return udp->receiver ? udp->waits_ns : KIO_NEVER;
  }
  const kio_stream *stream = kio_stream_check(L)->stream;
  bool waits = stream->sched && (stream->reader || stream->sending || stream->reserved);
  return waits ? stream->moved_ns : KIO_NEVER;
}

/* stream_idle(stream) -> seconds in which nothing has moved although a task waits for the peer; 0
   when none does */
static int l_idle(lua_State *L) {
  int64_t since = idle_since(L), now = kio_op_task(L)->sched->now_ns;
  int64_t idle = since == KIO_NEVER ? 0 : now - since;
  lua_pushnumber(L, (lua_Number)idle / (lua_Number)KIO_NS_PER_SEC);
  return 1;
}

/* stream_hurry(stream): a task that waits for the first byte of what may as well never come
   (net/reader.h) is told that its time is over. Packets are read by no such reader. */
static int l_hurry(lua_State *L) {
  if (kio_udp_is(L, 1)) return 0;
  kio_stream_handle *h = kio_stream_check(L);
  kio_sched *sched = kio_op_task(L)->sched;
  kio_task *task = h->stream->reader;
  bool waits = task && task->status == KIO_TASK_WAITING && h->stream->sched == sched &&
               h->reading.optional; /* not one that has been woken, and has not run yet */
  if (!waits || kio_stream_unread(h->stream) > 0) return 0;
  kio_timer_stop(&sched->timers, &task->timer);
  h->reading.due_ns = sched->now_ns;
  kio_sched_timer(sched, task, h->reading.due_ns); /* without memory it waits on */
  return 0;
}

/* turn() -> the number of the loop's present turn */
static int l_turn(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)kio_op_task(L)->sched->stats.turns);
  return 1;
}

/* accepts_many() -> whether a loop's request brings many connections in this run */
static int l_accepts_many(lua_State *L) {
  lua_pushboolean(L, kio_op_task(L)->sched->ring.multishot);
  return 1;
}

const luaL_Reg kio_serve_own[] = {
    {"accepts_many", l_accepts_many},
    {"descriptor_wait", l_wait},
    {"descriptor_freed", l_freed},
    {"stream_hurry", l_hurry},
    {"stream_idle", l_idle},
    {"turn", l_turn},
    {NULL, NULL},
};
