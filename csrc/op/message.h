/* Messages on their way: what sendmsg(2) and recvmsg(2) are given lies in the request's buffer. */
#ifndef KIO_OP_MESSAGE_H
#define KIO_OP_MESSAGE_H

#include <lua.h>
#include <sys/socket.h>

#include "ring/request.h"

typedef struct kio_message {
  struct msghdr header;
  kio_sockaddr address; /* where it goes to or comes from */
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int64_t))]; /* a packet's time */
  struct iovec iov[];                                                     /* then bytes */
} kio_message;

/* Gives the request one of so many pieces, with room for `bytes` behind them and MSG_ flags. NULL,
   the request given back: return KIO_FAILED. */
kio_message *kio_message_make(lua_State *L, kio_request *request, unsigned pieces, size_t bytes,
                              int flags);
/* The message that kio_message_make has given the request. */
static inline kio_message *kio_message_of(const kio_request *request) {
  return (kio_message *)(void *)request->buffer.data;
}
/* Addresses a message. */
void kio_message_to(kio_message *m, const kio_sockaddr *to);
/* Makes a message one to be received, in one piece of `size` bytes, which lie behind it, and with
   its sender. */
void kio_message_receive(kio_message *m, size_t size);

#endif
