/* Listeners as Lua sees them: accepting one connection, or in loops, closing, and their way to
   another thread. Owns their descriptors. Called in a task, but for what never waits. The backoff
   of accept loops at EMFILE and the like is in lua/kio/net/listener.lua. */
#include "net/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "base/number.h"
#include "net/acceptor.h"
#include "net/connection.h"
#include "net/sockopt.h"
#include "net/stream_lua.h"
#include "op/close.h"
#include "op/op.h"
#include "op/registry.h"
#include "system/address.h"
#include "task/here.h"
#include "task/io.h"
#include "task/queue.h"
#include "task/result.h"
#include "task/task.h"
#include "task/traceback.h"
#include "task/wait.h"

#define LISTENER_TYPE "kio.Listener"

typedef struct listener {
  kio_waitable end; /* who waits until it is closed */
  int fd;           /* -1: closed */
  uint32_t tenant;  /* who has had that number since: number.h */
  unsigned servers; /* calls of kio.serve that accept from it */
  bool lost;        /* closed, and not by this handle: its number was */
  bool moved;       /* closed, and another listener, on another thread, has the descriptor now */
  kio_sched *sched; /* where its accepts are in flight; only compared */
  kio_acceptor *acceptor; /* of loops; NULL: there was none yet */
  bool packets;           /* SOCK_SEQPACKET: accepts kio.Udp and not kio.Stream */
  kio_sockaddr address;
} listener;

static listener *push_listener(lua_State *L, bool packets) {
  listener *l = lua_newuserdatauv(L, sizeof *l, 0);
  *l = (listener){.fd = -1, .packets = packets};
  kio_waitable_init(&l->end);
  luaL_setmetatable(L, LISTENER_TYPE);
  return l;
}

void kio_listener_push(lua_State *L, int fd, bool packets) {
  push_listener(L, packets);
  if (fd >= 0) kio_listener_fill(L, fd);
}

void kio_listener_fill(lua_State *L, int fd) {
  listener *l = lua_touserdata(L, -1);
  l->fd = kio_number_share(fd);
  l->tenant = kio_number_tenant(fd);
  kio_socket_local(fd, &l->address); /* tells the port when 0 was asked for */
}

/* It is about to have no descriptor: connections that no loop has taken are closed, and who waits
   for its end is woken. */
static void leave(listener *l) {
  if (l->acceptor) kio_acceptor_drop(l->acceptor);
  l->acceptor = NULL;
  kio_queue_wake_all(&l->end.queue);
}

/* Looks whether it still has its descriptor. */
static void look(listener *l) {
  if (kio_number_same(l->fd, l->tenant)) return;
  leave(l);
  l->fd = -1;
  l->lost = true;
}

static listener *check_listener(lua_State *L) {
  listener *l = luaL_checkudata(L, 1, LISTENER_TYPE);
  look(l);
  return l;
}

/* By its own close. */
static bool is_closed(const listener *l) {
  return l->fd < 0 && !l->lost && !l->moved;
}

static int fail(lua_State *L, const listener *l, const char *what, int err) {
  char text[KIO_ADDRESS_TEXT_MAX + 1];
  kio_address_text(&l->address, text);
  const char *closed = "its descriptor was closed by its number";
  if (l->moved) closed = "the listener was handed over to another thread";
  else if (is_closed(l)) closed = "the listener is closed";
  if (err == EBADF) return kio_fail_text(L, "EBADF", what, text, closed);
  return kio_fail(L, err, what, text);
}

enum { ACCEPT_STREAM = 2 }; /* where the userdata to be filled waits on the frame */

static int push_connection(lua_State *L, const listener *l, int fd, const kio_sockaddr *peer) {
  if (!kio_connection_fill(L, ACCEPT_STREAM, fd, peer)) return fail(L, l, "accept", ENOMEM);
  lua_settop(L, ACCEPT_STREAM);
  return 1 + kio_push_address(L, peer);
}

/* A connection, or why there is none; its peer's address is asked for only now. */
static int accepted(lua_State *L, int outcome) {
  const listener *l = check_listener(L);
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
  return l->fd >= 0 && l->acceptor && kio_acceptor_take(l->acceptor, false, outcome);
}

static int l_acceptk(lua_State *L, int status, lua_KContext ctx) {
  const listener *l = check_listener(L);
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
  if (l->fd < 0) return fail(L, l, "accept", EBADF);
  if (left_over(l, &outcome)) return accepted(L, outcome);
  kio_request *request;
  int err = kio_sched_request(task->sched, KIO_OP_ACCEPT, l->fd, task, kio_op_wake_owner, &request);
  if (err) return fail(L, l, "accept", -err);
  if (!kio_op_address(L, request)) return KIO_FAILED;
  l->sched = task->sched;
  return kio_op_submit(L, request, timeout, l_acceptk);
}

/* listener:accept([options]) -> stream, the peer's address */
static int l_accept(lua_State *L) {
  listener *l = check_listener(L);
  int64_t timeout = kio_op_timeout(L, 2);
  kio_task *task = kio_op_begin(L);
  lua_settop(L, 1);
  kio_connection_push_empty(L, l->packets);
  return accept_one(L, l, task, timeout);
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
  if (!task->sched->ring.multishot || l->fd < 0) return false;
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
  kio_connection_push_empty(L, l->packets);
  if (!loops(l, task)) return accept_one(L, l, task, KIO_NEVER);
  l->sched = task->sched;
  if (kio_acceptor_take(l->acceptor, false, &outcome)) return accepted(L, outcome);
  int err = kio_acceptor_await(l->acceptor, task);
  if (err) return fail(L, l, "accept", -err);
  kio_task_says(task, "accept", l->fd);
  return kio_task_park(L, task, kio_acceptor_abandon, 0, l_nextk);
}

/* listener:close() -> true; every accept under way fails with EBADF */
static int l_close(lua_State *L) {
  listener *l = check_listener(L);
  kio_takes(L, 1);
  leave(l);
  return kio_close_socket(L, &l->fd, kio_close_may_wait(L));
}

/* The second argument is the error that unwinds, or nil. */
static int l_close_value(lua_State *L) {
  lua_settop(L, 1);
  return l_close(L);
}

static void end(void *self) {
  listener *l = self;
  look(l);
  leave(l);
  kio_close_now(&l->fd);
}

/* listener:address() -> the address it is bound to */
static int l_address(lua_State *L) {
  kio_takes(L, 1);
  return kio_push_address(L, &check_listener(L)->address);
}

/* listener:fd() -> its descriptor's number, nil when closed */
static int l_fd(lua_State *L) {
  kio_takes(L, 1);
  return kio_push_fd(L, check_listener(L)->fd);
}

static int l_tostring(lua_State *L) {
  char text[KIO_ADDRESS_TEXT_MAX + 1];
  listener *l = check_listener(L);
  const char *state = l->moved ? "handed over" : l->fd < 0 ? "closed" : "open";
  lua_pushfstring(L, LISTENER_TYPE " (fd %d, %s, %s)", l->fd, state,
                  kio_address_text(&l->address, text));
  kio_traceback_escape(L, KIO_ESCAPE_NAME);
  return 1;
}

/* ---- to another thread ---- */

typedef struct moved_listener {
  int fd;          /* -1: a spare */
  uint32_t tenant; /* of its number */
  bool packets;
  kio_sockaddr address;
} moved_listener;

static const char *prepare(lua_State *L, int index, void **spare) {
  const kio_sched *sched = kio_sched_here();
  listener *l = lua_touserdata(L, index);
  look(l);
  if (l->fd < 0) return l->moved ? "it was handed over before" : "it is closed";
  if (l->servers > 0) return "it is being served";
  if (sched && kio_desc_busy(&sched->descs, l->fd)) return "a task is accepting from it";
  if (l->acceptor && l->acceptor->count > 0) return "connections wait in it to be taken";
  moved_listener *moved = kio_memory_new(sizeof *moved);
  if (!moved) return "not enough memory";
  *moved = (moved_listener){-1, l->tenant, l->packets, l->address};
  *spare = moved;
  return NULL;
}

static void *give(lua_State *L, int index, void *spare) {
  moved_listener *moved = spare;
  listener *l = lua_touserdata(L, index);
  moved->fd = l->fd;
  l->fd = -1;
  l->moved = true;
  leave(l);
  return moved;
}

static void take(lua_State *L, void *object) {
  moved_listener *moved = object;
  listener *l = push_listener(L, moved->packets);
  l->address = moved->address;
  l->fd = moved->fd;
  l->tenant = moved->tenant;
  kio_memory_free(moved);
}

static void drop(void *object) {
  moved_listener *moved = object;
  if (moved->fd >= 0 && kio_number_same(moved->fd, moved->tenant)) kio_sched_close_fd(moved->fd);
  kio_memory_free(moved);
}

static void restore(lua_State *L, int index, void *object) {
  moved_listener *moved = object;
  listener *l = lua_touserdata(L, index);
  l->fd = moved->fd;
  l->moved = false;
  kio_memory_free(moved);
}

static const kio_handle_kind moves = {prepare, give, take, drop, restore};

static const luaL_Reg methods[] = {
    {"accept", l_accept}, {"close", l_close}, {"address", l_address}, {"fd", l_fd}, {NULL, NULL},
};

const kio_type kio_listener_type = {
    .name = LISTENER_TYPE,
    .methods = {methods, kio_socket_methods},
    .end = end,
    .close = l_close_value,
    .tostring = l_tostring,
    .moves = &moves,
};

/* listener_packets(listener) -> whether what it accepts keeps packets apart */
static int l_listener_packets(lua_State *L) {
  lua_pushboolean(L, check_listener(L)->packets);
  return 1;
}

/* listener_closed(listener) -> whether its own close has closed it */
static int l_listener_closed(lua_State *L) {
  lua_pushboolean(L, is_closed(check_listener(L)));
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
