/* A program that was started, as a userdata of Lua. For the two files that are about it. */
#ifndef KIO_PROCESS_PROCESS_H
#define KIO_PROCESS_PROCESS_H

#include "op/op.h"
#include "system/child.h"

#define KIO_PROCESS_TYPE "kio.Child"

typedef struct kio_process {
  kio_child child;  /* its fd is -1 once it has ended, and nobody waits */
  unsigned waiting; /* tasks that wait for its end */
  bool detached;    /* outlives this; its end is not ours to see, but for whoever adopts orphans */
  bool ended;       /* and reaped: `end` tells how, unless `err` is set */
  bool left;        /* detached, and nobody has to do with it any more */
  int err;          /* how it ended is unknown: -ECHILD */
  kio_child_end end;
} kio_process;

/* process_spawn(...) and what it is told: see spawn.c */
int kio_process_spawn(lua_State *L);
int kio_process_pipe(lua_State *L);
int kio_process_give(lua_State *L);

#endif
