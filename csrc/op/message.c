/* Owns nothing: a message is its request's. Called in a task. */
#include "op/message.h"

#include <string.h>

#include "op/op.h"

kio_message *kio_message_make(lua_State *L, kio_request *request, unsigned pieces, size_t bytes,
                              int flags) {
  size_t head = sizeof(kio_message) + pieces * sizeof(struct iovec);
  if (!request || !kio_op_buffer(L, request, head + bytes)) return NULL;
  kio_message *m = kio_message_of(request);
  memset(m, 0, sizeof *m);
  m->header.msg_iov = m->iov;
  m->header.msg_iovlen = pieces;
  request->arg.message = (kio_arg_message){.header = &m->header, .flags = flags};
  return m;
}

void kio_message_to(kio_message *m, const kio_sockaddr *to) {
  m->address = *to;
  m->header.msg_name = &m->address.as;
  m->header.msg_namelen = to->size;
}

void kio_message_receive(kio_message *m, size_t size) {
  m->iov[0] = (struct iovec){&m->iov[1], size};
  m->header.msg_name = &m->address.as;
  m->header.msg_namelen = sizeof m->address.as;
}
