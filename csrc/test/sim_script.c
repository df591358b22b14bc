/* Owns the thread's next script and the outcome of its last one. */
#include "test/sim_script.h"

static _Thread_local kio_sim_script script_next;
static _Thread_local bool script_waits;
static _Thread_local uint64_t script_fired;

void kio_sim_script_set(const kio_sim_script *script) {
  script_next = *script;
  script_waits = true;
}

kio_sim_script kio_sim_script_take(void) {
  kio_sim_script script = script_waits ? script_next : (kio_sim_script){0};
  script_waits = false;
  return script;
}

bool kio_sim_script_waits(void) {
  return script_waits;
}

void kio_sim_script_done(const kio_sim_script *script) {
  script_fired = script->fired;
}

uint64_t kio_sim_script_fired(void) {
  return script_fired;
}

const kio_sim_rule *kio_sim_script_match(kio_sim_script *script, const kio_request *request) {
  const kio_sim_rule *found = NULL;
  for (unsigned i = 0; i < script->rule_count; i++) {
    kio_sim_rule *rule = &script->rules[i];
    if (rule->op != KIO_SIM_ANY_OP && rule->op != request->op) continue;
    rule->seen++;
    if (!found && (rule->nth == 0 || rule->nth == rule->seen)) found = rule;
  }
  if (found) script->fired++;
  return found;
}
