/* What a worker does with its thread: a Lua state and a scheduler of its own. */
#ifndef KIO_RUN_WORKER_H
#define KIO_RUN_WORKER_H

#include "run/state.h"
#include "task/here.h"
#include "thread/runtime.h"

/* What every worker of a runtime starts with; used until all have started. */
typedef struct kio_worker_plan {
  kio_seed seed;
  kio_sched_config config; /* but for `worker` and `serves` */
} kio_worker_plan;

/* The `main` of kio_runtime_config; its context is a kio_worker_plan. */
void kio_worker_main(kio_worker *worker, void *plan);

#endif
