/* Making and closing datagram and packet sockets. Invariant: while a receive is parked its userdata
   lies on the frame of the task, so the collector never meets one in use. The calls here never
   wait, but for close, which waits for what is under way. */
#include "net/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "net/sockopt.h"
#include "op/op.h"
#include "op/registry.h"
#include "task/collect.h"
#include "task/here.h"
#include "task/io.h"
#include "task/member.h"

/* ---- the userdata ---- */

static void detach(kio_member *member) {
  kio_udp *udp = KIO_CONTAINER(member, kio_udp, member);
  udp->receiver = NULL;
  udp->sched = NULL;
}

static void forget(kio_member *member, const kio_task *task) {
  kio_udp *udp = KIO_CONTAINER(member, kio_udp, member);
  if (udp->receiver == task) udp->receiver = NULL;
}

#ifdef KIO_TEST
static void verify(const kio_member *member) {
  const kio_udp *udp = KIO_CONTAINER(member, const kio_udp, member);
  kio_assert(udp->sched == kio_sched_current());
  kio_assert(udp->pass <= udp->misses);
  kio_assert(!udp->base.connected || udp->base.peer.size > 0);
  kio_assert(udp->known.size == 0 || udp->known_text);
}
#endif

/* Nothing is gathered: it is never flushed. */
static const kio_member_kind membership = {
    .detach = detach,
    .forget = forget,
    .verify = kio_test_only(verify),
};

static void leave(void *handle) {
  kio_udp *udp = handle;
  if (udp->sched) kio_sched_leave(&udp->member);
  udp->sched = NULL;
}

static const char *may_move(const void *handle) {
  const kio_udp *udp = handle;
  if (udp->receiver) return "a task is receiving from it";
  return udp->sched && udp->sched != kio_sched_here() ? "it belongs to another loop" : NULL;
}

static const kio_handle_class class = {
    .noun = "socket",
    .busy = "an operation on it is under way",
    .push = kio_udp_push_empty,
    .leave = leave,
    .may_move = may_move,
};

void kio_udp_push_empty(lua_State *L, bool packets) {
  kio_udp *udp = lua_newuserdatauv(L, sizeof *udp, 1);
  *udp = (kio_udp){.member.kind = &membership};
  kio_handle_init(&udp->base, &class, packets);
  luaL_setmetatable(L, KIO_UDP_TYPE);
}

bool kio_udp_is(lua_State *L, int index) {
  return luaL_testudata(L, index, KIO_UDP_TYPE) != NULL;
}

/* A packet without bytes and the end look alike; but every packet has a time, and the end has none
   (socket(7), SO_TIMESTAMP, which every socket takes). */
void kio_udp_fill(lua_State *L, int index, int fd, const kio_sockaddr *peer) {
  kio_udp *udp = lua_touserdata(L, index);
  int on = 1;
  if (udp->base.packets) setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on);
  kio_handle_fill(&udp->base, fd);
  udp->base.connected = peer != NULL;
  if (peer) udp->base.peer = *peer;
}

kio_udp *kio_udp_check(lua_State *L) {
  kio_udp *udp = luaL_checkudata(L, 1, KIO_UDP_TYPE);
  kio_handle_look(&udp->base);
  return udp;
}

void kio_udp_attach(kio_udp *udp, kio_sched *sched) {
  if (udp->sched == sched) return;
  kio_assert(!udp->sched && udp->base.fd >= 0);
  udp->sched = sched;
  kio_sched_join(sched, &udp->member);
}

/* ---- making ---- */

/* What net_udp is asked for. */
typedef struct plan {
  bool bound;
  bool connected;
  kio_sockaddr address; /* of a bound one */
  kio_sockaddr peer;    /* of a connected one */
  kio_socket_options options;
} plan;

/* Reads the arguments. False: return KIO_FAILED. */
static bool read_plan(lua_State *L, plan *p) {
  static const char *const others[] = {"peer", NULL};
  p->bound = !lua_isnoneornil(L, 1);
  if (p->bound) luaL_checktype(L, 1, LUA_TSTRING);
  kio_read_socket_options(L, 2, KIO_SOCKOPT_FOR_UDP, others, &p->options);
  lua_settop(L, 2);
  if (lua_istable(L, 2)) p->connected = kio_option(L, 2, "peer") != LUA_TNIL;
  luaL_argcheck(L, !p->connected || lua_type(L, 3) == LUA_TSTRING, 2,
                "option 'peer' must be an address");
  if (p->bound && !kio_check_address(L, 1, "udp", &p->address)) return false;
  return !p->connected || kio_check_address(L, 3, "udp", &p->peer);
}

/* The descriptor, or -errno. */
static int carry_out(const plan *p) {
  kio_sockaddr any = {.as.v4.sin_family = AF_INET, .size = sizeof any.as.v4};
  const kio_sockaddr *like = p->bound ? &p->address : p->connected ? &p->peer : &any;
  int fd = p->bound ? kio_socket_bound(like, &p->options) : kio_socket_new(like, &p->options);
  if (fd < 0 || !p->connected) return fd;
  if (connect(fd, &p->peer.as.any, p->peer.size) == 0) return fd;
  int err = -errno;
  kio_sched_close_fd(fd);
  return err;
}

/* net_udp([address [, options]]) -> udp */
static int l_udp(lua_State *L) {
  kio_op_begin_plainly(L);
  plan p = {.options = {.type = SOCK_DGRAM}};
  if (!read_plan(L, &p)) return KIO_FAILED;
  kio_udp_push_empty(L, false);
  int fd = carry_out(&p);
  if (kio_collect(L, fd, 1)) fd = carry_out(&p);
  if (fd < 0) {
    const char *subject = p.bound       ? lua_tostring(L, 1)
                          : p.connected ? lua_tostring(L, 3)
                                        : "socket";
    return kio_fail(L, -fd, "udp", subject);
  }
  kio_udp_fill(L, -1, fd, p.connected ? &p.peer : NULL);
  return 1;
}

/* udp:connect(address | nil) -> udp: where `send` goes, and whose messages it receives alone; nil:
   anybody's again. Waits for nothing. */
static int l_connect(lua_State *L) {
  kio_udp *udp = kio_udp_check(L);
  kio_takes(L, 2);
  kio_sockaddr peer = {.as.any.sa_family = AF_UNSPEC, .size = sizeof peer.as.any};
  bool some = !lua_isnoneornil(L, 2);
  if (some) luaL_checktype(L, 2, LUA_TSTRING);
  if (some && !kio_check_address(L, 2, "connect", &peer)) return KIO_FAILED;
  if (udp->base.fd < 0)
    return kio_handle_fail(L, &udp->base, "connect", EBADF, some ? &peer : NULL);
  if (connect(udp->base.fd, &peer.as.any, peer.size) != 0) {
    return kio_handle_fail(L, &udp->base, "connect", errno, some ? &peer : NULL);
  }
  udp->base.connected = some;
  udp->base.peer = peer;
  lua_settop(L, 1);
  return 1;
}

/* ---- groups ---- */

/* An IP address at `index`, in brackets or not; false when it is none. */
static bool read_ip(lua_State *L, int index, struct sockaddr_storage *out) {
  char text[INET6_ADDRSTRLEN + 2];
  struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;
  size_t size;
  const char *ip = luaL_checklstring(L, index, &size);
  bool bracketed = size >= 2 && ip[0] == '[' && ip[size - 1] == ']';
  if (size >= sizeof text || memchr(ip, 0, size)) return false;
  memset(out, 0, sizeof *out);
  snprintf(text, sizeof text, "%.*s", (int)size - 2 * bracketed, ip + bracketed);
  out->ss_family = strchr(text, ':') ? AF_INET6 : AF_INET;
  void *into = out->ss_family == AF_INET6 ? (void *)&v6->sin6_addr : (void *)&v4->sin_addr;
  return inet_pton(out->ss_family, text, into) == 1;
}

/* Calls setsockopt for the group at index 2; { interface =, source = } may follow it. ip(7),
   ipv6(7): MCAST_JOIN_GROUP and its like know both protocols. */
static int change_group(lua_State *L, const char *what, int any, int of_source) {
  static const char *const known[] = {"interface", "source", NULL};
  struct group_source_req of = {0};
  struct group_req group = {0};
  kio_udp *udp = kio_udp_check(L);
  const char *text = luaL_checkstring(L, 2);
  bool options = !lua_isnoneornil(L, 3), ip = read_ip(L, 2, &group.gr_group), source = false;
  if (!ip) return kio_fail_text(L, "EINVAL", what, text, "the group must be a numeric IP address");
  if (options) kio_check_options(L, 3, known);
  lua_settop(L, 3);
  int interface = options ? (kio_option(L, 3, "interface"), kio_check_interface(L, 4)) : 0;
  if (options && kio_option(L, 3, "source") != LUA_TNIL) source = true;
  if (source && !read_ip(L, -1, &of.gsr_source)) {
    return kio_fail_text(L, "EINVAL", what, text, "the source must be a numeric IP address");
  }
  if (udp->base.fd < 0) return kio_handle_fail(L, &udp->base, what, EBADF, NULL);
  if (interface < 0) return kio_fail(L, ENODEV, what, text);
  group.gr_interface = of.gsr_interface = (uint32_t)interface;
  of.gsr_group = group.gr_group;
  int level = group.gr_group.ss_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
  int err = source ? setsockopt(udp->base.fd, level, of_source, &of, sizeof of)
                   : setsockopt(udp->base.fd, level, any, &group, sizeof group);
  if (err) return kio_fail(L, errno, what, text);
  lua_settop(L, 1);
  return 1;
}

/* udp:join(group [, { interface =, source = }]) -> udp */
static int l_join(lua_State *L) {
  kio_takes(L, 3);
  return change_group(L, "join", MCAST_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP);
}

/* udp:leave(group [, { interface =, source = }]) -> udp */
static int l_leave(lua_State *L) {
  kio_takes(L, 3);
  return change_group(L, "leave", MCAST_LEAVE_GROUP, MCAST_LEAVE_SOURCE_GROUP);
}

/* ---- the rest ---- */

/* udp:address() -> its own address */
static int l_address(lua_State *L) {
  return kio_handle_push_address(L, &kio_udp_check(L)->base);
}

/* udp:fd() -> its descriptor's number, nil when closed */
static int l_fd(lua_State *L) {
  kio_takes(L, 1);
  return kio_push_fd(L, kio_udp_check(L)->base.fd);
}

/* udp:peer() -> the address it is connected to, or nil */
static int l_peer(lua_State *L) {
  const kio_udp *udp = kio_udp_check(L);
  kio_takes(L, 1);
  return udp->base.connected ? kio_push_address(L, &udp->base.peer) : (lua_pushnil(L), 1);
}

/* udp:set_timeout(seconds | nil) -> udp: for operations that name none */
static int l_set_timeout(lua_State *L) {
  return kio_op_set_timeout(L, &kio_udp_check(L)->base.timeout_ns);
}

/* udp:close([options]) -> true; every operation under way fails with EBADF. The options are those
   of a stream's close, for code that has either; no output waits here. */
static int l_close(lua_State *L) {
  kio_udp *udp = kio_udp_check(L);
  kio_op_timeout(L, 2);
  return kio_handle_close(L, &udp->base);
}

const luaL_Reg kio_udp_methods[] = {
    {"connect", l_connect},
    {"join", l_join},
    {"leave", l_leave},
    {"peer", l_peer},
    {"set_timeout", l_set_timeout},
    {"address", l_address},
    {"fd", l_fd},
    {"close", l_close},
    {NULL, NULL},
};

const luaL_Reg kio_udp_own[] = {
    {"net_udp", l_udp},
    {NULL, NULL},
};
