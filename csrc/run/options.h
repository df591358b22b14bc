/* What kio.run and kio.runtime are told: the one place that knows their options. */
#ifndef KIO_RUN_OPTIONS_H
#define KIO_RUN_OPTIONS_H

#include <lua.h>

#include "task/here.h"
#include "thread/runtime.h"

enum { KIO_CPUS_MAX = 1024 }; /* CPUs that workers may be pinned to */

typedef struct kio_options {
  kio_sched_config sched;
  kio_runtime_config runtime; /* without `main`, `context` and the functions */
  int cpus[KIO_CPUS_MAX];     /* what runtime.cpus points to */
  bool interrupt;             /* Ctrl-C unwinds the run */
  bool keep;                  /* a worker that fails does not end the run */
} kio_options;

/* Reads the record at `index`, which lua/kio/run/options.lua has made. */
void kio_options_read(lua_State *L, int index, kio_options *options);

#endif
