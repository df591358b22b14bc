/* Operations on open descriptors that read, write or change a file. One offset rule for all:
   read, write, readv, writev use the current position; pread, pwrite, preadv, pwritev an offset.
   Called in a task. Contracts for users: lua/types/kio.d.lua. */
#include <errno.h>
#include <string.h>

#include "base/config.h"
#include "op/buffer.h"
#include "op/op.h"
#include "op/registry.h"
#include "system/terminal.h"
#include "task/here.h"

#define CURRENT_POSITION UINT64_MAX /* pread(2)'s way of saying "no offset" in io_uring */

/* The completed request of something that reads. */
static kio_request *read_result(lua_KContext ctx) {
  kio_request *request = kio_op_result(ctx);
  int from = request->op == KIO_OP_SPLICE ? request->arg.splice.in : request->fd;
  if (kio_terminal_ended(from, request->result)) request->result = 0;
  return request;
}

/* ---- one buffer ---- */

static int l_readk(lua_State *L, int status, lua_KContext ctx) {
  kio_request *request = read_result(ctx);
  (void)status;
  if (request->result < 0) return kio_op_failed(L, request);
  if (request->result == 0 && request->arg.io.size > 0) lua_pushnil(L); /* the end of the file */
  else lua_pushlstring(L, request->buffer.data, (size_t)request->result);
  kio_op_release(request);
  return 1;
}

static int submit_read(lua_State *L, uint64_t offset, int options) {
  int fd = kio_check_fd(L, 1);
  size_t size = kio_check_size(L, 2);
  int64_t timeout = kio_op_timeout(L, options);
  kio_task *task = kio_op_begin(L);
  kio_request *request = kio_op_request(L, task, KIO_OP_READ, fd);
  if (!request || !kio_op_buffer(L, request, size)) return 3;
  request->arg.io = (kio_arg_io){.buf = request->buffer.data, .size = size, .offset = offset};
  return kio_op_submit(L, task, request, timeout, l_readk);
}

static int l_read(lua_State *L) {
  return submit_read(L, CURRENT_POSITION, 3);
}

static int l_pread(lua_State *L) {
  return submit_read(L, kio_check_offset(L, 3), 4);
}

static int l_read_intok(lua_State *L, int status, lua_KContext ctx) {
  kio_request *request = read_result(ctx);
  (void)status;
  if (request->result == 0 && request->arg.io.size > 0) {
    lua_pushnil(L); /* the end of the file */
    kio_op_release(request);
    return 1;
  }
  return kio_op_countk(L, status, ctx);
}

/* The block is the request's until it completes, whatever happens to the buffer. */
static int submit_read_into(lua_State *L, uint64_t offset, int options) {
  size_t at, size;
  int fd = kio_check_fd(L, 1);
  const kio_view *view = kio_view_check(L, 2);
  kio_view_range(L, 3, view, &at, &size);
  int64_t timeout = kio_op_timeout(L, options);
  kio_task *task = kio_op_begin(L);
  kio_request *request = kio_op_request(L, task, KIO_OP_READ, fd);
  if (!request || !kio_op_lend(L, request, view->block, KIO_LEND_WRITE)) return 3;
  char *data = view->block->data + view->at + at;
  request->arg.io = (kio_arg_io){.buf = data, .size = size, .offset = offset};
  return kio_op_submit(L, task, request, timeout, l_read_intok);
}

/* read_into(fd, buffer [, at [, size [, options]]]) -> bytes read | nil at the end */
static int l_read_into(lua_State *L) {
  return submit_read_into(L, CURRENT_POSITION, 5);
}

/* pread_into(fd, buffer, at | nil, size | nil, offset [, options]) -> the same */
static int l_pread_into(lua_State *L) {
  return submit_read_into(L, kio_check_offset(L, 5), 6);
}

/* A string stays on this frame's stack, and so alive, until the continuation has run. */
static int submit_write(lua_State *L, uint64_t offset, int options) {
  int fd = kio_check_fd(L, 1);
  kio_bytes bytes = kio_bytes_check(L, 2);
  int64_t timeout = kio_op_timeout(L, options);
  kio_task *task = kio_op_begin(L);
  kio_request *request = kio_op_request(L, task, KIO_OP_WRITE, fd);
  if (!request || !kio_op_lend(L, request, bytes.block, KIO_LEND_READ)) return 3;
  void *data = (void *)(uintptr_t)bytes.data;
  request->arg.io = (kio_arg_io){.buf = data, .size = bytes.size, .offset = offset};
  return kio_op_submit(L, task, request, timeout, kio_op_countk);
}

static int l_write(lua_State *L) {
  return submit_write(L, CURRENT_POSITION, 3);
}

static int l_pwrite(lua_State *L) {
  return submit_write(L, kio_check_offset(L, 3), 4);
}

/* ---- several buffers ---- */

/* What readv is asked for: the list is read once, and not looked at again. */
typedef struct pieces {
  unsigned count;
  size_t total;
  size_t sizes[KIO_IOV_MAX];
} pieces;

static void read_sizes(lua_State *L, int index, pieces *p) {
  p->count = kio_check_list(L, index);
  p->total = 0;
  for (unsigned i = 0; i < p->count; i++) {
    lua_rawgeti(L, index, i + 1);
    lua_Integer size = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : -1;
    lua_pop(L, 1);
    if (size < 0) luaL_argerror(L, index, "every size must be an integer of 0 or more");
    luaL_argcheck(L, size <= KIO_IO_MAX, index, "more bytes than one operation can move (2 GiB)");
    p->sizes[i] = (size_t)size;
    p->total += (size_t)size;
    luaL_argcheck(L, p->total <= KIO_IO_MAX, index,
                  "more bytes than one operation can move (2 GiB)");
  }
}

static int l_readvk(lua_State *L, int status, lua_KContext ctx) {
  kio_request *request = read_result(ctx);
  (void)status;
  if (request->result < 0) return kio_op_failed(L, request);
  size_t left = (size_t)request->result;
  lua_createtable(L, (int)request->arg.vec.count, 0);
  for (unsigned i = 0; i < request->arg.vec.count && left > 0; i++) {
    const struct iovec *piece = &request->arg.vec.iov[i];
    size_t size = kio_min_size(left, piece->iov_len);
    lua_pushlstring(L, piece->iov_base, size);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
    left -= size;
  }
  if (request->result == 0) lua_pushnil(L);
  kio_op_release(request);
  return 1;
}

/* The request's buffer holds the iovecs first and then the bytes they point to. */
static void lay_out(kio_request *request, const pieces *p, uint64_t offset) {
  struct iovec *iov = (struct iovec *)(void *)request->buffer.data;
  char *bytes = request->buffer.data + p->count * sizeof *iov;
  for (unsigned i = 0; i < p->count; i++) {
    iov[i] = (struct iovec){bytes, p->sizes[i]};
    bytes += p->sizes[i];
  }
  request->arg.vec.iov = iov;
  request->arg.vec.count = p->count;
  request->arg.vec.offset = offset;
}

static int submit_readv(lua_State *L, uint64_t offset, int options) {
  pieces p;
  int fd = kio_check_fd(L, 1);
  read_sizes(L, 2, &p);
  int64_t timeout = kio_op_timeout(L, options);
  kio_task *task = kio_op_begin(L);
  kio_request *request = kio_op_request(L, task, KIO_OP_READV, fd);
  if (!request || !kio_op_buffer(L, request, p.count * sizeof(struct iovec) + p.total)) return 3;
  lay_out(request, &p, offset);
  return kio_op_submit(L, task, request, timeout, l_readvk);
}

static int l_readv(lua_State *L) {
  return submit_readv(L, CURRENT_POSITION, 3);
}

static int l_preadv(lua_State *L) {
  return submit_readv(L, kio_check_offset(L, 3), 4);
}

static int submit_writev(lua_State *L, uint64_t offset, int options) {
  int fd = kio_check_fd(L, 1);
  unsigned count = kio_check_list(L, 2);
  int64_t timeout = kio_op_timeout(L, options);
  kio_task *task = kio_op_begin(L);
  int first = lua_gettop(L) + 1;
  kio_push_strings(L, 2, count);
  kio_request *request = kio_op_request(L, task, KIO_OP_WRITEV, fd);
  if (!request || !kio_op_buffer(L, request, count * sizeof(struct iovec))) return 3;
  struct iovec *iov = (struct iovec *)(void *)request->buffer.data;
  kio_fill_iovecs(L, first, count, iov);
  request->arg.vec.iov = iov;
  request->arg.vec.count = count;
  request->arg.vec.offset = offset;
  return kio_op_submit(L, task, request, timeout, kio_op_countk);
}

static int l_writev(lua_State *L) {
  return submit_writev(L, CURRENT_POSITION, 3);
}

static int l_pwritev(lua_State *L) {
  return submit_writev(L, kio_check_offset(L, 3), 4);
}

/* ---- the file itself ---- */

static int submit_sync(lua_State *L, bool data_only) {
  int fd = kio_check_fd(L, 1);
  int64_t timeout = kio_op_timeout(L, 2);
  kio_task *task = kio_op_begin(L);
  kio_request *request = kio_op_request(L, task, KIO_OP_FSYNC, fd);
  if (!request) return 3;
  request->arg.sync.data_only = data_only;
  return kio_op_submit(L, task, request, timeout, kio_op_donek);
}

static int l_fsync(lua_State *L) {
  return submit_sync(L, false);
}

static int l_fdatasync(lua_State *L) {
  return submit_sync(L, true);
}

static int l_fallocate(lua_State *L) {
  int fd = kio_check_fd(L, 1);
  int mode = kio_check_int(L, 2);
  uint64_t offset = kio_check_offset(L, 3);
  uint64_t length = kio_check_offset(L, 4);
  int64_t timeout = kio_op_timeout(L, 5);
  kio_task *task = kio_op_begin(L);
  kio_request *request = kio_op_request(L, task, KIO_OP_FALLOCATE, fd);
  if (!request) return 3;
  request->arg.extent.mode = mode;
  request->arg.extent.offset = offset;
  request->arg.extent.length = length;
  return kio_op_submit(L, task, request, timeout, kio_op_donek);
}

static int l_ftruncate(lua_State *L) {
  int fd = kio_check_fd(L, 1);
  uint64_t length = kio_check_offset(L, 2);
  int64_t timeout = kio_op_timeout(L, 3);
  kio_task *task = kio_op_begin(L);
  kio_request *request = kio_op_request(L, task, KIO_OP_FTRUNCATE, fd);
  if (!request) return 3;
  request->arg.extent.length = length;
  return kio_op_submit(L, task, request, timeout, kio_op_donek);
}

static int l_splicek(lua_State *L, int status, lua_KContext ctx) {
  read_result(ctx);
  return kio_op_countk(L, status, ctx);
}

/* splice(in, in_offset | nil, out, out_offset | nil, size [, options]) -> bytes moved */
static int l_splice(lua_State *L) {
  int in = kio_check_fd(L, 1);
  int64_t in_offset = lua_isnil(L, 2) ? -1 : (int64_t)kio_check_offset(L, 2);
  int out = kio_check_fd(L, 3);
  int64_t out_offset = lua_isnil(L, 4) ? -1 : (int64_t)kio_check_offset(L, 4);
  size_t size = kio_check_size(L, 5);
  int64_t timeout = kio_op_timeout(L, 6);
  kio_task *task = kio_op_begin(L);
  kio_request *request = kio_op_request(L, task, KIO_OP_SPLICE, out);
  if (!request) return 3;
  request->arg.splice.in = in;
  request->arg.splice.in_offset = in_offset;
  request->arg.splice.out_offset = out_offset;
  request->arg.splice.size = (uint32_t)size;
  int err = kio_desc_enter(&task->sched->descs, request, in, 1);
  if (err) {
    request->result = err;
    return kio_op_failed(L, request);
  }
  return kio_op_submit(L, task, request, timeout, l_splicek);
}

const luaL_Reg kio_file_ops[] = {
    {"read", l_read},           {"pread", l_pread},
    {"write", l_write},         {"pwrite", l_pwrite},
    {"read_into", l_read_into}, {"pread_into", l_pread_into},
    {"readv", l_readv},         {"preadv", l_preadv},
    {"writev", l_writev},       {"pwritev", l_pwritev},
    {"fsync", l_fsync},         {"fdatasync", l_fdatasync},
    {"fallocate", l_fallocate}, {"ftruncate", l_ftruncate},
    {"splice", l_splice},       {NULL, NULL},
};
