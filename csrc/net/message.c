/* Sending and receiving whole messages. What the kernel reads and writes lies in the request's
   buffer; strings to send stay on the operation's frame. A message that need not be waited for is
   moved by a plain call, at most KIO_PLAIN_MAX of them in a turn; the others go through the ring.
   So nothing is taken from the kernel before a task asks for it, and no message is lost with a
   task that is cancelled. Called in a task. */
#include <errno.h>
#include <string.h>

#include "base/config.h"
#include "net/udp.h"
#include "op/message.h"
#include "op/misuse.h"
#include "op/op.h"
#include "op/pieces.h"
#include "task/here.h"
#include "task/result.h"

enum {
  MESSAGE_MAX = 65536, /* any UDP datagram fits, unless told otherwise */
  PASS_MAX = 15        /* receives that go to the ring at once, where plain ones found nothing */
};

/* ---- plain calls ---- */

/* Whether a plain call may be tried now. They are bounded, for the loop must turn. */
static bool may_try(kio_udp *udp) {
  const kio_sched *sched = udp->sched;
  if (!sched->ring.backend->plain_calls) return false;
  if (udp->turn != sched->stats.turns) udp->plain = 0;
  udp->turn = sched->stats.turns;
  return udp->plain++ < KIO_PLAIN_MAX;
}

/* The result of a plain call, kept as if the request had brought it. False: it must wait. */
static bool came_at_once(kio_task *task, kio_request *request, ssize_t result) {
  if (result < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  kio_assert(!task->request && request->state == KIO_REQUEST_IDLE);
  request->result = result < 0 ? -errno : (int)result;
  task->request = request; /* what raises now finds it there: nothing is lost */
  return true;
}

/* ---- the way up ---- */

/* The request has failed: raises Cancelled, or pushes nil, message, code. */
static int failed(lua_State *L, kio_udp *udp, kio_request *request, const char *what,
                  const kio_sockaddr *to) {
  const kio_task *task = kio_sched_current()->current;
  int err = kio_op_error(task, request);
  kio_sockaddr about = to ? *to : udp->base.peer;
  kio_op_release(request);
  if (kio_op_cancelled(task, err)) return kio_task_raise_cancelled(L);
  return kio_handle_fail(L, &udp->base, what, err, to ? &about : NULL);
}

/* ---- sending ---- */

/* The destination of send_to; NULL: where the socket is connected to. */
static const kio_sockaddr *destination(const kio_message *m) {
  return m->header.msg_namelen > 0 ? &m->address : NULL;
}

static int finish_send(lua_State *L, kio_udp *udp, kio_request *request) {
  const kio_sockaddr *to = destination(kio_message_of(request));
  if (request->result < 0) return failed(L, udp, request, to ? "send_to" : "send", to);
  kio_op_release(request);
  lua_settop(L, 1);
  return 1;
}

static int l_sendk(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return finish_send(L, lua_touserdata(L, 1), kio_op_result(ctx));
}

/* Makes the data at index 2 one string, and ends the frame with it. */
static void join_data(lua_State *L) {
  size_t size;
  lua_settop(L, 2);
  if (lua_istable(L, 2)) luaL_argcheck(L, lua_rawlen(L, 2) > 0, 2, "an empty list");
  if (lua_type(L, 2) != LUA_TSTRING) kio_pieces_join(L, 2);
  kio_check_data(L, 2, &size); /* which raises when there is too much of it */
}

static int start_send(lua_State *L, kio_udp *udp, const kio_sockaddr *to, int options) {
  const char *what = to ? "send_to" : "send";
  int64_t timeout = kio_op_timeout_or(L, options, udp->base.timeout_ns);
  kio_task *task = kio_op_begin(L);
  join_data(L);
  kio_handle_look(&udp->base);
  if (udp->base.fd < 0) return kio_handle_fail(L, &udp->base, what, EBADF, to);
  kio_udp_attach(udp, task->sched);
  kio_request *request = kio_op_request(L, task, KIO_OP_SENDMSG, udp->base.fd);
  kio_message *m = kio_message_make(L, request, 1, 0, 0);
  if (!m) return KIO_FAILED;
  kio_fill_iovecs(L, 2, 1, m->iov);
  if (to) kio_message_to(m, to);
  if (may_try(udp)) {
    ssize_t sent = sendmsg(udp->base.fd, &m->header, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (came_at_once(task, request, sent)) return finish_send(L, udp, request);
  }
  return kio_op_submit(L, request, timeout, l_sendk);
}

/* Remembers an address and the string at the top that is its text. */
static void remember(lua_State *L, kio_udp *udp, const kio_sockaddr *address) {
  kio_assert(lua_type(L, -1) == LUA_TSTRING && address->size > 0);
  udp->known = *address;
  udp->known_text = lua_tostring(L, -1);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, 1);
}

/* udp:send_to(data, address [, options]) -> udp */
static int l_send_to(lua_State *L) {
  kio_takes(L, 4);
  kio_udp *udp = kio_udp_check(L);
  luaL_checktype(L, 3, LUA_TSTRING);
  lua_settop(L, 4);
  if (lua_tostring(L, 3) != udp->known_text) {
    kio_sockaddr to;
    if (!kio_check_address(L, 3, "send_to", &to)) return KIO_FAILED;
    lua_pushvalue(L, 3);
    remember(L, udp, &to);
    lua_pop(L, 1);
  }
  kio_sockaddr to = udp->known; /* another task may send elsewhere while this one waits */
  return start_send(L, udp, &to, 4);
}

/* udp:send(data [, options]) -> udp */
static int l_send(lua_State *L) {
  kio_udp *udp = kio_udp_check(L);
  kio_takes(L, 3);
  lua_settop(L, 3);
  return start_send(L, udp, NULL, 3);
}

/* ---- receiving ---- */

static void push_sender(lua_State *L, kio_udp *udp, kio_message *m) {
  const kio_sockaddr *from = &m->address;
  m->address.size = m->header.msg_namelen;
  if (from->size == 0) { /* a Unix socket without a name */
    lua_pushliteral(L, "unix:");
  } else if (from->size == udp->known.size && !memcmp(&from->as, &udp->known.as, from->size)) {
    lua_getiuservalue(L, 1, 1);
  } else {
    kio_push_address(L, from);
    remember(L, udp, from);
  }
}

/* nil, message, "EMSGSIZE", what fits, the sender: the rest is lost, as the kernel gives it once */
static int truncated(lua_State *L, kio_udp *udp, kio_request *request, const char *what) {
  char complaint[96];
  kio_message *m = kio_message_of(request);
  size_t size = (size_t)request->result, max = m->iov[0].iov_len;
  kio_assert(request->buffer.size >= sizeof *m + sizeof *m->iov + max);
  push_sender(L, udp, m);
  const char *sender = lua_tostring(L, -1);
  snprintf(complaint, sizeof complaint, "a message of %zu bytes, of which %zu were asked for", size,
           max);
  kio_fail_text(L, "EMSGSIZE", what, sender, complaint);
  lua_pushlstring(L, m->iov[0].iov_base, max);
  lua_pushvalue(L, -5);
  kio_op_release(request);
  return 5;
}

static int finish_receive(lua_State *L, kio_udp *udp, kio_request *request, bool sender) {
  const char *what = sender ? "receive_from" : "receive";
  if (request->result < 0) return failed(L, udp, request, what, NULL);
  kio_message *m = kio_message_of(request);
  size_t size = (size_t)request->result;
  bool ended = udp->base.packets && size == 0 && m->header.msg_controllen == 0;
  if (size > m->iov[0].iov_len) return truncated(L, udp, request, what);
  if (ended) lua_pushnil(L);
  else lua_pushlstring(L, m->iov[0].iov_base, size);
  if (sender && !ended) push_sender(L, udp, m);
  kio_op_release(request);
  return sender && !ended ? 2 : 1;
}

static int l_receive_fromk(lua_State *L, int status, lua_KContext ctx) {
  kio_udp *udp = lua_touserdata(L, 1);
  (void)status;
  kio_assert(udp->receiver == kio_sched_current()->current);
  udp->receiver = NULL;
  return finish_receive(L, udp, kio_op_result(ctx), true);
}

static int l_receivek(lua_State *L, int status, lua_KContext ctx) {
  kio_udp *udp = lua_touserdata(L, 1);
  (void)status;
  kio_assert(udp->receiver == kio_sched_current()->current);
  udp->receiver = NULL;
  return finish_receive(L, udp, kio_op_result(ctx), false);
}

/* Whether a plain receive is worth its call: where several found nothing the ring is asked at once,
   for a while. */
static bool worth_trying(kio_udp *udp) {
  if (udp->pass == 0) return true;
  udp->pass--;
  return false;
}

static bool receive_at_once(kio_udp *udp, kio_task *task, kio_request *request) {
  kio_arg_message *arg = &request->arg.message;
  if (!worth_trying(udp) || !may_try(udp)) return false;
  int flags = arg->flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC;
  ssize_t size = recvmsg(udp->base.fd, arg->header, flags);
  bool came = came_at_once(task, request, size);
  udp->misses = came ? 0 : (uint8_t)kio_min_size(2U * udp->misses + 1, PASS_MAX);
  udp->pass = udp->misses;
  kio_assert(udp->misses <= PASS_MAX && udp->sched == task->sched);
  return came;
}

static int start_receive(lua_State *L, bool sender) {
  kio_udp *udp = kio_udp_check(L);
  kio_takes(L, 3);
  const char *what = sender ? "receive_from" : "receive";
  lua_settop(L, 3);
  size_t max = lua_isnil(L, 2) ? MESSAGE_MAX : kio_check_size(L, 2);
  int64_t timeout = kio_op_timeout_or(L, 3, udp->base.timeout_ns);
  kio_task *task = kio_op_begin(L);
  kio_handle_look(&udp->base);
  if (udp->base.fd < 0) return kio_handle_fail(L, &udp->base, what, EBADF, NULL);
  if (udp->receiver) return kio_misuse(L, "another task is receiving from this socket");
  kio_udp_attach(udp, task->sched);
  kio_request *request = kio_op_request(L, task, KIO_OP_RECVMSG, udp->base.fd);
  kio_message *m = kio_message_make(L, request, 1, max, MSG_TRUNC);
  if (!m) return KIO_FAILED;
  kio_message_receive(m, max);
  if (udp->base.packets) {
    m->header.msg_control = m->control;
    m->header.msg_controllen = sizeof m->control;
  }
  if (receive_at_once(udp, task, request)) return finish_receive(L, udp, request, sender);
  udp->receiver = task;
  udp->waits_ns = task->sched->now_ns;
  int pushed = kio_op_submit(L, request, timeout, sender ? l_receive_fromk : l_receivek);
  udp->receiver = NULL; /* only out of memory comes here */
  return pushed;
}

/* udp:receive_from([max [, options]]) -> data, the sender's address */
static int l_receive_from(lua_State *L) {
  return start_receive(L, true);
}

/* udp:receive([max [, options]]) -> data | nil at the end of a sequence of packets */
static int l_receive(lua_State *L) {
  return start_receive(L, false);
}

const luaL_Reg kio_message_methods[] = {
    {"send_to", l_send_to}, {"send", l_send}, {"receive_from", l_receive_from},
    {"receive", l_receive}, {NULL, NULL},
};
