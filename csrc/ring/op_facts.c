/* Owns the table of operations. Invariant: each has a name, and no two share one. */
#include "ring/op_facts.h"

#include <string.h>

const kio_op_facts kio_op_facts_of[KIO_OP_COUNT] = {
    [KIO_OP_READ] = {.name = "read", .arg = KIO_ARG_IO, .ready = POLLIN, .moves_bytes = true},
    [KIO_OP_WRITE] = {.name = "write", .arg = KIO_ARG_IO, .ready = POLLOUT, .moves_bytes = true},
    [KIO_OP_READV] = {.name = "readv", .arg = KIO_ARG_VEC, .ready = POLLIN, .moves_bytes = true},
    [KIO_OP_WRITEV] = {.name = "writev", .arg = KIO_ARG_VEC, .ready = POLLOUT, .moves_bytes = true},
    [KIO_OP_FSYNC] = {.name = "fsync", .arg = KIO_ARG_SYNC},
    [KIO_OP_FALLOCATE] = {.name = "fallocate", .arg = KIO_ARG_EXTENT},
    [KIO_OP_FTRUNCATE] = {.name = "truncate", .arg = KIO_ARG_EXTENT},
    [KIO_OP_OPENAT] = {.name = "open", .arg = KIO_ARG_PATH, .brings_fd = true, .in_steps = true},
    [KIO_OP_UNLINKAT] = {.name = "unlink", .arg = KIO_ARG_PATH},
    [KIO_OP_MKDIRAT] = {.name = "mkdir", .arg = KIO_ARG_PATH},
    [KIO_OP_RENAMEAT] = {.name = "rename", .arg = KIO_ARG_PATH},
    [KIO_OP_SYMLINKAT] = {.name = "symlink", .arg = KIO_ARG_PATH},
    [KIO_OP_STATX] = {.name = "stat", .arg = KIO_ARG_PATH},
    [KIO_OP_CLOSE] = {.name = "close", .arg = KIO_ARG_NONE},
    [KIO_OP_ACCEPT] = {.name = "accept",
                       .arg = KIO_ARG_ACCEPT,
                       .ready = POLLIN,
                       .of_socket = true,
                       .brings_fd = true},
    [KIO_OP_CONNECT] = {.name = "connect",
                        .arg = KIO_ARG_ADDRESS,
                        .ready = POLLOUT,
                        .of_socket = true,
                        .in_steps = true},
    [KIO_OP_RECV] = {.name = "recv",
                     .arg = KIO_ARG_IO,
                     .ready = POLLIN,
                     .of_socket = true,
                     .moves_bytes = true},
    [KIO_OP_SEND] = {.name = "send",
                     .arg = KIO_ARG_IO,
                     .ready = POLLOUT,
                     .of_socket = true,
                     .moves_bytes = true},
    [KIO_OP_RECVMSG] = {.name = "recvmsg",
                        .arg = KIO_ARG_MESSAGE,
                        .ready = POLLIN,
                        .of_socket = true,
                        .moves_bytes = true},
    [KIO_OP_SENDMSG] = {.name = "sendmsg",
                        .arg = KIO_ARG_MESSAGE,
                        .ready = POLLOUT,
                        .of_socket = true,
                        .moves_bytes = true,
                        .in_steps = true},
    [KIO_OP_SHUTDOWN] = {.name = "shutdown", .arg = KIO_ARG_HOW, .of_socket = true},
    [KIO_OP_POLL] = {.name = "poll", .arg = KIO_ARG_EVENTS, .in_steps = true},
    [KIO_OP_SPLICE] = {.name = "splice",
                       .arg = KIO_ARG_SPLICE,
                       .ready = POLLIN,
                       .moves_bytes = true,
                       .in_steps = true},
};

kio_op kio_op_named(const char *name) {
  unsigned op = 0;
  while (op < KIO_OP_COUNT && strcmp(name, kio_op_name(op)) != 0) op++;
  return (kio_op)op;
}
