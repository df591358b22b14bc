/* Owns the anchors. Invariant: an await has a scheduler exactly while somebody waits, and then it
   is among its members and counted as `expected`, and its anchor holds it. */
#include "op/await.h"

#include "op/registry.h"
#include "task/here.h"
#include "task/wait.h"

#define ANCHOR_TYPE "kio.Await"

/* ---- the end of the wait ---- */

static void over(kio_await *await) {
  kio_task *task = await->task;
  kio_sched *sched = await->sched;
  if (!sched) return;
  kio_sched_leave(&await->member);
  kio_assert(sched->door.expected > 0 && sched->door.mutual >= (size_t)await->kind->mutual);
  sched->door.expected--;
  sched->door.mutual -= (size_t)await->kind->mutual;
  kio_assert(sched->door.mutual <= sched->door.expected);
  await->sched = NULL;
  await->task = NULL;
  if (task) kio_task_wake(task);
}

/* In a forked child another thread of the parent's may hold a lock for ever. */
static bool give_up(kio_await *await) {
  return kio_ring_alive(&await->sched->ring) && await->kind->give_up(await);
}

static void abandon(kio_task *task) {
  kio_await *await = task->subject;
  kio_assert(await->task == task);
  if (give_up(await)) over(await);
}

/* The scheduler ends, and with it the task. */
static void detach(kio_member *member) {
  kio_await *await = KIO_CONTAINER(member, kio_await, member);
  kio_assert(await->sched && await->anchor);
  give_up(await);
  await->sched = NULL;
  await->task = NULL;
}

void kio_await_arrive(kio_await *await) {
  kio_assert(!await->arrived); /* once for each start */
  await->arrived = true;
  over(await);
}

void kio_await_stop(kio_await *await) {
  if (await->sched) give_up(await);
  over(await);
}

void kio_await_end(kio_await *await) {
  kio_assert(!await->sched && *await->anchor == await);
  *await->anchor = NULL;
  await->anchor = NULL;
  await->kind->release(await);
}

/* ---- anchors ---- */

/* The frame is gone. A task that waits all the same has lost its coroutine: it is woken to end. */
static void end(void *self) {
  kio_await *await = *(kio_await **)self;
  if (!await) return;
  kio_await_stop(await);
  kio_await_end(await);
}

const kio_type kio_await_type = {.name = ANCHOR_TYPE, .end = end};

kio_await **kio_await_push_anchor(lua_State *L) {
  kio_await **anchor = lua_newuserdatauv(L, sizeof *anchor, 0);
  *anchor = NULL;
  luaL_setmetatable(L, ANCHOR_TYPE);
  return anchor;
}

kio_await *kio_await_check(lua_State *L, int index, const kio_await_kind *kind) {
  kio_await *await = *(kio_await **)luaL_checkudata(L, index, ANCHOR_TYPE);
  luaL_argcheck(L, await && await->kind == kind, index, "it has ended");
  return await;
}

/* ---- the beginning ---- */

static const kio_member_kind membership = {.detach = detach};

void kio_await_init(kio_await *await, const kio_await_kind *kind, kio_await **anchor) {
  kio_assert(!*anchor);
  await->kind = kind;
  await->member.kind = &membership;
  await->anchor = anchor;
  *anchor = await;
}

void kio_await_begin(kio_await *await, kio_sched *sched) {
  kio_assert(sched->door.inbox); /* or nobody could post */
  kio_assert(!await->sched && await->anchor && !await->arrived);
  await->sched = sched;
  kio_sched_join(sched, &await->member);
  sched->door.expected++;
  sched->door.mutual += (size_t)await->kind->mutual;
}

static void begin(kio_task *task, kio_await *await, const char *what) {
  kio_await_begin(await, task->sched);
  await->task = task;
  task->subject = await;
  kio_task_says(task, what, -1);
}

int kio_await_park(lua_State *L, kio_task *task, kio_await *await, const char *what,
                   lua_KContext ctx, lua_KFunction k) {
  begin(task, await, what);
  return kio_task_park(L, task, abandon, ctx, k);
}

void kio_await_hold(kio_task *task, kio_await *await, const char *what) {
  begin(task, await, what);
  kio_task_hold(task, abandon);
}
