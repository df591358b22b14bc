/* Reading open files: what operations on descriptors and methods of files share. */
#ifndef KIO_OP_FILE_H
#define KIO_OP_FILE_H

#include <lua.h>

#include "op/buffer.h"

/* Begins and submits a read of at most `size` bytes at an offset, with arguments that have been
   checked; `k` ends in kio_op_bytesk. Returns as kio_op_submit. */
int kio_file_read(lua_State *L, int fd, size_t size, uint64_t offset, int64_t timeout_ns,
                  lua_KFunction k);
/* kio_file_read to place `at` of an open buffer; `k` ends in kio_op_intok. The block is the
   request's until it completes, whatever happens to the buffer. */
int kio_file_read_into(lua_State *L, int fd, const kio_view *view, size_t at, size_t size,
                       uint64_t offset, int64_t timeout_ns, lua_KFunction k);

#endif
