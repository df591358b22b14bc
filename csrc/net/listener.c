/* Listeners as Lua sees them: accepting one connection, or in loops. Called in a task, but for what
   never waits. The backoff of accept loops at EMFILE and the like is in
   lua/kio/net/listener.lua. */
#include "net/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "net/acceptor.h"
#include "net/connection.h"
#include "net/handle.h"
#include "net/sockopt.h"
#include "net/stream_lua.h"
#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"
#include "task/io.h"
#include "task/queue.h"
#include "task/result.h"
#include "task/task.h"
#include "task/wait.h"

#define LISTENER_TYPE "kio.Listener"

typedef struct listener {
  kio_handle base;        /* `packets`: it accepts kio.Udp and not kio.Stream */
  unsigned servers;       /* calls of kio.serve that accept from it */
  kio_acceptor *acceptor; /* of loops; NULL: there was none yet */
} listener;

static const kio_handle_class class;

void kio_listener_push(lua_State *L, bool packets) {
  listener *l = lua_newuserdatauv(L, sizeof *l, 0);
  *l = (listener){0};
  kio_handle_init(&l->base, &class, packets);
  luaL_setmetatable(L, LISTENER_TYPE);
}

/* Connections that no loop has taken are closed. */
static void leave(void *handle) {
  listener *l = handle;
  if (l->acceptor) kio_acceptor_drop(l->acceptor);
  l->acceptor = NULL;
}

static const char *may_move(const void *handle) {
  const listener *l = handle;
  if (l->servers > 0) return "it is being served";
  return l->acceptor && l->acceptor->count > 0 ? "connections wait in it to be taken" : NULL;
}

static const kio_handle_class class = {
    .noun = "listener",
    .busy = "a task is accepting from it",
    .push = kio_listener_push,
    .leave = leave,
    .may_move = may_move,
};

static listener *check_listener(lua_State *L) {
  listener *l = luaL_checkudata(L, 1, LISTENER_TYPE);
  kio_handle_look(&l->base);
  return l;
}

static int fail(lua_State *L, listener *l, const char *what, int err) {
  return kio_handle_fail(L, &l->base, what, err, NULL);
}

enum { ACCEPT_STREAM = 2 }; /* where the userdata to be filled waits on the frame */

static int push_connection(lua_State *L, listener *l, int fd, const kio_sockaddr *peer) {
  if (!kio_connection_fill(L, ACCEPT_STREAM, fd, peer)) return fail(L, l, "accept", ENOMEM);
  lua_settop(L, ACCEPT_STREAM);
  return 1 + kio_push_address(L, peer);
}

/* A connection, or why there is none; its peer's address is asked for only now. */
static int accepted(lua_State *L, int outcome) {
  listener *l = check_listener(L);
  kio_sockaddr peer;
  kio_address_blank(&peer);
  if (outcome < 0) return fail(L, l, "accept", -outcome);
  /* Reset before anybody has looked at it, it has no peer any more: the first read tells. */
  if (getpeername(outcome, &peer.as.any, &peer.size) != 0) {
    peer = (kio_sockaddr){.as.any.sa_family = AF_UNSPEC, .size = sizeof(sa_family_t)};
  }
  return push_connection(L, l, outcome, &peer);
}

/* What a loop's request has brought and no loop has taken is there for everybody. */
static bool left_over(const listener *l, int *outcome) {
  return l->base.fd >= 0 && l->acceptor && kio_acceptor_take(l->acceptor, false, outcome);
}

static int l_acceptk(lua_State *L, int status, lua_KContext ctx) {
  listener *l = check_listener(L);
  kio_request *request = kio_op_result(ctx);
  const kio_task *task = kio_sched_current()->current;
  int fd = request->result, err = kio_op_error(task, request);
  kio_sockaddr peer = *request->arg.address;
  (void)status;
  kio_op_release(request);
  if (kio_op_cancelled(task, err)) return kio_task_raise_cancelled(L);
  if (err == ETIMEDOUT && left_over(l, &fd)) return accepted(L, fd);
  return err ? fail(L, l, "accept", err) : push_connection(L, l, fd, &peer);
}

/* The userdata to be filled is on the frame: it was made before the listener was looked at, for a
   finalizer may close that. */
static int accept_one(lua_State *L, listener *l, kio_task *task, int64_t timeout) {
  int outcome;
  if (l->base.fd < 0) return fail(L, l, "accept", EBADF);
  if (left_over(l, &outcome)) return accepted(L, outcome);
  kio_request *request;
  int err =
      kio_sched_request(task->sched, KIO_OP_ACCEPT, l->base.fd, task, kio_op_wake_owner, &request);
  if (err) return fail(L, l, "accept", -err);
  if (!kio_op_address(L, request)) return KIO_FAILED;
  return kio_op_submit(L, request, timeout, l_acceptk);
}

/* listener:accept([options]) -> stream, the peer's address */
static int l_accept(lua_State *L) {
  listener *l = check_listener(L);
  int64_t timeout = kio_op_timeout(L, 2);
  kio_task *task = kio_op_begin(L);
  lua_settop(L, 1);
  kio_connection_push_empty(L, l->base.packets);
  return accept_one(L, l, task, timeout);
}

static int l_nextk(lua_State *L, int status, lua_KContext ctx) {
  int outcome = -ENOMEM; /* there was none to tell it */
  const kio_task *task = kio_sched_current()->current;
  listener *l = check_listener(L);
  (void)status;
  (void)ctx;
  if (task->wake == KIO_WAKE_CANCEL) return kio_task_raise_cancelled(L);
  if (!l->acceptor || l->base.fd < 0) outcome = -EBADF;
  else kio_acceptor_take(l->acceptor, true, &outcome);
  return accepted(L, outcome);
}

static bool loops(listener *l, const kio_task *task) {
  if (!task->sched->ring.multishot || l->base.fd < 0) return false;
  if (!l->acceptor) l->acceptor = kio_acceptor_new(l->base.fd);
  return l->acceptor && kio_acceptor_attach(l->acceptor, task->sched);
}

/* listener_next(listener) -> stream, the peer's address. As accept, for loops: while one waits for
   the next connection the kernel goes on accepting; what comes is given out at once. */
static int l_next(lua_State *L) {
  int outcome;
  listener *l = check_listener(L);
  kio_task *task = kio_op_begin(L);
  lua_settop(L, 1);
  kio_connection_push_empty(L, l->base.packets);
  if (!loops(l, task)) return accept_one(L, l, task, KIO_NEVER);
  if (kio_acceptor_take(l->acceptor, false, &outcome)) return accepted(L, outcome);
  int err = kio_acceptor_await(l->acceptor, task);
  if (err) return fail(L, l, "accept", -err);
  kio_task_says(task, "accept", l->base.fd);
  return kio_task_park(L, task, kio_acceptor_abandon, 0, l_nextk);
}

/* listener:close() -> true; every accept under way fails with EBADF */
static int l_close(lua_State *L) {
  listener *l = check_listener(L);
  kio_takes(L, 1);
  return kio_handle_close(L, &l->base);
}

/* listener:address() -> the address it is bound to */
static int l_address(lua_State *L) {
  return kio_handle_push_address(L, &check_listener(L)->base);
}

/* listener:fd() -> its descriptor's number, nil when closed */
static int l_fd(lua_State *L) {
  kio_takes(L, 1);
  return kio_push_fd(L, check_listener(L)->base.fd);
}

static const luaL_Reg methods[] = {
    {"accept", l_accept}, {"close", l_close}, {"address", l_address}, {"fd", l_fd}, {NULL, NULL},
};

const kio_type kio_listener_type = {
    .name = LISTENER_TYPE,
    .methods = {methods, kio_socket_methods},
    .end = kio_handle_end,
    .close = kio_handle_l_close_value,
    .tostring = kio_handle_l_tostring,
    .moves = &kio_handle_moves,
};

/* listener_packets(listener) -> whether what it accepts keeps packets apart */
static int l_listener_packets(lua_State *L) {
  lua_pushboolean(L, check_listener(L)->base.packets);
  return 1;
}

/* listener_closed(listener) -> whether its own close has closed it */
static int l_listener_closed(lua_State *L) {
  lua_pushboolean(L, kio_handle_is_closed(&check_listener(L)->base));
  return 1;
}

/* listener_served(listener, whether a server accepts from it now, or does not any more) */
static int l_listener_served(lua_State *L) {
  listener *l = check_listener(L);
  bool served = lua_toboolean(L, 2);
  luaL_argcheck(L, served || l->servers > 0, 2, "nobody serves it");
  if (served) l->servers++;
  else l->servers--;
  return 0;
}

const luaL_Reg kio_listener_own[] = {
    {"listener_packets", l_listener_packets},
    {"listener_closed", l_listener_closed},
    {"listener_served", l_listener_served},
    {"listener_next", l_next},
    {NULL, NULL},
};
