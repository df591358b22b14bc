/* Descriptors on their way from one process to another, held by a userdata so that none is lost
   when Lua raises. */
#ifndef KIO_NET_PASSED_H
#define KIO_NET_PASSED_H

#include <lua.h>
#include <sys/socket.h>

enum { KIO_PASSED_MAX = 253 }; /* the kernel's SCM_MAX_FD */

typedef struct kio_passed {
  int max;   /* receiving: so many are wanted at most */
  int count; /* those in fds */
  int owned; /* so many of them, from the first, are closed with this */
  int fds[KIO_PASSED_MAX];
} kio_passed;

/* Room for one control message with as many descriptors as can come. */
typedef struct kio_control {
  _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(KIO_PASSED_MAX * sizeof(int))];
} kio_control;

/* Pushes the userdata, empty. */
kio_passed *kio_passed_push(lua_State *L);
/* Closes what it owns behind the first few, and forgets the others behind them. */
void kio_passed_keep(kio_passed *p, int max);
/* Has copies of its own in place of the program's descriptors: while Lua code runs, or other tasks,
   those may be closed and their numbers given to others. 0 or an errno. */
int kio_passed_hold(kio_passed *p);
/* Puts them into a message that is to be sent. */
void kio_passed_put(struct msghdr *header, kio_control *room, const kio_passed *p);
/* Takes those that have come with a message, and owns them. */
void kio_passed_take(struct msghdr *header, kio_passed *p);

#endif
