/* Looking names up: getaddrinfo(3), which blocks, on a thread of the pool; outside a task at once.
   Whatever the thread needs lies in the offload. Contract for users: lua/types/kio/own.d.lua. */
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "base/memory.h"
#include "op/offload.h"
#include "op/registry.h"
#include "system/address.h"
#include "task/collect.h"
#include "task/task.h"

#define FOUND_TYPE "kio.Found"

/* Without a descriptor the C library fails in many ways, and not always says why. */
enum { LOOKUP_FDS = 2 };

typedef struct query {
  const char *name;       /* asked for */
  const char *service;    /* a port's number, or what it is called */
  struct addrinfo hints;  /* the kind of answer wanted */
  struct addrinfo *found; /* the answer; freed with the query */
  int code;               /* 0 or an EAI_ code */
  int err;                /* with EAI_SYSTEM: the errno */
} query;

/* On any thread. */
static void ask(query *q) {
  q->code = getaddrinfo(q->name, q->service, &q->hints, &q->found);
  q->err = errno;
  if (q->code) q->found = NULL;
}

/* ---- results ---- */

static const struct {
  int code;
  const char *name;
} codes[] = {
    {EAI_NONAME, "EAI_NONAME"}, {EAI_AGAIN, "EAI_AGAIN"},           {EAI_FAIL, "EAI_FAIL"},
    {EAI_NODATA, "EAI_NODATA"}, {EAI_ADDRFAMILY, "EAI_ADDRFAMILY"}, {EAI_SERVICE, "EAI_SERVICE"},
    {EAI_FAMILY, "EAI_FAMILY"}, {EAI_SOCKTYPE, "EAI_SOCKTYPE"},     {EAI_BADFLAGS, "EAI_BADFLAGS"},
};

static int push_failure(lua_State *L, const query *q) {
  char text[128];
  const char *code = "EAI_FAIL";
  if (q->code == EAI_SYSTEM) return kio_fail(L, q->err, "resolve", q->name);
  if (q->code == EAI_MEMORY) return kio_fail(L, ENOMEM, "resolve", q->name);
  for (size_t i = 0; i < KIO_COUNT(codes); i++) {
    if (codes[i].code == q->code) code = codes[i].name;
  }
  snprintf(text, sizeof text, "%s", gai_strerror(q->code));
  text[0] = (char)tolower((unsigned char)text[0]);
  return kio_fail_text(L, code, "resolve", q->name, text);
}

static int push_answer(lua_State *L, const query *q) {
  lua_Integer count = 0;
  if (q->code) return push_failure(L, q);
  lua_newtable(L);
  for (const struct addrinfo *at = q->found; at; at = at->ai_next) {
    kio_sockaddr address = {.size = at->ai_addrlen};
    if (at->ai_addrlen > sizeof address.as) continue;
    memcpy(&address.as, at->ai_addr, at->ai_addrlen);
    kio_push_address(L, &address);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

/* ---- in a task ---- */

typedef struct lookup {
  kio_offloaded offload;
  query query;
} lookup;

static query *query_of(kio_job *job) {
  return &((lookup *)(void *)job)->query;
}

static void lookup_work(kio_job *job, kio_local *local) {
  (void)local;
  ask(query_of(job));
}

static void lookup_free(kio_job *job) {
  if (query_of(job)->found) freeaddrinfo(query_of(job)->found);
  kio_memory_free(job);
}

static int lookup_donek(lua_State *L, int status, lua_KContext ctx) {
  lookup *l = (lookup *)ctx; /* NOLINT: it was one when it went down */
  (void)status;
  int err = kio_offload_result(L, &l->offload);
  if (!err && l->query.code && !l->offload.again && kio_collect(L, -EMFILE, LOOKUP_FDS)) {
    return kio_offload_again(L, &l->offload, lookup_donek);
  }
  int count = err ? kio_fail(L, err, "resolve", l->query.name) : push_answer(L, &l->query);
  kio_offload_end(&l->offload);
  return count;
}

static int look_up(lua_State *L, const query *q, int64_t timeout_ns) {
  kio_task *task = kio_op_begin(L);
  size_t size = strlen(q->name) + 1, service_size = strlen(q->service) + 1;
  kio_offload_kind kind = {.name = "resolve",
                           .subject = q->name,
                           .size = sizeof(lookup) + size + service_size,
                           .work = lookup_work,
                           .free = lookup_free,
                           .lane = KIO_LANE_LOOKUP};
  lookup *l = kio_offload_new(L, task, &kind);
  if (!l) return KIO_FAILED;
  char *text = (char *)(l + 1);
  l->query = *q;
  l->query.name = memcpy(text, q->name, size);
  l->query.service = memcpy(text + size, q->service, service_size);
  return kio_offload_submit(L, task, &l->offload, timeout_ns, lookup_donek);
}

/* ---- outside ---- */

static void free_found(void *self) {
  struct addrinfo **found = self;
  if (*found) freeaddrinfo(*found);
}

const kio_type kio_found_type = {.name = FOUND_TYPE, .end = free_found};

static int look_up_plainly(lua_State *L, query *q) {
  struct addrinfo **found = lua_newuserdatauv(L, sizeof *found, 0);
  *found = NULL;
  luaL_setmetatable(L, FOUND_TYPE);
  ask(q);
  if (q->code && kio_collect(L, -EMFILE, LOOKUP_FDS)) ask(q);
  *found = q->found;
  return push_answer(L, q);
}

/* net_lookup(name, service, family, type [, options]) -> list of addresses with their ports.
   family: "any", "inet", "inet6"; type: "stream", "datagram" */
static int l_lookup(lua_State *L) {
  static const char *const families[] = {"any", "inet", "inet6", NULL};
  static const char *const types[] = {"stream", "datagram", NULL};
  static const int family_numbers[] = {AF_UNSPEC, AF_INET, AF_INET6};
  query q = {.name = kio_check_path(L, 1), .service = kio_check_path(L, 2)};
  q.hints.ai_family = family_numbers[luaL_checkoption(L, 3, "any", families)];
  q.hints.ai_socktype = luaL_checkoption(L, 4, "stream", types) ? SOCK_DGRAM : SOCK_STREAM;
  int64_t timeout = kio_op_timeout(L, 5);
  return kio_op_in_task() ? look_up(L, &q, timeout) : look_up_plainly(L, &q);
}

/* net_parse(text) -> "numeric" | "name" | nil, what is wrong */
static int l_parse(lua_State *L) {
  size_t size;
  kio_sockaddr address;
  const char *text = luaL_checklstring(L, 1, &size);
  const char *wrong = kio_address_parse(text, size, &address);
  if (wrong && wrong != kio_address_is_name) {
    lua_pushnil(L);
    lua_pushstring(L, wrong);
    return 2;
  }
  lua_pushstring(L, wrong ? "name" : "numeric");
  return 1;
}

const luaL_Reg kio_resolve_own[] = {
    {"net_lookup", l_lookup},
    {"net_parse", l_parse},
    {NULL, NULL},
};
