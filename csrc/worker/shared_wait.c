/* Owns a wait from its making until both its anchor and its post are over. Invariant: while it is
   awaited it is posted, unless the inbox was closed, which drops the post. The scheduler's thread
   only. */
#include "worker/shared_wait.h"

#include <lauxlib.h>

#include "base/memory.h"
#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"
#include "task/result.h"
#include "task/sched_inbox.h"

#define WATCH_TYPE "kio.ThreadWatch"

typedef struct watch {
  kio_waitable base;
  kio_await *await; /* NULL: it is over */
} watch;

static kio_shared_wait *wait_of(kio_await *await) {
  return KIO_CONTAINER(await, kio_shared_wait, await);
}

/* ---- the end ---- */

/* Frees it when nobody has it any more. */
static void let_go(kio_shared_wait *wait) {
  if (wait->await.anchor || wait->posted) return;
  kio_assert(!wait->await.sched);
  bool answered = wait->awaiter.answer == KIO_ANSWER_DONE;
  bool here = wait->process == kio_sched_process(); /* else the lock may be held for ever */
  if (answered && here && wait->awaiter.parcel.size > 0) {
    wait->kind->give_back(wait->object, &wait->awaiter.parcel);
  } else {
    kio_parcel_free(&wait->awaiter.parcel);
  }
  wait->kind->moves.drop(wait->object);
  kio_inbox_unref(wait->awaiter.inbox);
  kio_memory_free(wait);
}

static bool give_up(kio_await *await) {
  kio_shared_wait *wait = wait_of(await);
  if (kio_awaiter_leave(&wait->awaiter)) wait->posted = false;
  return !wait->posted;
}

static void release(kio_await *await) {
  wait_of(await)->queue = NULL;
  let_go(wait_of(await));
}

static const kio_await_kind await_kind = {.mutual = true, .give_up = give_up, .release = release};

static void drop(kio_post *post) {
  kio_shared_wait *wait = KIO_CONTAINER(post, kio_shared_wait, awaiter.post);
  kio_assert(wait->posted);
  wait->posted = false;
  let_go(wait);
}

static void arrive(kio_post *post, void *sched) {
  kio_shared_wait *wait = KIO_CONTAINER(post, kio_shared_wait, awaiter.post);
  kio_assert(wait->awaiter.answer != KIO_ANSWER_NONE);
  kio_assert(!wait->await.sched || wait->await.sched == sched);
  kio_await_arrive(&wait->await);
  if (wait->queue) kio_queue_wake_all(wait->queue);
  drop(post);
}

void kio_shared_wait_end(kio_shared_wait *wait) {
  kio_await_end(&wait->await);
}

void kio_shared_wait_spare(kio_task *task, kio_shared_wait *wait) {
  kio_assert(!wait->posted && wait->awaiter.parcel.size == 0);
  kio_timer_stop(&task->sched->timers, &task->timer);
  kio_shared_wait_end(wait);
}

int kio_shared_wait_fail(lua_State *L, kio_shared_wait *wait, const char *what) {
  const kio_task *task = kio_sched_current()->current;
  const char *noun = wait->kind->noun;
  kio_assert(!wait->await.sched && wait->awaiter.answer != KIO_ANSWER_DONE);
  bool closed = wait->awaiter.answer == KIO_ANSWER_CLOSED;
  kio_shared_wait_end(wait);
  if (closed) return kio_fail_text(L, "EPIPE", what, noun, "it is closed");
  if (task->wake == KIO_WAKE_CANCEL) return kio_task_raise_cancelled(L);
  return kio_fail_text(L, "ETIMEDOUT", what, noun, "timed out");
}

/* ---- the beginning ---- */

static kio_shared_wait *make(const kio_task *task, const kio_shared *shared, kio_await **anchor) {
  int err;
  kio_inbox *inbox = kio_sched_inbox(task->sched, &err);
  kio_shared_wait *wait = inbox ? kio_memory_new(sizeof *wait) : NULL;
  if (!wait) return NULL;
  wait->awaiter.post = (kio_post){.arrive = arrive, .drop = drop};
  wait->awaiter.inbox = kio_inbox_ref(inbox);
  wait->kind = shared->kind;
  wait->object = shared->kind->ref(shared->object);
  wait->process = task->sched->process;
  kio_await_init(&wait->await, &await_kind, anchor);
  return wait;
}

static int l_anchor(lua_State *L) {
  kio_await_push_anchor(L);
  return 1;
}

kio_shared_wait *kio_shared_wait_new(lua_State *L, kio_task *task, const kio_shared *shared,
                                     int64_t timeout_ns) {
  kio_sched *sched = task->sched;
  lua_pushcfunction(L, l_anchor);
  if (lua_pcall(L, 0, 1, 0) != LUA_OK) return NULL;
  kio_shared_wait *wait = make(task, shared, lua_touserdata(L, -1));
  if (wait && kio_sched_timer(sched, task, kio_sched_due(sched, timeout_ns))) return wait;
  if (wait) kio_shared_wait_end(wait);
  lua_pop(L, 1);
  lua_pushliteral(L, "not enough memory to wait for another thread");
  return NULL;
}

int kio_shared_wait_park(lua_State *L, kio_task *task, kio_shared_wait *wait, const char *what,
                         lua_KFunction k) {
  kio_assert(!wait->queue && !wait->posted);
  wait->posted = true;
  return kio_await_park(L, task, &wait->await, what, (lua_KContext)wait, k);
}

/* ---- watches ---- */

kio_shared_wait *kio_shared_watch_new(lua_State *L, kio_task *task, const kio_shared *shared) {
  watch *w = lua_newuserdatauv(L, sizeof *w, 0);
  w->await = NULL;
  kio_waitable_init(&w->base);
  luaL_setmetatable(L, WATCH_TYPE);
  kio_shared_wait *wait = make(task, shared, &w->await);
  if (!wait) luaL_error(L, "not enough memory to wait for another thread");
  wait->queue = &w->base.queue;
  return wait;
}

int kio_shared_watch_begin(kio_shared_wait *wait, kio_task *task, bool ready) {
  kio_assert(wait->queue && !wait->posted);
  wait->posted = !ready;
  if (ready) kio_shared_wait_end(wait);
  else kio_await_begin(&wait->await, task->sched);
  return ready ? 0 : 1;
}

/* Whoever waits in it all the same is woken. */
static void end_watch(void *self) {
  watch *w = self;
  if (!w->await) return;
  kio_await_stop(w->await);
  kio_queue_wake_all(&w->base.queue);
  kio_await_end(w->await);
}

const kio_type kio_watch_type = {.name = WATCH_TYPE, .end = end_watch, .close = kio_type_l_close};
