/* The door of kio.tls.core: a shared object of its own, which works with kio's by two tables, its
   filters' (net/filter.h) and kio's for its guests (net/guest.h). Once loaded it stays: filters and
   contexts outlive the Lua state that has made them. */
#include "tls/core.h"

#include <dlfcn.h>

#include "tls/face.h"
#include "tls/test_cert.h"
#include "tls/test_exchange.h"
#include "tls/test_memory.h"
#include "tls/test_pairs.h"
#include "tls/test_peer.h"

static void stay_loaded(void) {
  Dl_info about;
  if (dladdr((void *)(uintptr_t)luaopen_kio_tls_core, &about) && about.dli_fname) {
    dlopen(about.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

/* OpenSSL's own cleaning at exit would take what threads that are late still use. */
static void start_openssl(lua_State *L) {
  if (OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
    luaL_error(L, "kio.tls: OpenSSL does not start");
  }
}

int luaopen_kio_tls_core(lua_State *L) {
  luaL_checkversion(L);
  const kio_guest *guest = kio_guest_find(L, "kio.tls");
  stay_loaded();
#ifdef KIO_TEST
  kio_tls_test_memory_start();
#endif
  start_openssl(L);
  guest->type_open(L, &kio_tls_context_type);
  guest->type_open(L, &kio_tls_draft_type);
  lua_createtable(L, 0, 24);
  luaL_setfuncs(L, kio_tls_draft_ops, 0);
  luaL_setfuncs(L, kio_tls_context_ops, 0);
  luaL_setfuncs(L, kio_tls_stream_ops, 0);
#ifdef KIO_TEST
  luaL_setfuncs(L, kio_tls_test_ops, 0);
  luaL_setfuncs(L, kio_tls_test_exchange_ops, 0);
  luaL_setfuncs(L, kio_tls_test_memory_ops, 0);
  luaL_setfuncs(L, kio_tls_test_pairs_ops, 0);
  luaL_setfuncs(L, kio_tls_test_peer_ops, 0);
#endif
  luaL_getmetatable(L, KIO_TLS_CONTEXT_TYPE);
  lua_getfield(L, -2, "same");
  lua_setfield(L, -2, "__eq");
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "context_methods");
  lua_pop(L, 1);
  return 1;
}
