/* Operations done by a thread of the pool, for what the kernel has no asynchronous form of. An
   offload is a job with a task that waits for it. An anchor, a userdata in the frame of the
   operation, holds it until the operation has taken its results (or that frame is collected); the
   pool holds it as long as it has work with it. A cancel or a deadline ends the wait at once: one
   that has not begun never will, one that runs is left to end by itself, and what it brings is
   dropped. */
#ifndef KIO_OP_OFFLOAD_H
#define KIO_OP_OFFLOAD_H

#include "op/await.h"
#include "op/op.h"
#include "thread/pool.h"

typedef struct kio_offloaded {
  kio_job job;
  kio_await await;     /* its end is told */
  const char *subject; /* the kind's; not for the work */
  int64_t due_ns;      /* when its time is up; KIO_NEVER unless submitted with a timeout */
  bool again;          /* it is done a second time */
} kio_offloaded;

typedef struct kio_offload_kind {
  const char *name;    /* of the operation, for people */
  const char *subject; /* what it is about, for people; lives as long as the operation's frame */
  size_t size;         /* of the struct that begins with the kio_offloaded */
  void (*work)(kio_job *job, kio_local *local);
  void (*free)(kio_job *job); /* frees it with all it owns, on any thread */
  kio_lane lane;
  bool patient; /* as the job's */
} kio_offload_kind;

/* A new one of the running task, zeroed, its anchor on top of the stack. NULL: return KIO_FAILED.
   */
void *kio_offload_new(lua_State *L, kio_task *task, const kio_offload_kind *kind);
/* Hands it to the pool and parks; then `k` runs with the offload as context. Never returns, but for
   3 pushed values when the pool refuses: "EAGAIN", its queue is full. */
int kio_offload_submit(lua_State *L, kio_task *task, kio_offloaded *offload, int64_t timeout_ns,
                       lua_KFunction k);
/* In `k`: does it once more within the same time, for want of something that was not there. */
int kio_offload_again(lua_State *L, kio_offloaded *offload, lua_KFunction k);
/* The two halves of kio_offload_submit, for those who hand one over before anybody waits for it.
   Keeps a place in the pool's queue: 0; -EAGAIN: it is full, and with `wait` it arrives when a
   place has been kept for it; or why not. */
int kio_offload_reserve(kio_sched *sched, kio_offloaded *offload, bool wait);
/* Hands an offload over. 0, or why not. */
int kio_offload_start(kio_sched *sched, kio_offloaded *offload);
/* Parks until it arrives, or calls `k` at once when it has. */
int kio_offload_wait(lua_State *L, kio_task *task, kio_offloaded *offload, lua_KFunction k);
/* kio_offload_wait for a task that has just been made: it begins when the offload arrives. */
void kio_offload_hold(kio_task *task, kio_offloaded *offload);
/* In `k`: 0 when the work has been done, ETIMEDOUT when its deadline passed first, ECANCELED when
   the pool ended before it began. Raises Cancelled. */
int kio_offload_result(lua_State *L, kio_offloaded *offload);
/* The offload whose anchor is at `index`, or an argument error. */
kio_offloaded *kio_offload_check(lua_State *L, int index);
/* In `k`, once its results have been taken: it is not to be touched any more. */
void kio_offload_end(kio_offloaded *offload);

#endif
