/* Descriptors that travel with bytes over Unix sockets: unix(7), SCM_RIGHTS. What is on its way
   lies in a userdata on the frame (net/passed.h). The calls are plain ones that wait for nothing;
   in between the task waits for readiness. So no descriptor is ever on its way in a request that
   may be cancelled. Called in a task. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "net/carrier_filter.h"
#include "net/passed.h"
#include "net/sockopt.h"
#include "net/stream_lua.h"
#include "net/udp.h"
#include "op/misuse.h"
#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"
#include "task/io.h"
#include "task/result.h"

enum {
  MESSAGE_MAX = 65536, /* bytes, unless told otherwise */
  HANDLE = 1,          /* the frame of both operations */
  DATA = 2,            /* to send; receiving: how many bytes at most */
  FDS = 3,             /* the userdata that holds them; before: the list to send */
  DUE = 4,             /* when it must be over */
  TRIES = 5            /* waits that were followed by a try in vain */
};

/* ---- either kind of handle ---- */

static kio_udp *udp_at(lua_State *L) {
  return kio_udp_is(L, HANDLE) ? kio_udp_check(L) : NULL;
}

static int fd_of(lua_State *L) {
  const kio_udp *udp = udp_at(L);
  if (udp) return udp->base.fd;
  const kio_stream *stream = kio_stream_check(L)->stream;
  return stream->state == KIO_STREAM_OPEN ? stream->fd : -1;
}

static int fail(lua_State *L, const char *what, int err) {
  kio_udp *udp = udp_at(L);
  if (udp) return kio_handle_fail(L, &udp->base, what, err, NULL);
  return kio_stream_fail(L, kio_stream_check(L)->stream, what, err);
}

static int fail_saying(lua_State *L, const char *what, const char *code, const char *text) {
  char peer[KIO_ADDRESS_TEXT_MAX + 1];
  const kio_udp *udp = udp_at(L);
  kio_sockaddr address = udp ? udp->base.peer : kio_stream_peer(kio_stream_check(L)->stream);
  return kio_fail_text(L, code, what, kio_address_text(&address, peer), text);
}

/* Makes the handle work on this scheduler; 0 or -errno. */
static int attach(lua_State *L, kio_sched *sched) {
  kio_udp *udp = udp_at(L);
  if (!udp) return kio_stream_attach(kio_stream_check(L)->stream, sched);
  kio_udp_attach(udp, sched);
  return 0;
}

static int64_t usual_timeout(lua_State *L) {
  const kio_udp *udp = udp_at(L);
  return udp ? udp->base.timeout_ns : kio_stream_check(L)->timeout_ns;
}

static int64_t due_of(lua_State *L, int options, kio_sched *sched) {
  return kio_sched_due(sched, kio_op_timeout_or(L, options, usual_timeout(L)));
}

/* What is passed would go round the bytes of the stream. */
static const char through_filter[] = "descriptors cannot pass through the stream's filter";

static bool is_filtered(lua_State *L) {
  return !udp_at(L) && kio_filter_of(kio_stream_check(L)->stream);
}

/* ---- waiting ---- */

/* Parks the task until the socket is ready; pushes a failure when it cannot. An error that stays
   (something in the socket's error queue) is no reason to try for ever: each further wait begins
   with a longer pause. */
static int await(lua_State *L, kio_task *task, unsigned events, lua_KFunction k) {
  int64_t due = lua_tointeger(L, DUE), now = kio_ring_now_ns(&task->sched->ring);
  int64_t timeout = due == KIO_NEVER ? KIO_NEVER : due > now ? due - now : 0;
  kio_request *request = kio_op_request(L, task, KIO_OP_POLL, fd_of(L));
  if (!request) return KIO_FAILED;
  lua_Integer tries = lua_tointeger(L, TRIES);
  request->arg.events = events;
  kio_request_distrust(request, (size_t)tries);
  lua_pushinteger(L, tries + 1);
  lua_replace(L, TRIES);
  return kio_op_submit(L, request, timeout, k);
}

/* What the wait has come to: 0, with the events that came, or an errno. Raises Cancelled. */
static int waited(lua_State *L, lua_KContext ctx, unsigned *events) {
  kio_request *request = kio_op_result(ctx);
  const kio_task *task = kio_sched_current()->current;
  int err = kio_op_error(task, request);
  *events = err ? 0 : (unsigned)request->result;
  kio_op_release(request);
  if (kio_op_cancelled(task, err)) kio_task_raise_cancelled(L);
  return err;
}

/* A try in vain after a wait that the deadline has ended is the last one. */
static bool too_late(lua_State *L, const kio_task *task) {
  return lua_tointeger(L, TRIES) > 0 && task->wake == KIO_WAKE_TIMEOUT;
}

/* ---- sending ---- */

/* The descriptor of the i-th element of a list, which is at the top; -1: it is closed. */
static int fd_of_element(lua_State *L, int i) {
  int fd;
  const char *wrong = kio_handle_ask(L, lua_gettop(L), &fd);
  if (!wrong) return fd;
  const char *text = "bad argument #2 to 'send_fds' (element %d: %s)";
  return kio_misuse(L, lua_pushfstring(L, text, i, wrong));
}

/* The numbers of the list at FDS, which is not looked at again; the `fd` of a handle may be the
   program's code. 0, EBADF when one of them is closed, or another errno. */
static int read_list(lua_State *L, kio_passed *p) {
  int count = (int)lua_rawlen(L, FDS), err = 0;
  for (int i = 0; i < count && !err; i++) {
    bool is_number = lua_rawgeti(L, FDS, i + 1) == LUA_TNUMBER;
    if (!is_number && !kio_handle_is_kios(L, lua_gettop(L))) err = kio_passed_hold(p);
    int fd = err ? -1 : fd_of_element(L, i + 1);
    lua_pop(L, 1);
    kio_assert(p->count < KIO_PASSED_MAX);
    if (fd >= 0) p->fds[p->count++] = fd;
    else if (!err) err = EBADF;
  }
  return err;
}

static int l_sendk(lua_State *L, int status, lua_KContext ctx);

/* With the count at the top, or an errno. */
static int end_sending(lua_State *L, kio_passed *p, int err) {
  kio_passed_keep(p, 0);
  return err ? fail(L, "send_fds", err) : 1;
}

static int send_now(lua_State *L, kio_task *task) {
  kio_control room;
  struct iovec piece;
  struct msghdr header = {.msg_iov = &piece, .msg_iovlen = 1};
  kio_passed *p = lua_touserdata(L, FDS);
  int fd = fd_of(L);
  if (fd < 0) return end_sending(L, p, EBADF);
  kio_fill_iovecs(L, DATA, 1, &piece);
  kio_passed_put(&header, &room, p);
  ssize_t sent = sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  int err = sent >= 0 ? 0 : errno;
  if (err == EAGAIN || err == EINTR) err = too_late(L, task) ? ETIMEDOUT : kio_passed_hold(p);
  else if (!err) lua_pushinteger(L, sent);
  if (sent >= 0 || err) return end_sending(L, p, err);
  /* Others must not come between. */
  if (!udp_at(L)) kio_stream_set_writer(kio_stream_check(L)->stream, task);
  return await(L, task, POLLOUT, l_sendk);
}

static int l_sendk(lua_State *L, int status, lua_KContext ctx) {
  kio_task *task = kio_sched_current()->current;
  kio_stream *stream = udp_at(L) ? NULL : kio_stream_check(L)->stream;
  unsigned events;
  (void)status;
  if (stream && stream->writer == task) kio_stream_set_writer(stream, NULL);
  int err = waited(L, ctx, &events);
  return err ? end_sending(L, lua_touserdata(L, FDS), err) : send_now(L, task);
}

/* fds_send(handle, data, list [, options]) -> bytes taken, or false: a stream has output of its own
   to flush before */
static int l_fds_send(lua_State *L) {
  size_t size;
  bool is_stream = !udp_at(L);
  kio_stream *stream = is_stream ? kio_stream_check(L)->stream : NULL;
  kio_check_data(L, DATA, &size);
  luaL_argcheck(L, size > 0 || !is_stream, DATA,
                "a stream passes descriptors with a byte at least");
  luaL_checktype(L, FDS, LUA_TTABLE);
  luaL_argcheck(L, lua_rawlen(L, FDS) <= KIO_PASSED_MAX, FDS, "more than 253 descriptors");
  lua_settop(L, 4);
  kio_task *task = kio_op_begin(L);
  int64_t due = due_of(L, 4, task->sched);
  kio_passed *p = kio_passed_push(L);
  int err = read_list(L, p); /* all that is asked after this no code of the program's can change */
  lua_replace(L, FDS);
  if (err == EBADF) return fail_saying(L, "send_fds", "EBADF", "what is to be passed is closed");
  if (err) return end_sending(L, p, err);
  if (fd_of(L) < 0) return fail(L, "send_fds", EBADF);
  if (stream && kio_stream_is_taken(stream)) {
    return kio_misuse(L, "another task is writing to this stream");
  }
  if (is_filtered(L))
    return (kio_passed_keep(p, 0), fail_saying(L, "send_fds", "EOPNOTSUPP", through_filter));
  err = attach(L, task->sched);
  if (err) return end_sending(L, p, -err);
  if (stream && !kio_stream_drained(stream)) return (lua_pushboolean(L, false), 1);
  lua_settop(L, FDS);
  lua_pushinteger(L, due);
  lua_pushinteger(L, 0); /* TRIES */
  return send_now(L, task);
}

/* ---- receiving ---- */

/* ... -> data, list of descriptors, which are Lua's from now on */
static int push_received(lua_State *L, kio_passed *p) {
  kio_assert(p->owned == p->count);
  lua_createtable(L, p->count, 0);
  for (int i = 0; i < p->count; i++) {
    lua_pushinteger(L, p->fds[i]);
    lua_rawseti(L, -2, i + 1);
  }
  p->count = p->owned = 0;
  return 2;
}

static int l_receivek(lua_State *L, int status, lua_KContext ctx);

static int wait_for_input(lua_State *L, kio_task *task) {
  kio_udp *udp = udp_at(L);
  if (udp) {
    udp->receiver = task;
    udp->waits_ns = task->sched->now_ns;
  } else {
    kio_stream_set_reader(kio_stream_check(L)->stream, task);
  }
  return await(L, task, POLLIN | POLLRDHUP, l_receivek);
}

/* What recvmsg has brought: the data is at the top already. */
static int deliver(lua_State *L, kio_passed *p, const struct msghdr *header, size_t size) {
  const char *code = NULL, *text = "";
  bool all = p->count >= p->max || !(header->msg_flags & MSG_CTRUNC);
  kio_passed_keep(p, p->max);
  if (!all) {
    code = "EMFILE";
    text = "descriptors came for which this process has no room; all that came are closed";
  } else if (size > header->msg_iov->iov_len) {
    code = "EMSGSIZE";
    text = "a message longer than was asked for; the descriptors that came are closed";
  }
  if (!code) return push_received(L, p);
  kio_passed_keep(p, 0);
  fail_saying(L, "recv_fds", code, text);
  lua_pushvalue(L, -4);
  return 4;
}

static bool is_end(lua_State *L, const struct msghdr *header, size_t size) {
  const kio_udp *udp = udp_at(L);
  return size == 0 && (!udp || (udp->base.packets && header->msg_controllen == 0));
}

/* There is nothing. `events`: what a wait has brought. A socket whose input has been shut down
   never has anything again, which recvmsg(2) tells of datagrams by the same EAGAIN. */
static int nothing_there(lua_State *L, kio_task *task, unsigned events) {
  if (events & (POLLHUP | POLLRDHUP)) return (lua_pushnil(L), 1);
  if (too_late(L, task)) return fail(L, "recv_fds", ETIMEDOUT);
  return wait_for_input(L, task);
}

/* Nothing has been put into it. It must not be left for a settop to close, which up to Lua 5.4.4
   goes on with a stack that has moved meanwhile. */
static void give_back(luaL_Buffer *data) {
  luaL_pushresultsize(data, 0);
  lua_pop(data->L, 1);
}

/* Tries once; waits for input when there is none. */
static int receive_now(lua_State *L, kio_task *task, unsigned events) {
  struct {
    kio_control fds;
    char time[CMSG_SPACE(2 * sizeof(int64_t))]; /* of a packet: see kio_udp_fill */
    char sender[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
  } room;
  luaL_Buffer data;
  int flags = MSG_DONTWAIT | MSG_CMSG_CLOEXEC | (udp_at(L) ? MSG_TRUNC : 0);
  kio_passed *p = lua_touserdata(L, FDS);
  size_t max = (size_t)lua_tointeger(L, DATA);
  struct iovec piece = {luaL_buffinitsize(L, &data, max), max};
  int fd = fd_of(L); /* only now, for a finalizer may have closed it */
  if (fd < 0) return (give_back(&data), fail(L, "recv_fds", EBADF));
  struct msghdr header = {
      .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &room, .msg_controllen = sizeof room};
  ssize_t size = recvmsg(fd, &header, flags);
  int err = size < 0 ? errno : 0;
  if (err) give_back(&data);
  if (err == EAGAIN || err == EINTR) return nothing_there(L, task, events);
  if (err) return fail(L, "recv_fds", err);
  kio_passed_take(&header, p);
  if (is_end(L, &header, (size_t)size)) return (lua_pushnil(L), 1);
  luaL_pushresultsize(&data, kio_min_size((size_t)size, max));
  return deliver(L, p, &header, (size_t)size);
}

static int l_receivek(lua_State *L, int status, lua_KContext ctx) {
  kio_task *task = kio_sched_current()->current;
  kio_udp *udp = udp_at(L);
  unsigned events;
  (void)status;
  if (udp) udp->receiver = NULL;
  else kio_stream_set_reader(kio_stream_check(L)->stream, NULL);
  lua_settop(L, TRIES);
  int err = waited(L, ctx, &events);
  return err ? fail(L, "recv_fds", err) : receive_now(L, task, events);
}

/* What a stream has received already came without descriptors. */
static int push_unread(lua_State *L, kio_stream *stream, size_t max) {
  size_t size = kio_min_size(max, kio_stream_unread(stream));
  lua_pushlstring(L, kio_stream_bytes(stream), size);
  lua_newtable(L);
  kio_stream_taken(stream, size);
  return 2;
}

/* How many descriptors are wanted at most. */
static int max_fds(lua_State *L, int options) {
  lua_Integer max = KIO_PASSED_MAX;
  if (lua_isnoneornil(L, options)) return KIO_PASSED_MAX;
  if (lua_getfield(L, options, "max_fds") != LUA_TNIL) {
    int is_integer;
    max = lua_tointegerx(L, -1, &is_integer);
    luaL_argcheck(L, is_integer && lua_type(L, -1) == LUA_TNUMBER && max >= 0, options,
                  "option 'max_fds' must be an integer of 0 or more");
  }
  lua_pop(L, 1);
  return max < KIO_PASSED_MAX ? (int)max : KIO_PASSED_MAX;
}

/* The moment until which the operation may wait; raises for options it has not. */
static int64_t due_of_receive(lua_State *L, int options, kio_sched *sched) {
  static const char *const known[] = {"timeout", "max_fds", NULL};
  if (lua_isnoneornil(L, options)) return due_of(L, options, sched);
  kio_check_options(L, options, known);
  return kio_sched_due(sched, kio_option_timeout(L, options, usual_timeout(L)));
}

/* handle:recv_fds([max [, options]]) -> data, list of descriptors | nil at the end */
static int l_recv_fds(lua_State *L) {
  kio_takes(L, 3);
  kio_udp *udp = udp_at(L);
  kio_stream *stream = udp ? NULL : kio_stream_check(L)->stream;
  lua_settop(L, 3);
  size_t max = lua_isnil(L, 2) ? MESSAGE_MAX : kio_check_size(L, 2);
  luaL_argcheck(L, max > 0, 2, "must be at least 1 byte");
  kio_task *task = kio_op_begin(L);
  int64_t due = due_of_receive(L, 3, task->sched);
  int wanted = max_fds(L, 3);
  if (fd_of(L) < 0) return fail(L, "recv_fds", EBADF);
  if (udp ? udp->receiver != NULL : stream->reader != NULL) {
    return kio_misuse(L, "another task is reading from this socket");
  }
  if (is_filtered(L)) return fail_saying(L, "recv_fds", "EOPNOTSUPP", through_filter);
  int err = attach(L, task->sched);
  if (err) return fail(L, "recv_fds", -err);
  if (stream && kio_stream_unread(stream) > 0) return push_unread(L, stream, max);
  lua_settop(L, 1);
  lua_pushinteger(L, (lua_Integer)max);
  kio_passed_push(L)->max = wanted;
  lua_pushinteger(L, due);
  lua_pushinteger(L, 0); /* TRIES */
  return receive_now(L, task, 0);
}

const luaL_Reg kio_fds_own[] = {
    {"fds_send", l_fds_send},
    {NULL, NULL},
};

const luaL_Reg kio_fds_methods[] = {
    {"recv_fds", l_recv_fds},
    {NULL, NULL},
};
