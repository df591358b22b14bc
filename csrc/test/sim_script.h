/* What the next simulated ring is told to do to its requests. Set before kio.run; a ring takes it
   when it opens, so it is good for one run. One script per thread. */
#ifndef KIO_TEST_SIM_SCRIPT_H
#define KIO_TEST_SIM_SCRIPT_H

#include "ring/request.h"

enum { KIO_SIM_RULES = 16, KIO_SIM_ANY_OP = -1 };

/* Happens to the requests it matches, when the ring first sees them. */
typedef struct kio_sim_rule {
  int op;           /* kio_op, or KIO_SIM_ANY_OP */
  uint64_t nth;     /* the nth request of that kind only, from 1; 0: every one */
  bool has_result;  /* `result` stands in for the system call, which is not made */
  int result;       /* what the request completes with */
  size_t short_max; /* bytes it moves at most; 0: no bound */
  int64_t delay_ns; /* it is done at once, and told this much later: a cancel comes too late */
  bool twice;       /* its completion comes a second time, when its slot may have a new tenant */
  uint64_t seen;    /* requests of that kind so far */
} kio_sim_rule;

typedef struct kio_sim_script {
  kio_sim_rule rules[KIO_SIM_RULES];
  unsigned rule_count;
  size_t short_max; /* bytes any transfer moves at most; 0: no bound */
  unsigned full;    /* requests taken per enter: the queue is full after that; 0: no bound */
  uint64_t reorder; /* seed of the order in which things are done; 0: as they were queued */
  uint64_t fired;   /* times a rule has matched */
} kio_sim_script;

/* Has the next ring of this thread take a copy of the script. */
void kio_sim_script_set(const kio_sim_script *script);
/* Takes the script that was set; an empty one when there is none. */
kio_sim_script kio_sim_script_take(void);
/* Whether one waits to be taken. */
bool kio_sim_script_waits(void);
/* Keeps what a closing ring did, and tells how often a rule of the last one matched. */
void kio_sim_script_done(const kio_sim_script *script);
uint64_t kio_sim_script_fired(void);
/* The rule for this request, or NULL. The first that matches wins; all count it. */
const kio_sim_rule *kio_sim_script_match(kio_sim_script *script, const kio_request *request);

#endif
