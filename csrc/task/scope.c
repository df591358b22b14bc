/* Owns the tree. Invariants: a scope is active if it was cancelled or, unless shielded, its parent
   is; a task waits uninterrupted only while the scope its code runs in is not active. Called by the
   scheduler's thread only. */
#include "task/scope.h"

#include <lauxlib.h>

#include "task/anchor.h"
#include "task/here.h"
#include "task/task.h"
#include "task/wait.h"

void kio_scope_open(kio_scope *scope, kio_scope *parent, kio_task *task, bool shield) {
  *scope = (kio_scope){.parent = parent, .task = task, .shield = shield, .ref = LUA_NOREF};
  kio_list_init(&scope->inner);
  kio_list_init(&scope->failures);
  if (!parent) return;
  kio_assert(parent->parent || !parent->task); /* it is open, or the root */
  scope->active = parent->active && !shield;
  kio_list_push(&parent->inner, &scope->link);
}

void kio_scope_close(kio_scope *scope) {
  kio_assert(kio_list_empty(&scope->inner) && scope->live == 0 && scope->daemons == 0);
  kio_assert(!kio_timer_started(&scope->timer));
  if (kio_link_linked(&scope->link)) kio_link_remove(&scope->link);
  scope->parent = NULL;
}

void kio_scope_let_go(lua_State *L, kio_scope *scope) {
  kio_anchor_drop(L, scope->ref);
  scope->ref = LUA_NOREF;
}

/* The next scope in a walk through the tree below `root`, outside in; `deeper`: into this one
   too. */
static kio_scope *next(kio_scope *root, kio_scope *at, bool deeper) {
  kio_link *first = deeper ? kio_list_first(&at->inner) : NULL;
  if (first) return KIO_CONTAINER(first, kio_scope, link);
  while (at != root) {
    if (at->link.next != &at->parent->inner.head) {
      return KIO_CONTAINER(at->link.next, kio_scope, link);
    }
    at = at->parent;
  }
  return NULL;
}

/* A loop, not a recursion: scopes may nest as deep as memory allows. */
static void activate(kio_scope *root) {
  kio_scope *scope = root;
  while (scope) {
    bool stop = scope->active || (scope->shield && scope != root);
    if (!stop) {
      scope->active = true;
      kio_assert(!scope->of_task || scope->task->sched->uncancelled > 0);
      if (scope->of_task) scope->task->sched->uncancelled--;
      if (scope->task && scope->task->scope == scope) {
        kio_task_interrupt(scope->task, KIO_WAKE_CANCEL);
      }
    }
    scope = next(root, scope, !stop);
  }
}

void kio_scope_cancel(kio_scope *scope, kio_scope_end why) {
  kio_assert(why != KIO_SCOPE_RUNS);
  if (scope->end == KIO_SCOPE_RUNS) scope->end = (uint8_t)why;
  activate(scope);
}

bool kio_scope_due(const kio_scope *scope) {
  while (scope && scope->active && scope->end != KIO_SCOPE_DEADLINE) scope = scope->parent;
  return scope && scope->active;
}

kio_scope *kio_scope_owner(kio_scope *scope) {
  while (scope->of_task) scope = scope->parent;
  return scope;
}

#ifdef KIO_TEST
static void verify_one(const kio_scope *scope) {
  size_t live = 0, daemons = 0;
  KIO_LIST_EACH(&scope->inner, link) {
    const kio_scope *inner = KIO_CONTAINER(link, kio_scope, link);
    kio_assert(inner->parent == scope && (!inner->of_task || !kio_task_ended(inner->task)));
    kio_assert(inner->active || inner->shield || !scope->active);
    live += inner->of_task;
    daemons += inner->of_task && inner->task->daemon;
  }
  kio_assert(scope->live == live && scope->daemons == daemons);
  kio_assert(scope->active || scope->end == KIO_SCOPE_RUNS);
  kio_assert(!scope->waiting || (live > 0 && scope->task->status == KIO_TASK_WAITING));
  KIO_LIST_EACH(&scope->failures, link) {
    kio_assert(KIO_CONTAINER(link, kio_task, link)->status == KIO_TASK_FAILED);
  }
}

void kio_scope_verify(kio_scope *root) {
  for (kio_scope *scope = root; scope; scope = next(root, scope, true)) verify_one(scope);
}
#endif
