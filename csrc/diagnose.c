#include "diagnose.h"
#include <string.h>
#include "op.h"
int kio_diagnose_push(lua_State *L, int err, const kio_ring_config *config) {
  (void)config;
  return kio_fail(L, err, "io_uring", "setup");
}
int kio_diagnose_check(lua_State *L) {
  lua_newtable(L);
  return 1;
}
