/* How a socket of messages changes threads: by its descriptor and what is known of it; messages
   wait in the kernel. The sender's userdata is closed then. Called by the thread that has it. */
#include "base/memory.h"
#include "base/number.h"
#include "net/udp.h"
#include "task/here.h"
#include "task/io.h"
#include "task/member.h"

typedef struct moved_udp {
  int fd;          /* -1: a spare */
  uint32_t tenant; /* of its number */
  bool connected;
  bool packets;
  int64_t timeout_ns;
  kio_sockaddr address;
  kio_sockaddr peer;
} moved_udp;

static const char *prepare(lua_State *L, int index, void **spare) {
  kio_udp *udp = lua_touserdata(L, index);
  const kio_sched *sched = kio_sched_here();
  kio_udp_look(udp);
  if (udp->moved) return "it was handed over before";
  if (udp->fd < 0) return "it is closed";
  if (udp->receiving) return "a task is receiving from it";
  if (udp->sched && udp->sched != sched) return "it belongs to another loop";
  if (sched && kio_desc_busy(&sched->descs, udp->fd)) return "an operation on it is under way";
  moved_udp *moved = kio_memory_new(sizeof *moved);
  if (!moved) return "not enough memory";
  moved->fd = -1;
  *spare = moved;
  return NULL;
}

static void *give(lua_State *L, int index, void *spare) {
  moved_udp *moved = spare;
  kio_udp *udp = lua_touserdata(L, index);
  if (udp->sched) kio_sched_leave(&udp->member);
  *moved = (moved_udp){udp->fd,         udp->tenant,  udp->connected, udp->packets,
                       udp->timeout_ns, udp->address, udp->peer};
  udp->sched = NULL;
  udp->fd = -1;
  udp->moved = true;
  return moved;
}

static void take(lua_State *L, void *object) {
  moved_udp *moved = object;
  kio_udp_push_empty(L);
  kio_udp *udp = lua_touserdata(L, -1);
  udp->fd = moved->fd;
  udp->tenant = moved->tenant;
  udp->connected = moved->connected;
  udp->packets = moved->packets;
  udp->timeout_ns = moved->timeout_ns;
  udp->address = moved->address;
  udp->peer = moved->peer;
  kio_memory_free(moved);
}

static void drop(void *object) {
  moved_udp *moved = object;
  if (moved->fd >= 0 && kio_number_same(moved->fd, moved->tenant)) kio_sched_close_fd(moved->fd);
  kio_memory_free(moved);
}

/* It joins a loop again with its next operation. */
static void restore(lua_State *L, int index, void *object) {
  moved_udp *moved = object;
  kio_udp *udp = lua_touserdata(L, index);
  udp->fd = moved->fd;
  udp->moved = false;
  kio_memory_free(moved);
}

const kio_handle_kind kio_udp_moves = {prepare, give, take, drop, restore};
