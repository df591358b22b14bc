/* Owns the jobs until their ends have been told. Invariant: a slot is in use exactly from submit
   until the end of the job has been told, or it has been withdrawn. */
#include "task/work.h"

#include <errno.h>

#include "base/memory.h"
#include "ring/plain.h"
#include "task/here.h"
#include "task/sched_inbox.h"
#include "thread/pool.h"

struct kio_work {
  kio_job job;
  kio_request *request; /* its memory stays until the end has been told, or for ever */
  kio_works *works;     /* where the slot is; the scheduler's thread only */
  int result;
};

static kio_work *work_of(kio_job *job) {
  return KIO_CONTAINER(job, kio_work, job);
}

static void run(kio_job *job, kio_local *local) {
  kio_work *work = work_of(job);
  (void)local;
  work->result = kio_plain_work(work->request, 0);
}

static void free_work(kio_job *job) {
  kio_memory_free(work_of(job));
}

/* Its slot is free, and the job has one reference less. */
static void let_go(kio_work *work) {
  kio_works *works = work->works;
  uint32_t slot = work->request->due_ms;
  kio_assert(slot < works->count && works->slots[slot].work == work);
  works->slots[slot] = (struct kio_work_slot){.next = works->free};
  works->free = slot;
  kio_job_unref(&work->job);
}

static void tell_end(kio_work *work, kio_ring *ring) {
  kio_request *request = work->request;
  int result = work->job.queued ? -ECANCELED : work->result;
  let_go(work);
  kio_ring_worked(ring, request, result);
}

static void arrive(kio_post *post, void *ctx) {
  kio_work *work = work_of(KIO_CONTAINER(post, kio_job, post));
  kio_sched *sched = ctx;
  kio_job_unref(&work->job);
  tell_end(work, &sched->ring);
}

/* Who ends the scheduler settles it. */
static void drop(kio_post *post) {
  kio_job_unref(&work_of(KIO_CONTAINER(post, kio_job, post))->job);
}

/* ---- slots ---- */

/* False: memory is out. */
static bool make_room(kio_works *works) {
  if (works->free < works->count) return true;
  uint32_t count = works->count * 2 + 16;
  struct kio_work_slot *slots = kio_memory_resize(works->slots, count * sizeof *slots);
  if (!slots) return false;
  for (uint32_t i = works->count; i < count; i++) slots[i] = (struct kio_work_slot){NULL, i + 1};
  works->slots = slots;
  works->count = count;
  return true;
}

static void take_slot(kio_works *works, kio_work *work) {
  uint32_t slot = works->free;
  kio_assert(!works->slots[slot].work);
  works->free = works->slots[slot].next;
  works->slots[slot].work = work;
  work->works = works;
  work->request->due_ms = slot;
}

/* ---- what the ring calls ---- */

static int submit(void *ctx, kio_request *request) {
  kio_sched *sched = ctx;
  int err;
  kio_inbox *inbox = kio_sched_inbox(sched, &err);
  kio_pool *pool = inbox ? kio_sched_pool(sched, &err) : NULL;
  if (!pool) return err;
  kio_work *work = make_room(&sched->works) ? kio_memory_new(sizeof *work) : NULL;
  if (!work) return -ENOMEM;
  kio_job_init(&work->job, inbox);
  work->job.post = (kio_post){.arrive = arrive, .drop = drop};
  work->job.work = run;
  work->job.free = free_work;
  work->job.name = kio_op_name(request->op);
  work->job.lane = KIO_LANE_FILE;
  work->job.patient = true;
  work->request = request;
  take_slot(&sched->works, work);
  err = kio_pool_submit(pool, &work->job);
  if (err) let_go(work);
  return err;
}

static bool withdraw(void *ctx, kio_request *request) {
  kio_sched *sched = ctx;
  kio_assert(request->due_ms < sched->works.count);
  kio_work *work = sched->works.slots[request->due_ms].work;
  bool withdrawn = work && kio_job_withdraw(&work->job);
  if (withdrawn) let_go(work);
  return withdrawn;
}

kio_offload kio_works_offload(kio_sched *sched) {
  return (kio_offload){.submit = submit, .withdraw = withdraw, .ctx = sched};
}

bool kio_works_settle(kio_works *works, kio_ring *ring) {
  bool any = false;
  for (uint32_t i = 0; i < works->count; i++) {
    kio_work *work = works->slots[i].work;
    if (!work) continue;
    if (kio_job_is_over(&work->job)) tell_end(work, ring);
    else any = true;
  }
  return any;
}

void kio_works_fini(kio_works *works) {
  for (uint32_t i = 0; i < works->count; i++) {
    if (works->slots[i].work) kio_job_unref(&works->slots[i].work->job);
  }
  kio_memory_free(works->slots);
  *works = (kio_works){0};
}
