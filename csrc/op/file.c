/* Operations on open descriptors that read, write or change a file. One offset rule for all:
   read, write, readv, writev use the current position; pread, pwrite, preadv, pwritev an offset.
   Called in a task. Contracts for users: lua/types/kio/op.d.lua. */
#include "op/file.h"

#include "base/config.h"
#include "op/buffer.h"
#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"

#define CURRENT_POSITION UINT64_MAX /* pread(2)'s way of saying "no offset" in io_uring */

/* An operation on bytes comes in two ways: at the current position, with its options at `index`;
   and at an offset there, with its options behind that. */
#define BOTH_WAYS(name, index)                                        \
  static int l_##name(lua_State *L) {                                 \
    return submit_##name(L, CURRENT_POSITION, index);                 \
  }                                                                   \
  static int l_p##name(lua_State *L) {                                \
    return submit_##name(L, kio_check_offset(L, index), (index) + 1); \
  }

/* ---- one buffer ---- */

int kio_file_read(lua_State *L, int fd, size_t size, uint64_t offset, int64_t timeout_ns,
                  lua_KFunction k) {
  kio_request *request = kio_op_start(L, KIO_OP_READ, fd);
  if (!request || !kio_op_buffer(L, request, size)) return KIO_FAILED;
  request->arg.io = (kio_arg_io){.buf = request->buffer.data, .size = size, .offset = offset};
  return kio_op_submit(L, request, timeout_ns, k);
}

static int submit_read(lua_State *L, uint64_t offset, int options) {
  int fd = kio_check_fd(L, 1);
  size_t size = kio_check_size(L, 2);
  return kio_file_read(L, fd, size, offset, kio_op_timeout(L, options), kio_op_bytesk);
}

BOTH_WAYS(read, 3)

int kio_file_read_into(lua_State *L, int fd, const kio_view *view, size_t at, size_t size,
                       uint64_t offset, int64_t timeout_ns, lua_KFunction k) {
  kio_request *request = kio_op_start(L, KIO_OP_READ, fd);
  if (!request || !kio_op_use_block(L, request, view->block, KIO_BLOCK_WRITE)) return KIO_FAILED;
  char *data = kio_view_data(view) + at;
  request->arg.io = (kio_arg_io){.buf = data, .size = size, .offset = offset};
  return kio_op_submit(L, request, timeout_ns, k);
}

static int submit_read_into(lua_State *L, uint64_t offset, int options) {
  size_t at, size;
  int fd = kio_check_fd(L, 1);
  const kio_view *view = kio_view_check(L, 2);
  kio_view_range(L, 3, view, &at, &size);
  int64_t timeout = kio_op_timeout(L, options);
  return kio_file_read_into(L, fd, view, at, size, offset, timeout, kio_op_intok);
}

/* read_into(fd, buffer [, at [, size [, options]]]) -> bytes read | nil at the end
   pread_into(fd, buffer, at | nil, size | nil, offset [, options]) -> the same */
BOTH_WAYS(read_into, 5)

/* A string stays on this frame's stack, and so alive, until the continuation has run. */
static int submit_write(lua_State *L, uint64_t offset, int options) {
  int fd = kio_check_fd(L, 1);
  kio_bytes bytes = kio_bytes_check(L, 2);
  int64_t timeout = kio_op_timeout(L, options);
  kio_request *request = kio_op_start(L, KIO_OP_WRITE, fd);
  if (!request || !kio_op_use_block(L, request, bytes.block, KIO_BLOCK_READ)) return KIO_FAILED;
  void *data = (void *)(uintptr_t)bytes.data;
  request->arg.io = (kio_arg_io){.buf = data, .size = bytes.size, .offset = offset};
  return kio_op_submit(L, request, timeout, kio_op_countk);
}

BOTH_WAYS(write, 3)

/* ---- several buffers ---- */

/* The request's iovecs, which are the first in its buffer; `bytes` more are behind them. NULL:
   return KIO_FAILED. */
static struct iovec *make_iovecs(lua_State *L, kio_request *request, unsigned count, size_t bytes,
                                 uint64_t offset) {
  if (!request || !kio_op_buffer(L, request, count * sizeof(struct iovec) + bytes)) return NULL;
  request->arg.vec.iov = (struct iovec *)(void *)request->buffer.data;
  request->arg.vec.count = count;
  request->arg.vec.offset = offset;
  return request->arg.vec.iov;
}

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
    luaL_argcheck(L, size >= 0, index, "every size must be an integer of 0 or more");
    p->sizes[i] = (size_t)size;
    p->total += (size_t)size;
    luaL_argcheck(L, p->total <= KIO_IO_MAX, index,
                  "more bytes than one operation can move (2 GiB)");
  }
}

static int l_readvk(lua_State *L, int status, lua_KContext ctx) {
  kio_request *request = kio_op_read_result(ctx);
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

static int submit_readv(lua_State *L, uint64_t offset, int options) {
  pieces p;
  int fd = kio_check_fd(L, 1);
  read_sizes(L, 2, &p);
  int64_t timeout = kio_op_timeout(L, options);
  kio_request *request = kio_op_start(L, KIO_OP_READV, fd);
  struct iovec *iov = make_iovecs(L, request, p.count, p.total, offset);
  if (!iov) return KIO_FAILED;
  char *bytes = (char *)(iov + p.count);
  for (unsigned i = 0; i < p.count; bytes += p.sizes[i++]) {
    iov[i] = (struct iovec){bytes, p.sizes[i]};
  }
  return kio_op_submit(L, request, timeout, l_readvk);
}

BOTH_WAYS(readv, 3)

static int submit_writev(lua_State *L, uint64_t offset, int options) {
  int fd = kio_check_fd(L, 1);
  unsigned count = kio_check_list(L, 2);
  int64_t timeout = kio_op_timeout(L, options);
  kio_task *task = kio_op_begin(L);
  int first = lua_gettop(L) + 1;
  kio_push_strings(L, 2, count);
  kio_request *request = kio_op_request(L, task, KIO_OP_WRITEV, fd);
  struct iovec *iov = make_iovecs(L, request, count, 0, offset);
  if (!iov) return KIO_FAILED;
  kio_fill_iovecs(L, first, count, iov);
  return kio_op_submit(L, request, timeout, kio_op_countk);
}

BOTH_WAYS(writev, 3)

/* ---- the file itself ---- */

static int submit_sync(lua_State *L, bool data_only) {
  int fd = kio_check_fd(L, 1);
  kio_arg arg = {.sync.data_only = data_only};
  return kio_op_run(L, KIO_OP_FSYNC, fd, arg, kio_op_timeout(L, 2), kio_op_donek);
}

static int l_fsync(lua_State *L) {
  return submit_sync(L, false);
}

static int l_fdatasync(lua_State *L) {
  return submit_sync(L, true);
}

static int l_fallocate(lua_State *L) {
  int fd = kio_check_fd(L, 1);
  kio_arg arg = {.extent.mode = kio_check_int(L, 2)};
  arg.extent.offset = kio_check_offset(L, 3);
  arg.extent.length = kio_check_offset(L, 4);
  return kio_op_run(L, KIO_OP_FALLOCATE, fd, arg, kio_op_timeout(L, 5), kio_op_donek);
}

static int l_ftruncate(lua_State *L) {
  int fd = kio_check_fd(L, 1);
  kio_arg arg = {.extent.length = kio_check_offset(L, 2)};
  return kio_op_run(L, KIO_OP_FTRUNCATE, fd, arg, kio_op_timeout(L, 3), kio_op_donek);
}

static int l_splicek(lua_State *L, int status, lua_KContext ctx) {
  kio_op_read_result(ctx);
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
  kio_request *request = kio_op_start(L, KIO_OP_SPLICE, out);
  if (!request) return KIO_FAILED;
  request->arg.splice.in = in;
  request->arg.splice.in_offset = in_offset;
  request->arg.splice.out_offset = out_offset;
  request->arg.splice.size = (uint32_t)size;
  request->result = kio_desc_enter(&kio_sched_current()->descs, request, in, 1);
  if (request->result) return kio_op_failed(L, request);
  return kio_op_submit(L, request, timeout, l_splicek);
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
