/* Connecting and listening. Addresses are text (system/address.h); names are looked up in Lua,
   which is told when an address has one. Called in a task, but for listen, which never waits. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/connection.h"
#include "net/listener.h"
#include "net/sockopt.h"
#include "op/op.h"
#include "op/registry.h"
#include "system/address.h"
#include "task/collect.h"
#include "task/here.h"
#include "task/io.h"
#include "task/result.h"

/* ---- options and addresses ---- */

/* Reads the address at index 1; of a name its `size` is 0. False: return KIO_FAILED. */
static bool read_address(lua_State *L, const char *what, kio_sockaddr *address) {
  size_t size;
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *text = lua_tolstring(L, 1, &size);
  const char *wrong = kio_address_parse(text, size, address);
  return !wrong || wrong == kio_address_is_name || kio_check_address(L, 1, what, address);
}

/* Pushes what stands for that. */
static int is_name(lua_State *L) {
  lua_pushboolean(L, false);
  return 1;
}

/* localhost is 127.0.0.1, but whoever connects may be meant to find ::1 as well. */
static bool is_localhost(const char *text) {
  static const char name[] = "localhost:";
  return strncmp(text, name, sizeof name - 1) == 0;
}

/* Reads the option `type` at index 2, if any. */
static void read_type(lua_State *L, kio_socket_options *options) {
  if (!lua_istable(L, 2)) return;
  if (kio_option(L, 2, "type") != LUA_TNIL) {
    const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    bool packets = strcmp(name, "seqpacket") == 0;
    luaL_argcheck(L, packets || strcmp(name, "stream") == 0, 2,
                  "option 'type' must be \"stream\" or \"seqpacket\"");
    options->type = packets ? SOCK_SEQPACKET : SOCK_STREAM;
  }
  lua_pop(L, 1);
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
  kio_assert(fd >= 0 && peer.size > 0);
  kio_op_release(request);
  if (err == 0) {
    if (!kio_connection_fill(L, CONNECT_STREAM, fd, &peer))
      return kio_fail(L, ENOMEM, "connect", subject);
    lua_settop(L, CONNECT_STREAM);
    return 1;
  }
  kio_sched_close_fd(fd);
  if (kio_op_cancelled(task, err)) return kio_task_raise_cancelled(L);
  return kio_fail(L, err, "connect", subject);
}

/* net_connect(address [, options]) -> stream | false: its host is a name, and all else is right */
static int l_connect(lua_State *L) {
  kio_takes(L, 2);
  static const char *const others[] = {"timeout", "type", NULL};
  kio_sockaddr address;
  kio_socket_options options = kio_socket_defaults;
  kio_task *task = kio_op_begin(L);
  if (!read_address(L, "connect", &address)) return KIO_FAILED;
  kio_read_socket_options(L, 2, KIO_SOCKOPT_FOR_CONNECT, others, &options);
  read_type(L, &options);
  int64_t timeout = lua_isnoneornil(L, 2) ? KIO_NEVER : kio_option_timeout(L, 2, KIO_NEVER);
  lua_settop(L, 2);
  if (address.size == 0 || is_localhost(lua_tostring(L, 1))) return is_name(L);
  kio_connection_push_empty(L, options.type == SOCK_SEQPACKET);
  int fd = kio_socket_new(&address, &options);
  if (kio_collect(L, fd, 1)) fd = kio_socket_new(&address, &options);
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
    return KIO_FAILED;
  }
  *request->arg.address = address;
  int failed = kio_op_submit(L, request, timeout, l_connectk);
  kio_sched_close_fd(fd); /* only out of memory comes here */
  return failed;
}

/* ---- listen ---- */

/* net_listen(address [, options]) -> listener | false: its host is a name, and all else is right */
static int l_listen(lua_State *L) {
  kio_takes(L, 2);
  kio_op_begin_plainly(L);
  static const char *const others[] = {"backlog", "type", NULL};
  kio_sockaddr address;
  kio_socket_options options = kio_socket_defaults;
  if (!read_address(L, "listen", &address)) return KIO_FAILED;
  kio_socket_give(&options, KIO_SOCKOPT_REUSEADDR, true);
  kio_read_socket_options(L, 2, KIO_SOCKOPT_FOR_LISTEN, others, &options);
  read_type(L, &options);
  if (lua_istable(L, 2)) kio_read_number(L, 2, "backlog", INT_MAX, &options.backlog);
  if (address.size == 0) return is_name(L);
  kio_listener_push(L, options.type == SOCK_SEQPACKET);
  int fd = kio_socket_listen(&address, &options);
  if (kio_collect(L, fd, 1)) fd = kio_socket_listen(&address, &options);
  if (fd < 0) return kio_fail(L, -fd, "listen", lua_tostring(L, 1));
  kio_handle_fill(lua_touserdata(L, -1), fd);
  return 1;
}

const luaL_Reg kio_net_own[] = {
    {"net_listen", l_listen},
    {"net_connect", l_connect},
    {NULL, NULL},
};
