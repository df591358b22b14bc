/* Owns the table of operations. Invariant: each has a name, and no two share one. */
#include "ring/op_facts.h"

#include <string.h>

const kio_op_facts kio_op_facts_of[KIO_OP_COUNT] = {
    [KIO_OP_READ] = {"read", KIO_ARG_IO, .ready = POLLIN, .moves_bytes = true},
    [KIO_OP_WRITE] = {"write", KIO_ARG_IO, .ready = POLLOUT, .moves_bytes = true},
    [KIO_OP_READV] = {"readv", KIO_ARG_VEC, .ready = POLLIN, .moves_bytes = true},
    [KIO_OP_WRITEV] = {"writev", KIO_ARG_VEC, .ready = POLLOUT, .moves_bytes = true},
    [KIO_OP_FSYNC] = {"fsync", KIO_ARG_SYNC},
    [KIO_OP_FALLOCATE] = {"fallocate", KIO_ARG_EXTENT},
    [KIO_OP_FTRUNCATE] = {"truncate", KIO_ARG_EXTENT},
    [KIO_OP_OPENAT] = {"open", KIO_ARG_PATH, .brings_fd = true},
    [KIO_OP_UNLINKAT] = {"unlink", KIO_ARG_PATH},
    [KIO_OP_MKDIRAT] = {"mkdir", KIO_ARG_PATH},
    [KIO_OP_RENAMEAT] = {"rename", KIO_ARG_PATH},
    [KIO_OP_SYMLINKAT] = {"symlink", KIO_ARG_PATH},
    [KIO_OP_STATX] = {"stat", KIO_ARG_PATH},
    [KIO_OP_CLOSE] = {"close", KIO_ARG_NONE},
    [KIO_OP_ACCEPT] = {"accept", KIO_ARG_ACCEPT, .ready = POLLIN, .of_socket = true,
                       .brings_fd = true},
    [KIO_OP_CONNECT] = {"connect", KIO_ARG_ADDRESS, .ready = POLLOUT, .of_socket = true},
    [KIO_OP_RECV] = {"recv", KIO_ARG_IO, .ready = POLLIN, .of_socket = true, .moves_bytes = true},
    [KIO_OP_SEND] = {"send", KIO_ARG_IO, .ready = POLLOUT, .of_socket = true, .moves_bytes = true},
    [KIO_OP_RECVMSG] = {"recvmsg", KIO_ARG_MESSAGE, .ready = POLLIN, .of_socket = true,
                        .moves_bytes = true},
    [KIO_OP_SENDMSG] = {"sendmsg", KIO_ARG_MESSAGE, .ready = POLLOUT, .of_socket = true,
                        .moves_bytes = true},
    [KIO_OP_SHUTDOWN] = {"shutdown", KIO_ARG_HOW, .of_socket = true},
    [KIO_OP_POLL] = {"poll", KIO_ARG_EVENTS},
    [KIO_OP_SPLICE] = {"splice", KIO_ARG_SPLICE, .ready = POLLIN, .moves_bytes = true},
};

kio_op kio_op_named(const char *name) {
  unsigned op = 0;
  while (op < KIO_OP_COUNT && strcmp(name, kio_op_name(op)) != 0) op++;
  return (kio_op)op;
}
