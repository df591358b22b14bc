/* Owns an await from its making until both its frame and its post are over. Invariant: it has a
   task exactly while that waits, and then it is among the scheduler's members, its `expected` and
   its `mutual`. The scheduler's thread only. */
#include "worker/await.h"

#include <lauxlib.h>
#include <string.h>

#include "base/memory.h"
#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"
#include "task/member.h"
#include "task/queue.h"
#include "task/result.h"
#include "task/sched_inbox.h"
#include "task/task.h"
#include "task/wait.h"

#define AWAIT_TYPE "kio.Await"
#define WATCH_TYPE "kio.ThreadWatch"

typedef struct watch {
  kio_waitable base;
  kio_await *await; /* NULL: it is over */
} watch;

/* ---- the end ---- */

/* Frees it when nobody has it any more. */
static void let_go(kio_await *await) {
  if (await->anchor || await->posted) return;
  bool answered = await->awaiter.answer == KIO_ANSWER_DONE;
  bool here = await->process == kio_sched_process(); /* else the lock may be held for ever */
  if (answered && here && await->awaiter.parcel.size > 0) {
    await->kind->give_back(await->object, &await->awaiter.parcel);
  } else {
    kio_parcel_free(&await->awaiter.parcel);
  }
  await->kind->moves.drop(await->object);
  kio_inbox_unref(await->awaiter.inbox);
  kio_memory_free(await);
}

/* Its task waits no longer. */
static void settle(kio_await *await) {
  if (!await->task) return;
  kio_sched_leave(&await->member);
  kio_sched_expect_no_more(await->sched, true);
  await->task = NULL;
}

/* Gives up. False: the post is on its way. In a forked child the lock may be held for ever by a
   thread that is not there, and no post comes: the await stays for good. */
static bool leave(kio_await *await) {
  if (!kio_ring_alive(&await->sched->ring)) return false;
  if (!kio_awaiter_leave(&await->awaiter)) return false;
  await->posted = false;
  return true;
}

static void arrive(kio_post *post, void *sched) {
  kio_await *await = KIO_CONTAINER(post, kio_await, awaiter.post);
  kio_task *task = await->task;
  kio_queue *queue = await->queue;
  (void)sched;
  settle(await);
  if (queue) kio_queue_wake_all(queue);
  else if (task) kio_task_wake(task);
  await->posted = false;
  let_go(await);
}

static void drop(kio_post *post) {
  kio_await *await = KIO_CONTAINER(post, kio_await, awaiter.post);
  await->posted = false;
  let_go(await);
}

/* The scheduler ends, and with it the task. */
static void detach(kio_member *member) {
  kio_await *await = KIO_CONTAINER(member, kio_await, member);
  await->task = NULL;
  leave(await);
  let_go(await);
}

static void abandon(kio_task *task) {
  kio_await *await = task->subject;
  if (!leave(await)) return; /* what has come wins: the post ends the wait */
  settle(await);
  kio_task_wake(task);
}

void kio_await_end(kio_await *await) {
  kio_assert(await->anchor && !await->task);
  *await->anchor = NULL;
  await->anchor = NULL;
  await->queue = NULL;
  let_go(await);
}

void kio_await_spare(kio_await *await, kio_task *task) {
  kio_assert(!await->posted);
  kio_timer_stop(&task->sched->timers, &task->timer);
  kio_await_end(await);
}

int kio_await_fail(lua_State *L, kio_await *await, const char *what) {
  const kio_task *task = kio_sched_current()->current;
  const char *noun = await->kind->noun;
  bool closed = await->awaiter.answer == KIO_ANSWER_CLOSED;
  kio_await_end(await);
  if (closed) return kio_fail_text(L, "EPIPE", what, noun, "it is closed");
  if (task->wake == KIO_WAKE_CANCEL) return kio_task_raise_cancelled(L);
  return kio_fail_text(L, "ETIMEDOUT", what, noun, "timed out");
}

/* The frame is gone. A task that waits all the same has lost its coroutine: it is woken to end. */
static void end(void *self) {
  kio_await *await = *(kio_await **)self;
  if (!await) return;
  kio_task *task = await->task;
  if (task) leave(await);
  settle(await);
  if (task) kio_task_wake(task);
  kio_await_end(await);
}

const kio_type kio_await_type = {.name = AWAIT_TYPE, .end = end};

/* ---- the beginning ---- */

/* () -> anchor */
static int l_anchor(lua_State *L) {
  kio_await **anchor = lua_newuserdatauv(L, sizeof *anchor, 0);
  *anchor = NULL;
  luaL_setmetatable(L, AWAIT_TYPE);
  return 1;
}

static kio_await *make(const kio_task *task, const kio_shared *shared) {
  int err;
  kio_inbox *inbox = kio_sched_inbox(task->sched, &err);
  kio_await *await = inbox ? kio_memory_new(sizeof *await) : NULL;
  if (!await) return NULL;
  await->awaiter.post = (kio_post){.arrive = arrive, .drop = drop};
  await->awaiter.inbox = kio_inbox_ref(inbox);
  await->member.detach = detach;
  await->kind = shared->kind;
  await->process = task->sched->process;
  await->object = shared->kind->ref(shared->object);
  return await;
}

kio_await *kio_await_new(lua_State *L, kio_task *task, const kio_shared *shared,
                         int64_t timeout_ns) {
  kio_sched *sched = task->sched;
  lua_pushcfunction(L, l_anchor);
  if (lua_pcall(L, 0, 1, 0) != LUA_OK) return NULL;
  kio_await *await = make(task, shared);
  if (!await || !kio_sched_timer(sched, task, kio_sched_due(sched, timeout_ns))) {
    if (await) let_go(await);
    lua_pop(L, 1);
    lua_pushliteral(L, "not enough memory to wait for another thread");
    return NULL;
  }
  await->anchor = lua_touserdata(L, -1);
  *await->anchor = await;
  return await;
}

static void begin(kio_await *await, kio_task *task) {
  await->posted = true;
  await->task = task;
  await->sched = task->sched;
  kio_sched_join(await->sched, &await->member);
  kio_sched_expect(await->sched, true);
}

int kio_await_park(lua_State *L, kio_await *await, kio_task *task, const char *what,
                   lua_KFunction k) {
  begin(await, task);
  task->subject = await;
  kio_task_says(task, what, -1);
  return kio_task_park(L, task, abandon, (lua_KContext)await, k);
}

/* ---- watches ---- */

kio_await *kio_watch_new(lua_State *L, kio_task *task, const kio_shared *shared) {
  watch *w = lua_newuserdatauv(L, sizeof *w, 0);
  w->await = NULL;
  kio_waitable_init(&w->base);
  luaL_setmetatable(L, WATCH_TYPE);
  kio_await *await = make(task, shared);
  if (!await) luaL_error(L, "not enough memory to wait for another thread");
  await->queue = &w->base.queue;
  await->anchor = &w->await;
  return w->await = await;
}

int kio_watch_begin(kio_await *await, kio_task *task, bool ready) {
  if (ready) kio_await_end(await);
  else begin(await, task);
  return ready ? 0 : 1;
}

/* Whoever waits in it all the same is woken. */
static void end_watch(void *self) {
  watch *w = self;
  kio_await *await = w->await;
  if (!await) return;
  if (await->task) leave(await);
  settle(await);
  kio_queue_wake_all(&w->base.queue);
  kio_await_end(await);
}

const kio_type kio_watch_type = {.name = WATCH_TYPE, .end = end_watch, .close = kio_type_l_close};
