/* kio.check, and the words kio.run fails with. Owns nothing: a trial ring lives for one call.
   Within a run its own ring is described instead, so a check there costs no second one. */
#include "run/check.h"

#include <lauxlib.h>
#include <math.h>

#include "base/config.h"
#include "base/errname.h"
#include "op/op.h"
#include "run/diagnose.h"
#include "task/here.h"

void kio_diagnose_push(lua_State *L, int err, const kio_ring_config *config) {
  kio_machine machine;
  kio_diagnosis diagnosis;
  kio_machine_look(&machine);
  kio_diagnose(&machine, err, config, &diagnosis);
  lua_pushfstring(L, "no io_uring here (%s): %s; %s", kio_errname(err), diagnosis.cause,
                  diagnosis.cure);
}

/* ---- what a ring is granted ---- */

typedef struct trial {
  int err;           /* positive; 0: usable */
  char granted[160]; /* the ring's description; empty when refused */
} trial;

static const kio_ring_config usual = {
    .entries = KIO_RING_ENTRIES, .cq_entries = KIO_RING_CQ_ENTRIES, .sqpoll_ms = -1};

static void try_ring(trial *out) {
  kio_ring ring;
  kio_sched *sched = kio_sched_here();
  *out = (trial){0};
  if (sched && sched->ring.backend == &kio_ring_uring) {
    kio_ring_uring.describe(&sched->ring, out->granted, sizeof out->granted);
    return;
  }
  out->err = -kio_ring_open(&ring, &kio_ring_uring, &usual);
  if (out->err) return;
  kio_ring_uring.describe(&ring, out->granted, sizeof out->granted);
  kio_ring_close(&ring);
}

/* ---- the table ---- */

static void set_text(lua_State *L, const char *name, const char *text) {
  if (text && *text) kio_set_text(L, name, text);
}

static void set_flag(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

/* A fact of the system; absent when unknown. */
static void set_fact(lua_State *L, const char *name, long value) {
  if (value != KIO_UNKNOWN) kio_set_integer(L, name, value);
}

static void push_limit(lua_State *L, uint64_t value) {
  if (value == KIO_UNLIMITED) lua_pushnumber(L, (lua_Number)HUGE_VAL);
  else lua_pushinteger(L, (lua_Integer)value);
}

static void set_limits(lua_State *L, const char *name, uint64_t soft, uint64_t hard) {
  lua_createtable(L, 0, 3);
  push_limit(L, soft);
  lua_setfield(L, -2, "soft");
  push_limit(L, hard);
  lua_setfield(L, -2, "hard");
  lua_setfield(L, -2, name);
}

static void set_facts(lua_State *L, const kio_machine *m) {
  set_text(L, "kernel", m->kernel);
  set_fact(L, "io_uring_disabled", m->uring_disabled);
  set_fact(L, "io_uring_group", m->uring_group);
  set_fact(L, "seccomp", m->seccomp);
  if (m->no_new_privs != KIO_UNKNOWN) set_flag(L, "no_new_privs", m->no_new_privs != 0);
  set_limits(L, "memlock", m->memlock_soft, m->memlock_hard);
  set_flag(L, "memlock_charged", kio_diagnose_charged(m));
  kio_set_integer(L, "ring_size", (lua_Integer)kio_diagnose_ring_size(&usual));
  set_limits(L, "nofile", m->nofile_soft, m->nofile_hard);
  kio_set_integer(L, "cpus", m->cpus);
  set_text(L, "container", m->container);
}

/* ---- the report ---- */

static const char *limit_text(lua_State *L, uint64_t value, unsigned unit, const char *name) {
  if (value == KIO_UNLIMITED) return "unlimited";
  return lua_pushfstring(L, "%I%s", (LUAI_UACINT)(value / unit), name);
}

static const char *fact_text(lua_State *L, long value) {
  return value == KIO_UNKNOWN ? "-" : lua_pushfstring(L, "%d", (int)value);
}

/* Pushes the limits in words. */
static void push_limits(lua_State *L, const kio_machine *m) {
  int top = lua_gettop(L);
  lua_pushfstring(L,
                  "locked memory %s, hard limit %s (a ring takes %d KiB, %s); descriptors %s, "
                  "hard limit %s",
                  limit_text(L, m->memlock_soft, 1024, " KiB"),
                  limit_text(L, m->memlock_hard, 1024, " KiB"),
                  (int)(kio_diagnose_ring_size(&usual) / 1024),
                  kio_diagnose_charged(m) ? "charged to it" : "not charged here",
                  limit_text(L, m->nofile_soft, 1, ""), limit_text(L, m->nofile_hard, 1, ""));
  lua_insert(L, top + 1);
  lua_settop(L, top + 1);
}

/* Pushes what may refuse io_uring, in words. */
static void push_policy(lua_State *L, const kio_machine *m) {
  static const char *const modes[] = {"none", "strict", "a filter"};
  int top = lua_gettop(L);
  const char *seccomp = m->seccomp >= 0 && m->seccomp <= 2 ? modes[m->seccomp] : "-";
  lua_pushfstring(L, "sysctl io_uring_disabled %s, io_uring_group %s; seccomp %s; no_new_privs %s",
                  fact_text(L, m->uring_disabled), fact_text(L, m->uring_group), seccomp,
                  fact_text(L, m->no_new_privs));
  lua_insert(L, top + 1);
  lua_settop(L, top + 1);
}

static void push_report(lua_State *L, const kio_machine *m, const trial *t,
                        const kio_diagnosis *diagnosis) {
  int top = lua_gettop(L);
  if (t->err) {
    lua_pushfstring(L, "io_uring  refused: %s\ncause     %s\ncure      %s\n", kio_errname(t->err),
                    diagnosis->cause, diagnosis->cure);
  } else {
    lua_pushfstring(L, "io_uring  usable: %s\n", t->granted);
  }
  lua_pushfstring(L, "kernel    Linux %s, built with %s\n", m->kernel, kio_ring_uring.library);
  lua_pushliteral(L, "policy    ");
  push_policy(L, m);
  lua_pushliteral(L, "\nlimits    ");
  push_limits(L, m);
  lua_pushfstring(L, "\nmachine   %d processors, container: %s", m->cpus,
                  m->container ? m->container : "none seen");
  lua_concat(L, lua_gettop(L) - top);
}

int kio_diagnose_push_report(lua_State *L, const char *who, int err,
                             const kio_ring_config *config) {
  kio_machine machine;
  kio_diagnosis diagnosis;
  const trial t = {.err = err};
  luaL_checkstack(L, 24, who);
  kio_machine_look(&machine);
  kio_diagnose(&machine, err, config, &diagnosis);
  luaL_where(L, 1);
  lua_pushfstring(L, "%s: no io_uring here\n", who);
  push_report(L, &machine, &t, &diagnosis);
  lua_concat(L, 3);
  lua_pushstring(L, kio_errname(err));
  return 2;
}

int kio_diagnose_check(lua_State *L) {
  kio_takes(L, 0);
  kio_machine machine;
  trial t;
  kio_diagnosis diagnosis = {"", ""};
  luaL_checkstack(L, 24, "kio.check");
  try_ring(&t);
  kio_machine_look(&machine);
  if (t.err) kio_diagnose(&machine, t.err, &usual, &diagnosis);
  lua_createtable(L, 0, 24);
  set_flag(L, "usable", t.err == 0);
  set_text(L, "code", t.err ? kio_errname(t.err) : NULL);
  set_text(L, "cause", diagnosis.cause);
  set_text(L, "cure", diagnosis.cure);
  set_text(L, "backend", kio_ring_uring.name);
  set_text(L, "granted", t.granted);
  set_text(L, "liburing", kio_ring_uring.library);
  kio_set_integer(L, "entries", (lua_Integer)usual.entries);
  kio_set_integer(L, "cq_entries", (lua_Integer)usual.cq_entries);
  set_facts(L, &machine);
  push_report(L, &machine, &t, &diagnosis);
  lua_setfield(L, -2, "text");
  return 1;
}
