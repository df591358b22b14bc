/* Operations on sockets by descriptor. Received bytes land in the request's buffer; strings to send
   stay on the operation's frame, and so alive, until its continuation has run. SIGPIPE is never
   raised (MSG_NOSIGNAL is added below the seam). Called in a task. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/config.h"
#include "op/buffer.h"
#include "op/message.h"
#include "op/op.h"
#include "op/registry.h"
#include "system/address.h"
#include "task/task.h"

static int opt_flags(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? 0 : kio_check_int(L, index);
}

/* ---- accept and connect ---- */

static int l_acceptk(lua_State *L, int status, lua_KContext ctx) {
  kio_request *request = kio_op_result(ctx);
  (void)status;
  if (request->result < 0) return kio_op_failed(L, request);
  kio_push_address(L, request->arg.address);
  lua_pushinteger(L, request->result);
  lua_insert(L, -2);
  kio_op_release(request);
  return 2;
}

/* accept(fd [, options]) -> fd, peer */
static int l_accept(lua_State *L) {
  int fd = kio_check_fd(L, 1);
  int64_t timeout = kio_op_timeout(L, 2);
  kio_request *request = kio_op_start(L, KIO_OP_ACCEPT, fd);
  if (!request || !kio_op_address(L, request)) return KIO_FAILED;
  return kio_op_submit(L, request, timeout, l_acceptk);
}

/* connect(fd, address [, options]) -> true */
static int l_connect(lua_State *L) {
  kio_sockaddr address;
  int fd = kio_check_fd(L, 1);
  int64_t timeout = kio_op_timeout(L, 3);
  if (!kio_check_address(L, 2, "connect", &address)) return KIO_FAILED;
  kio_request *request = kio_op_start(L, KIO_OP_CONNECT, fd);
  if (!request || !kio_op_address(L, request)) return KIO_FAILED;
  *request->arg.address = address;
  return kio_op_submit(L, request, timeout, kio_op_donek);
}

/* shutdown(fd [, "read" | "write" | "both" [, options]]) -> true */
static int l_shutdown(lua_State *L) {
  static const char *const names[] = {"read", "write", "both", NULL};
  int fd = kio_check_fd(L, 1);
  kio_arg arg = {.how = luaL_checkoption(L, 2, "both", names)}; /* SHUT_RD, _WR, _RDWR */
  return kio_op_run(L, KIO_OP_SHUTDOWN, fd, arg, kio_op_timeout(L, 3), kio_op_donek);
}

/* ---- bytes ---- */

/* With MSG_TRUNC the kernel tells more bytes than it has written: the buffer must not be read
   beyond its end, nor show what was in it before. */
static void prepare_truncation(void *bytes, size_t size, int flags) {
  if (flags & MSG_TRUNC) memset(bytes, 0, size);
}

/* recv(fd, size [, flags [, options]]) -> string | nil at the end */
static int l_recv(lua_State *L) {
  int fd = kio_check_fd(L, 1);
  size_t size = kio_check_size(L, 2);
  int flags = opt_flags(L, 3);
  int64_t timeout = kio_op_timeout(L, 4);
  kio_request *request = kio_op_start(L, KIO_OP_RECV, fd);
  if (!request || !kio_op_buffer(L, request, size)) return KIO_FAILED;
  prepare_truncation(request->buffer.data, size, flags);
  request->arg.io = (kio_arg_io){request->buffer.data, size, 0, flags};
  return kio_op_submit(L, request, timeout, kio_op_bytesk);
}

/* send(fd, data [, flags [, options]]) -> bytes taken */
static int l_send(lua_State *L) {
  int fd = kio_check_fd(L, 1);
  kio_bytes bytes = kio_bytes_check(L, 2);
  int flags = opt_flags(L, 3);
  int64_t timeout = kio_op_timeout(L, 4);
  kio_request *request = kio_op_start(L, KIO_OP_SEND, fd);
  if (!request || !kio_op_use_block(L, request, bytes.block, KIO_BLOCK_READ)) return KIO_FAILED;
  request->arg.io = (kio_arg_io){(void *)(uintptr_t)bytes.data, bytes.size, 0, flags};
  return kio_op_submit(L, request, timeout, kio_op_countk);
}

/* ---- messages: with an address, and in pieces ---- */

typedef struct message_options {
  int flags;
  int64_t timeout_ns;
  bool has_address;
  kio_sockaddr address;
} message_options;

/* Reads { flags =, timeout =, to = } at `index`. False: return KIO_FAILED. */
static bool read_options(lua_State *L, int index, message_options *out) {
  static const char *const known[] = {"flags", "timeout", "to", NULL};
  kio_takes(L, index);
  *out = (message_options){.timeout_ns = KIO_NEVER};
  if (lua_isnoneornil(L, index)) return true;
  kio_check_options(L, index, known);
  if (kio_option(L, index, "flags") != LUA_TNIL) out->flags = kio_check_int(L, -1);
  out->timeout_ns = kio_option_timeout(L, index, KIO_NEVER);
  out->has_address = kio_option(L, index, "to") != LUA_TNIL;
  if (out->has_address && !kio_check_address(L, -1, "sendmsg", &out->address)) return false;
  lua_settop(L, index);
  return true;
}

/* sendmsg(fd, data | {data, ...} [, { to =, flags =, timeout = }]) -> bytes taken */
static int l_sendmsg(lua_State *L) {
  message_options options;
  int fd = kio_check_fd(L, 1);
  if (lua_type(L, 2) == LUA_TSTRING) { /* one piece is a list of one */
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, 1);
    lua_replace(L, 2);
  }
  unsigned count = kio_check_list(L, 2);
  if (!read_options(L, 3, &options)) return KIO_FAILED;
  kio_task *task = kio_op_begin(L);
  int first = lua_gettop(L) + 1;
  kio_push_strings(L, 2, count);
  kio_request *request = kio_op_request(L, task, KIO_OP_SENDMSG, fd);
  kio_message *m = kio_message_make(L, request, count, 0, options.flags);
  if (!m) return KIO_FAILED;
  kio_fill_iovecs(L, first, count, m->iov);
  if (options.has_address) kio_message_to(m, &options.address);
  return kio_op_submit(L, request, options.timeout_ns, kio_op_countk);
}

static int l_recvmsgk(lua_State *L, int status, lua_KContext ctx) {
  kio_request *request = kio_op_result(ctx);
  (void)status;
  if (request->result < 0) return kio_op_failed(L, request);
  kio_message *m = kio_message_of(request);
  size_t size = kio_min_size((size_t)request->result, m->iov[0].iov_len);
  lua_pushlstring(L, m->iov[0].iov_base, size);
  m->address.size = m->header.msg_namelen;
  if (m->address.size > 0) kio_push_address(L, &m->address);
  else lua_pushnil(L);
  lua_pushinteger(L, m->header.msg_flags & ~MSG_CMSG_CLOEXEC); /* which prep_recvmsg has added */
  kio_op_release(request);
  return 3;
}

/* recvmsg(fd, size [, { flags =, timeout = }]) -> data, peer | nil, flags */
static int l_recvmsg(lua_State *L) {
  message_options options;
  int fd = kio_check_fd(L, 1);
  size_t size = kio_check_size(L, 2);
  if (!read_options(L, 3, &options)) return KIO_FAILED;
  kio_request *request = kio_op_start(L, KIO_OP_RECVMSG, fd);
  kio_message *m = kio_message_make(L, request, 1, size, options.flags);
  if (!m) return KIO_FAILED;
  prepare_truncation(&m->iov[1], size, options.flags);
  kio_message_receive(m, size);
  return kio_op_submit(L, request, options.timeout_ns, l_recvmsgk);
}

const luaL_Reg kio_socket_ops[] = {
    {"accept", l_accept}, {"connect", l_connect}, {"shutdown", l_shutdown}, {"recv", l_recv},
    {"send", l_send},     {"sendmsg", l_sendmsg}, {"recvmsg", l_recvmsg},   {NULL, NULL},
};
