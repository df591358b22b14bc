/* Sockets that keep messages apart, as Lua sees them: UDP, Unix datagrams, and connected sequences
   of packets (SOCK_SEQPACKET), which also end. net/udp.c makes and closes them, net/message.c sends
   and receives. */
#ifndef KIO_NET_UDP_H
#define KIO_NET_UDP_H

#include <lauxlib.h>
#include <lua.h>

#include "net/handle.h"
#include "task/member.h"
#include "task/task.h"

#define KIO_UDP_TYPE "kio.Udp"

/* What the userdata holds; its user value is the text of `known`. */
typedef struct kio_udp {
  kio_handle base;        /* `packets`: the peer may end */
  kio_member member;      /* of the scheduler it last worked on */
  kio_sched *sched;       /* that scheduler; NULL: none, nothing is in flight */
  kio_task *receiver;     /* who waits for a message, until it has run again; NULL: nobody */
  int64_t waits_ns;       /* since when that one does */
  uint8_t misses;         /* plain receives in a row that found nothing */
  uint8_t pass;           /* so many receives go to the ring at once, after such misses */
  unsigned plain;         /* plain calls in this turn of the loop */
  uint64_t turn;          /* which turn that is */
  kio_sockaddr known;     /* the address last sent to or received from; size 0: none */
  const char *known_text; /* its text in Lua; only compared */
} kio_udp;

/* Pushes a userdata for a socket that does not exist yet, so that nothing can fail on the Lua side
   once there is a descriptor. */
void kio_udp_push_empty(lua_State *L, bool packets);
/* Whether the value at `index` is such a userdata. */
bool kio_udp_is(lua_State *L, int index);
/* Gives the one at `index` its descriptor; `peer` NULL: not connected. */
void kio_udp_fill(lua_State *L, int index, int fd, const kio_sockaddr *peer);
/* The one at index 1, looked at; or an argument error. */
kio_udp *kio_udp_check(lua_State *L);
/* Makes it work on this scheduler, if it does not yet. */
void kio_udp_attach(kio_udp *udp, kio_sched *sched);

extern const luaL_Reg kio_udp_methods[];     /* making, closing and the rest */
extern const luaL_Reg kio_message_methods[]; /* net/message.c: sending and receiving */
extern const luaL_Reg kio_fds_methods[];     /* net/pass.c: for streams as well */

#endif
