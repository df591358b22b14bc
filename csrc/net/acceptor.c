/* Owns the descriptors that were accepted and not taken. Invariants: while tasks wait a request is
   under way; while none waits it is being cancelled, from the end of the turn on, so that the
   kernel accepts nobody whom no one expects. Called by the scheduler's thread only. */
#include "net/acceptor.h"

#include <errno.h>

#include "base/memory.h"
#include "base/number.h"
#include "task/here.h"
#include "task/io.h"
#include "task/member.h"
#include "task/queue.h"
#include "task/task.h"

enum { ROOM_FIRST = 8 };

static const kio_member_kind membership;

/* ---- what has come ---- */

static bool grow(kio_acceptor *a) {
  size_t room = a->room > 0 ? a->room * 2 : ROOM_FIRST;
  int *arrived = kio_memory_new(room * sizeof *arrived);
  if (!arrived) return false;
  for (size_t i = 0; i < a->count; i++) arrived[i] = a->arrived[(a->first + i) % a->room];
  kio_memory_free(a->arrived);
  a->arrived = arrived;
  a->room = room;
  a->first = 0;
  return true;
}

static void close_one(int outcome) {
  if (outcome >= 0) kio_sched_close_fd(outcome);
}

static bool push(kio_acceptor *a, int outcome) {
  if (a->fd < 0 || (a->count == a->room && !grow(a))) {
    close_one(outcome);
    return false;
  }
  a->arrived[(a->first + a->count++) % a->room] = kio_number_own(outcome);
  return true;
}

static int pop(kio_acceptor *a) {
  kio_assert(a->count > 0);
  int outcome = a->arrived[a->first];
  a->first = (a->first + 1) % a->room;
  a->count--;
  return outcome;
}

/* The first waiter gets what has come: whatever else was to end its wait comes too late. */
static void promise(kio_acceptor *a) {
  int which;
  kio_task *task = kio_queue_wake(&a->waiters, &which);
  if (!task) return;
  task->wake = KIO_WAKE_DONE;
  a->promised++;
  kio_assert(a->promised <= a->count);
}

static void deliver(kio_acceptor *a, int outcome) {
  if (push(a, outcome)) promise(a);
}

/* What it was promised is the next waiter's. */
static void forget(kio_member *member, const kio_task *task) {
  kio_acceptor *a = KIO_CONTAINER(member, kio_acceptor, member);
  bool had = task->subject == a && task->wake == KIO_WAKE_DONE && a->promised > 0;
  if (!had) return;
  a->promised--;
  promise(a);
}

/* ---- life ---- */

kio_acceptor *kio_acceptor_new(int fd) {
  kio_acceptor *a = kio_memory_new(sizeof *a);
  if (!a) return NULL;
  a->fd = fd;
  a->member.kind = &membership;
  kio_queue_init(&a->waiters);
  return a;
}

bool kio_acceptor_attach(kio_acceptor *a, kio_sched *sched) {
  if (a->sched) return a->sched == sched;
  a->sched = sched;
  kio_sched_join(sched, &a->member);
  return true;
}

/* The scheduler ends: it sees to the request, and to those who wait. */
static void detach(kio_member *member) {
  kio_acceptor *a = KIO_CONTAINER(member, kio_acceptor, member);
  a->sched = NULL;
  a->request = NULL;
  a->promised = 0;
  if (a->dropped) kio_acceptor_drop(a);
}

void kio_acceptor_drop(kio_acceptor *a) {
  a->dropped = true;
  a->fd = -1;
  while (a->count > 0) close_one(pop(a));
  if (a->request) return;
  kio_assert(kio_queue_empty(&a->waiters) || !a->sched);
  if (a->sched) kio_sched_leave(&a->member);
  kio_memory_free(a->arrived);
  kio_memory_free(a);
}

/* ---- the request ---- */

static void more(kio_request *request, int result) {
  kio_acceptor *a = request->owner;
  deliver(a, result);
  kio_sched_dirty(a->sched, &a->member);
}

/* Whose time is up or who was cancelled meanwhile: nothing has come for them. */
static void abandon(kio_acceptor *a, bool all) {
  KIO_LIST_EACH(&a->waiters.waiters, link) {
    kio_task *task = KIO_CONTAINER(KIO_CONTAINER(link, kio_waiter, link), kio_task, waiter);
    if (all || task->wake != KIO_WAKE_DONE) kio_queue_abandon(task);
  }
}

static int start(kio_acceptor *a);

/* Every waiter gets the error, as if each had asked alone. */
static void fail(kio_acceptor *a, int err) {
  abandon(a, false);
  for (size_t waiting = a->count; !kio_queue_empty(&a->waiters); waiting++) {
    deliver(a, err);
    if (a->count == waiting) abandon(a, true); /* no memory for the error */
  }
}

static void done(kio_request *request) {
  kio_acceptor *a = request->owner;
  int result = request->result;
  if (result < 0 && request->flags & KIO_REQUEST_CLOSED) result = -EBADF;
  bool ours = a->pausing && result == -ECANCELED;
  kio_assert(a->request == request);
  a->request = NULL;
  a->pausing = false;
  kio_sched_release(a->sched, request);
  if (a->fd < 0) abandon(a, true);
  if (result >= 0) deliver(a, result); /* the last one may be a connection as well */
  else if (!ours) fail(a, result);
  abandon(a, false);
  if (a->dropped) {
    kio_acceptor_drop(a);
    return;
  }
  int err = kio_queue_empty(&a->waiters) ? 0 : start(a);
  if (err) fail(a, err);
}

static int start(kio_acceptor *a) {
  kio_request *request;
  kio_assert(!a->request && !a->pausing);
  int err = kio_sched_request(a->sched, KIO_OP_ACCEPT, a->fd, a, done, &request);
  if (err) return err;
  request->arg.accept.address = NULL;
  request->arg.accept.more = more;
  a->request = request;
  kio_ring_queue(&a->sched->ring, request);
  return 0;
}

/* Ends the request behind what it may still bring; `done` goes on from there. */
static void stop(kio_acceptor *a, bool try_once) {
  kio_assert(a->request);
  a->pausing = true;
  kio_ring_cancel(&a->sched->ring, a->request, try_once);
}

/* Before the turn's kernel entry. */
static void rest(kio_member *member) {
  kio_acceptor *a = KIO_CONTAINER(member, kio_acceptor, member);
  if (a->request && !a->pausing && kio_queue_empty(&a->waiters)) stop(a, false);
}

/* ---- tasks ---- */

bool kio_acceptor_take(kio_acceptor *a, bool woken, int *outcome) {
  if (woken && a->promised > 0) a->promised--;
  bool ready = a->count > (woken ? 0 : a->promised);
  if (ready) *outcome = pop(a);
  else if (a->fd < 0) *outcome = -EBADF;
  return ready || a->fd < 0;
}

int kio_acceptor_await(kio_acceptor *a, kio_task *task) {
  int err = a->request ? 0 : start(a);
  if (err) return err;
  task->subject = a;
  kio_queue_push(&a->waiters, task);
  return 0;
}

void kio_acceptor_abandon(kio_task *task) {
  stop(task->subject, kio_task_is_due(task));
}

#ifdef KIO_TEST
static void verify(const kio_member *member) {
  const kio_acceptor *a = KIO_CONTAINER(member, const kio_acceptor, member);
  bool waited_for = !kio_queue_empty(&a->waiters);
  kio_queue_verify(&a->waiters);
  kio_assert(a->sched == kio_sched_current());
  kio_assert(a->count <= a->room && (a->room > 0) == (a->arrived != NULL));
  kio_assert(a->first < a->room || a->room == 0);
  kio_assert(a->promised <= a->count || a->dropped);
  kio_assert(a->request || (!waited_for && !a->pausing && !a->dropped));
  kio_assert(!a->request || waited_for || a->pausing || a->dropped ||
             kio_link_linked(&member->dirty_link));
  kio_assert(!a->request || a->request->owner == a);
}
#endif

static const kio_member_kind membership = {
    .flush = rest,
    .detach = detach,
    .forget = forget,
    .verify = kio_test_only(verify),
};
