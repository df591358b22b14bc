/* What a child does until its exec, in memory and on a thread that are borrowed. For child.c. */
#ifndef KIO_SYSTEM_CHILD_EXEC_H
#define KIO_SYSTEM_CHILD_EXEC_H

#include <limits.h>

#include "system/child.h"

typedef struct kio_child_launch {
  const kio_child_plan *plan;
  char *stack;         /* of the child, where it begins (that is its end) */
  pid_t pid;           /* a detached one's, set by the process in between */
  int pidfd;           /* of the child; -1: none yet */
  bool by_pid;         /* it is to have none */
  int err;             /* 0, or the errno of what failed, at `step`; set by the child */
  kio_child_step step; /* where it is */
} kio_child_launch;

/* clone(2), with the launch for its argument and the place of a pidfd, or NULL. */
pid_t kio_child_clone(int (*run)(void *), char *stack, int flags, kio_child_launch *launch,
                      int *pidfd);
/* The child, a kio_child_launch. Returns only when its exec has failed. */
int kio_child_main(void *launch);
/* The process between us and a detached child, which starts that, and ends. */
int kio_child_between(void *launch);

typedef struct kio_child_search {
  const char *path;    /* what is left of it; NULL: nothing */
  char name[PATH_MAX]; /* the file in the folder that is looked at */
} kio_child_search;

/* Begins to look for the plan's file. */
void kio_child_search_begin(kio_child_search *search, const kio_child_plan *plan);
/* The next name it may have; NULL: there is none. */
const char *kio_child_search_next(kio_child_search *search, const char *file);

#endif
