/* What listeners and sockets of messages have in common: a descriptor, without output that would
   have to leave before it closes. Their userdata begin with it. */
#ifndef KIO_NET_HANDLE_H
#define KIO_NET_HANDLE_H

#include <lauxlib.h>
#include <lua.h>

#include "op/type.h"
#include "system/address.h"
#include "task/queue.h"

typedef struct kio_handle kio_handle;

/* What they differ in. */
typedef struct kio_handle_class {
  const char *noun; /* for messages: "listener" */
  const char *busy; /* why it cannot change threads while operations are under way */
  void (*push)(lua_State *L, bool packets); /* pushes one without a descriptor */
  void (*leave)(void *handle); /* it is about to have none: ends what depends on that */
  const char *(*may_move)(const void *handle); /* NULL, or why it cannot change threads now */
} kio_handle_class;

struct kio_handle {
  kio_waitable end; /* who waits until it is closed */
  const kio_handle_class *class;
  int fd;               /* -1: closed, or not there yet */
  uint32_t tenant;      /* who has had that number since: number.h */
  bool moved;           /* closed, and another one, on another thread, has the descriptor now */
  bool lost;            /* closed, and not by this handle: its number was */
  bool connected;       /* to `peer` */
  bool packets;         /* SOCK_SEQPACKET */
  int64_t timeout_ns;   /* of operations that name none */
  kio_sockaddr address; /* its own, as far as it is known */
  kio_sockaddr peer;    /* of a connected one */
};

/* Without a descriptor. */
void kio_handle_init(kio_handle *h, const kio_handle_class *class, bool packets);
/* Gives it one, which tells its address. */
void kio_handle_fill(kio_handle *h, int fd);
/* Looks whether it still has its descriptor: lost when its number was closed. */
void kio_handle_look(kio_handle *h);
/* Whether its own close has closed it. */
static inline bool kio_handle_is_closed(const kio_handle *h) {
  return h->fd < 0 && !h->lost && !h->moved;
}
/* Returns KIO_FAILED, about `to`; NULL: the peer, or else its own address. */
int kio_handle_fail(lua_State *L, kio_handle *h, const char *what, int err, const kio_sockaddr *to);
/* Returns KIO_FAILED for what has no descriptor any more; `noun` is what it is; unless it was moved
   or its own close has closed it its number was. */
int kio_handle_fail_closed(lua_State *L, const char *what, const char *subject, const char *noun,
                           bool moved, bool closed);
/* Its own address, for a method without arguments; returns 1. */
int kio_handle_push_address(lua_State *L, kio_handle *h);
/* Closes it: what is under way fails with EBADF. Pushes true and returns 1, or yields. */
int kio_handle_close(lua_State *L, kio_handle *h);

/* Parts of their types. */
void kio_handle_end(void *h);
int kio_handle_l_close_value(lua_State *L);
int kio_handle_l_tostring(lua_State *L);
extern const kio_handle_kind kio_handle_moves;

#endif
