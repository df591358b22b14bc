/* Owns the thread-local pointer to the scheduler that runs on this thread. */
#include "task/here.h"

#include "task/task.h"

_Thread_local kio_sched *kio_sched_of_thread;
