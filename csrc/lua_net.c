/* Connecting and listening. Addresses are text (address.h); what to do with a name two Lua
   functions know, which are called in place. Called in a task, but for listen, which never waits
   when its address is numeric. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "acceptor.h"
#include "address.h"
#include "lua_close.h"
#include "lua_codec.h"
#include "lua_net.h"
#include "lua_sockopt.h"
#include "lua_stream.h"
#include "lua_udp.h"
#include "memory.h"
#include "op.h"
#include "ops.h"

#define LISTENER_TYPE "kio.Listener"

/* ---- options and addresses ---- */

/* Reads the address at index 1; of a name its `size` is 0. False after pushing nil, message,
   code. */
static bool read_address(lua_State *L, const char *what, kio_sockaddr *address) {
  size_t size;
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *text = lua_tolstring(L, 1, &size);
  const char *wrong = kio_address_parse(text, size, address);
  if (wrong == kio_address_is_name) wrong = NULL;
  if (wrong) kio_fail_text(L, "EINVAL", what, text, wrong);
  return !wrong;
}

/* localhost is 127.0.0.1, but whoever connects may be meant to find ::1 as well. */
static bool is_localhost(const char *text) {
  static const char name[] = "localhost:";
  return strncmp(text, name, sizeof name - 1) == 0;
}

/* Several attempts to connect: an option of kio.net.connect that this layer only checks. */
static void check_attempt_delay(lua_State *L) {
  if (!lua_istable(L, 2)) return;
  int kind = lua_getfield(L, 2, "attempt_delay");
  bool valid = kind == LUA_TNIL || (kind == LUA_TNUMBER && lua_tonumber(L, -1) >= 0);
  luaL_argcheck(L, valid, 2, "option 'attempt_delay' must be a number of 0 or more");
  lua_pop(L, 1);
}

/* Reads the option `type` at index 2, if any. */
static void read_type(lua_State *L, kio_socket_options *options) {
  if (!lua_istable(L, 2)) return;
  if (lua_getfield(L, 2, "type") != LUA_TNIL) {
    const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    bool packets = strcmp(name, "seqpacket") == 0;
    luaL_argcheck(L, packets || strcmp(name, "stream") == 0, 2,
                  "option 'type' must be \"stream\" or \"seqpacket\"");
    options->type = packets ? SOCK_SEQPACKET : SOCK_STREAM;
  }
  lua_pop(L, 1);
}

/* Pushes a connection that does not exist yet: a stream, or one that keeps packets apart. */
static void push_empty(lua_State *L, bool packets) {
  if (packets) kio_udp_push_empty(L);
  else kio_stream_push_empty(L);
}

/* Gives it its descriptor; false when memory is out (fd is closed). */
static bool fill(lua_State *L, int index, int fd, const kio_sockaddr *peer) {
  if (!kio_udp_is(L, index)) return kio_stream_fill(L, index, fd, peer);
  kio_udp_fill(L, index, fd, peer, true);
  return true;
}

/* ---- names ---- */

static const char by_name[2]; /* only their addresses count: keys in the registry */

/* net_by_name(connect, listen): the functions that are called when the host is a name */
static int l_by_name(lua_State *L) {
  for (int i = 0; i < 2; i++) {
    luaL_checktype(L, i + 1, LUA_TFUNCTION);
    lua_pushvalue(L, i + 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &by_name[i]);
  }
  return 0;
}

static int l_by_namek(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return lua_gettop(L);
}

/* With the same two arguments, and all of its results. */
static int call_by_name(lua_State *L, const char *key) {
  lua_settop(L, 2);
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
  lua_insert(L, 1);
  lua_callk(L, 2, LUA_MULTRET, 0, l_by_namek);
  return l_by_namek(L, LUA_OK, 0);
}

/* ---- connect ---- */

enum { CONNECT_STREAM = 3 }; /* where the userdata to be filled waits on the frame */

static int l_connectk(lua_State *L, int status, lua_KContext ctx) {
  kio_request *request = kio_op_result(ctx);
  const kio_task *task = kio_sched_current()->current;
  const char *subject = lua_tostring(L, 1);
  int fd = request->fd, err = kio_op_error(task, request);
  kio_sockaddr peer = *request->arg.address;
  (void)status;
  kio_op_release(request);
  if (err == 0) {
    if (!fill(L, CONNECT_STREAM, fd, &peer)) return kio_fail(L, ENOMEM, "connect", subject);
    lua_settop(L, CONNECT_STREAM);
    return 1;
  }
  kio_sched_close_fd(fd);
  if (err == ECANCELED && task->wake == KIO_WAKE_CANCEL) return kio_task_raise_cancelled(L);
  return kio_fail(L, err, "connect", subject);
}

/* net_connect(address [, options]) -> stream */
static int l_connect(lua_State *L) {
  static const char *const others[] = {"timeout", "type", "attempt_delay", NULL};
  kio_sockaddr address;
  kio_socket_options options = kio_socket_defaults;
  if (!read_address(L, "connect", &address)) return 3;
  kio_read_socket_options(L, 2, KIO_SOCKOPT_FOR_CONNECT, others, &options);
  read_type(L, &options);
  int64_t timeout = lua_isnoneornil(L, 2) ? KIO_NEVER : kio_option_timeout(L, 2, KIO_NEVER);
  check_attempt_delay(L);
  kio_task *task = kio_op_begin(L);
  if (address.size == 0 || is_localhost(lua_tostring(L, 1))) return call_by_name(L, &by_name[0]);
  lua_settop(L, 2);
  push_empty(L, options.type == SOCK_SEQPACKET);
  int fd = kio_socket_new(&address, &options);
  if (fd < 0) return kio_fail(L, -fd, "connect", lua_tostring(L, 1));
  kio_request *request;
  int err = kio_sched_request(task->sched, KIO_OP_CONNECT, fd, task, kio_op_wake_owner, &request);
  if (err) {
    kio_sched_close_fd(fd);
    return kio_fail(L, -err, "connect", lua_tostring(L, 1));
  }
  request->flags |= KIO_REQUEST_OWNS_FD; /* when telling the failure raises, it is closed with it */
  if (!kio_op_address(L, request)) {
    kio_sched_close_fd(fd);
    return 3;
  }
  *request->arg.address = address;
  int failed = kio_op_submit(L, task, request, timeout, l_connectk);
  kio_sched_close_fd(fd); /* only out of memory comes here */
  return failed;
}

/* ---- listeners ---- */

typedef struct listener {
  int fd;                 /* -1: closed */
  bool moved;             /* and another listener, on another thread, has the descriptor now */
  kio_sched *sched;       /* where its accepts are in flight; only compared */
  kio_acceptor *acceptor; /* of loops; NULL: there was none yet */
  bool packets;           /* SOCK_SEQPACKET: accepts kio.Udp and not kio.Stream */
  kio_sockaddr address;
} listener;

static listener *push_listener(lua_State *L, bool packets) {
  listener *l = lua_newuserdatauv(L, sizeof *l, 0);
  *l = (listener){.fd = -1, .packets = packets};
  luaL_setmetatable(L, LISTENER_TYPE);
  return l;
}

void kio_listener_push(lua_State *L, int fd, bool packets) {
  listener *l = push_listener(L, packets);
  l->fd = fd;
  kio_socket_local(fd, &l->address);
}

/* net_listen(address [, options]) -> listener */
static int l_listen(lua_State *L) {
  static const char *const others[] = {"backlog", "type", NULL};
  kio_sockaddr address;
  kio_socket_options options = kio_socket_defaults;
  if (!read_address(L, "listen", &address)) return 3;
  kio_socket_give(&options, KIO_SOCKOPT_REUSEADDR, true);
  kio_read_socket_options(L, 2, KIO_SOCKOPT_FOR_LISTEN, others, &options);
  read_type(L, &options);
  if (lua_istable(L, 2)) kio_read_number(L, 2, "backlog", INT_MAX, &options.backlog);
  if (address.size == 0) return call_by_name(L, &by_name[1]);
  listener *l = push_listener(L, options.type == SOCK_SEQPACKET);
  l->address = address;
  l->fd = kio_socket_listen(&address, &options);
  if (l->fd < 0) return kio_fail(L, -l->fd, "listen", lua_tostring(L, 1));
  kio_socket_local(l->fd, &l->address); /* tells the port when 0 was asked for */
  return 1;
}

static listener *check_listener(lua_State *L) {
  return luaL_checkudata(L, 1, LISTENER_TYPE);
}

static const char *address_text(const listener *l, char text[KIO_ADDRESS_TEXT_MAX + 1]) {
  text[kio_address_format(&l->address, text)] = 0;
  return text;
}

static int fail(lua_State *L, const listener *l, const char *what, int err) {
  char text[KIO_ADDRESS_TEXT_MAX + 1];
  address_text(l, text);
  const char *moved = "the listener was handed over to another thread";
  const char *closed = l->moved ? moved : "the listener is closed";
  if (err == EBADF) return kio_fail_text(L, "EBADF", what, text, closed);
  return kio_fail(L, err, what, text);
}

enum { ACCEPT_STREAM = 2 }; /* where the userdata to be filled waits on the frame */

/* A connection, or why there is none; its peer's address is asked for only now. */
static int accepted(lua_State *L, int outcome) {
  const listener *l = check_listener(L);
  char text[KIO_ADDRESS_TEXT_MAX];
  kio_sockaddr peer;
  kio_address_blank(&peer);
  if (outcome < 0) return fail(L, l, "accept", -outcome);
  /* Reset before anybody has looked at it, it has no peer any more: the first read tells. */
  if (getpeername(outcome, &peer.as.any, &peer.size) != 0) {
    peer = (kio_sockaddr){.as.any.sa_family = AF_UNSPEC, .size = sizeof(sa_family_t)};
  }
  if (!fill(L, ACCEPT_STREAM, outcome, &peer)) return fail(L, l, "accept", ENOMEM);
  lua_settop(L, ACCEPT_STREAM);
  lua_pushlstring(L, text, kio_address_format(&peer, text));
  return 2;
}

/* What a loop's request has brought and no loop has taken is there for everybody. */
static bool left_over(const listener *l, int *outcome) {
  return l->fd >= 0 && l->acceptor && kio_acceptor_take(l->acceptor, false, outcome);
}

static int l_acceptk(lua_State *L, int status, lua_KContext ctx) {
  char text[KIO_ADDRESS_TEXT_MAX];
  kio_request *request = kio_op_result(ctx);
  const kio_task *task = kio_sched_current()->current;
  int fd = request->result, err = kio_op_error(task, request);
  kio_sockaddr peer = *request->arg.address;
  (void)status;
  kio_op_release(request);
  if (err == ECANCELED && task->wake == KIO_WAKE_CANCEL) return kio_task_raise_cancelled(L);
  if (err == ETIMEDOUT && left_over(check_listener(L), &fd)) return accepted(L, fd);
  if (err) return fail(L, check_listener(L), "accept", err);
  if (!fill(L, ACCEPT_STREAM, fd, &peer)) {
    return fail(L, check_listener(L), "accept", ENOMEM);
  }
  lua_settop(L, ACCEPT_STREAM);
  lua_pushlstring(L, text, kio_address_format(&peer, text));
  return 2;
}

/* listener:accept([options]) -> stream, the peer's address */
static int l_accept(lua_State *L) {
  listener *l = check_listener(L);
  int64_t timeout = kio_op_timeout(L, 2);
  kio_task *task = kio_op_begin(L);
  if (l->fd < 0) return fail(L, l, "accept", EBADF);
  lua_settop(L, 1);
  push_empty(L, l->packets);
  int outcome;
  if (left_over(l, &outcome)) return accepted(L, outcome);
  kio_request *request;
  int err = kio_sched_request(task->sched, KIO_OP_ACCEPT, l->fd, task, kio_op_wake_owner, &request);
  if (err) return fail(L, l, "accept", -err);
  if (!kio_op_address(L, request)) return 3;
  l->sched = task->sched;
  return kio_op_submit(L, task, request, timeout, l_acceptk);
}

static int l_nextk(lua_State *L, int status, lua_KContext ctx) {
  int outcome = -ENOMEM; /* there was none to tell it */
  const kio_task *task = kio_sched_current()->current;
  const listener *l = check_listener(L);
  (void)status;
  (void)ctx;
  if (task->wake == KIO_WAKE_CANCEL) return kio_task_raise_cancelled(L);
  if (!l->acceptor || l->fd < 0) outcome = -EBADF;
  else kio_acceptor_take(l->acceptor, true, &outcome);
  return accepted(L, outcome);
}

static bool loops(listener *l, const kio_task *task) {
  if (!task->sched->ring.multishot) return false;
  if (!l->acceptor) l->acceptor = kio_acceptor_new(l->fd);
  return l->acceptor && kio_acceptor_attach(l->acceptor, task->sched);
}

/* listener_next(listener) -> stream, the peer's address. As accept, for loops: while one waits for
   the next connection the kernel goes on accepting; what comes is given out at once. */
static int l_next(lua_State *L) {
  int outcome;
  listener *l = check_listener(L);
  kio_task *task = kio_op_begin(L);
  lua_settop(L, 1);
  if (l->fd < 0) return fail(L, l, "accept", EBADF);
  if (!loops(l, task)) return l_accept(L);
  l->sched = task->sched;
  push_empty(L, l->packets);
  if (kio_acceptor_take(l->acceptor, false, &outcome)) return accepted(L, outcome);
  int err = kio_acceptor_await(l->acceptor, task);
  if (err) return fail(L, l, "accept", -err);
  kio_task_says(task, "accept", l->fd);
  return kio_task_park(L, task, kio_acceptor_abandon, 0, l_nextk);
}

/* Connections that no loop has taken are closed with it. */
static void drop_acceptor(listener *l) {
  if (l->acceptor) kio_acceptor_drop(l->acceptor);
  l->acceptor = NULL;
}

/* listener:close() -> true; every accept under way fails with EBADF */
static int l_close(lua_State *L) {
  listener *l = check_listener(L);
  drop_acceptor(l);
  return kio_close_socket(L, &l->fd, l->sched, kio_close_may_wait(L));
}

static int l_gc(lua_State *L) {
  listener *l = check_listener(L);
  drop_acceptor(l);
  return kio_close_socket(L, &l->fd, l->sched, false);
}

/* listener:address() -> the address it is bound to */
static int l_address(lua_State *L) {
  char text[KIO_ADDRESS_TEXT_MAX];
  lua_pushlstring(L, text, kio_address_format(&check_listener(L)->address, text));
  return 1;
}

/* listener:fd() -> its descriptor's number, nil when closed */
static int l_fd(lua_State *L) {
  int fd = check_listener(L)->fd;
  if (fd >= 0) lua_pushinteger(L, fd);
  else lua_pushnil(L);
  return 1;
}

static int l_tostring(lua_State *L) {
  char text[KIO_ADDRESS_TEXT_MAX + 1];
  listener *l = check_listener(L);
  const char *state = l->moved ? "handed over" : l->fd < 0 ? "closed" : "open";
  lua_pushfstring(L, LISTENER_TYPE " (fd %d, %s, %s)", l->fd, state, address_text(l, text));
  return 1;
}

/* ---- to another thread ---- */

typedef struct moved_listener {
  int fd; /* -1: a spare */
  bool packets;
  kio_sockaddr address;
} moved_listener;

static const char *prepare(lua_State *L, int index, void **spare) {
  const kio_sched *sched = kio_sched_here();
  const listener *l = lua_touserdata(L, index);
  if (l->fd < 0) return l->moved ? "it was handed over before" : "it is closed";
  if (sched && kio_desc_busy(&sched->descs, l->fd)) return "a task is accepting from it";
  if (l->acceptor && l->acceptor->count > 0) return "connections wait in it to be taken";
  moved_listener *moved = kio_memory_new(sizeof *moved);
  if (!moved) return "not enough memory";
  *moved = (moved_listener){-1, l->packets, l->address};
  *spare = moved;
  return NULL;
}

static void *give(lua_State *L, int index, void *spare) {
  moved_listener *moved = spare;
  listener *l = lua_touserdata(L, index);
  moved->fd = l->fd;
  l->fd = -1;
  l->moved = true;
  drop_acceptor(l);
  return moved;
}

static void take(lua_State *L, void *object) {
  listener *l = lua_newuserdatauv(L, sizeof *l, 0);
  moved_listener *moved = object;
  *l = (listener){.fd = -1, .packets = moved->packets, .address = moved->address};
  luaL_setmetatable(L, LISTENER_TYPE);
  l->fd = moved->fd;
  kio_memory_free(moved);
}

static void drop(void *object) {
  moved_listener *moved = object;
  if (moved->fd >= 0) kio_sched_close_fd(moved->fd);
  kio_memory_free(moved);
}

static void restore(lua_State *L, int index, void *object) {
  moved_listener *moved = object;
  listener *l = lua_touserdata(L, index);
  l->fd = moved->fd;
  l->moved = false;
  kio_memory_free(moved);
}

const kio_handle_kind kio_listener_kind = {LISTENER_TYPE, prepare, give, take, drop, restore};

static const luaL_Reg methods[] = {
    {"accept", l_accept}, {"close", l_close}, {"address", l_address}, {"fd", l_fd}, {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__gc", l_gc},
    {"__close", l_close},
    {"__tostring", l_tostring},
    {NULL, NULL},
};

/* Leaves the table of listener methods on the stack: kio.net adds those written in Lua. */
void kio_listener_open(lua_State *L) {
  luaL_newmetatable(L, LISTENER_TYPE);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  luaL_setfuncs(L, kio_socket_methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__index");
  lua_remove(L, -2);
}

/* listener_packets(listener) -> whether what it accepts keeps packets apart */
static int l_listener_packets(lua_State *L) {
  lua_pushboolean(L, check_listener(L)->packets);
  return 1;
}

const luaL_Reg kio_net_ops[] = {
    {"listener_packets", l_listener_packets},
    {"net_listen", l_listen},
    {"net_by_name", l_by_name},
    {"net_connect", l_connect},
    {"listener_next", l_next},
    {NULL, NULL},
};
