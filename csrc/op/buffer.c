/* Buffers as Lua sees them: kio.buffer and its methods, but for those in lua/kio/buffer.lua. Owns
   nothing: a userdata is one holder of its block. Whatever touches bytes asks the block first
   whether the kernel has it. Needs no task. */
#include "op/buffer.h"

#include <errno.h>
#include <string.h>

#include "base/config.h"
#include "base/memory.h"
#include "op/op.h"
#include "op/registry.h"
#include "task/here.h"
#include "task/version.h"

#define BUFFER_TYPE "kio.Buffer"

const char kio_view_tag;

/* ---- the userdata ---- */

kio_view *kio_view_refuse(lua_State *L, int index) {
  if (!kio_view_at(L, index)) luaL_typeerror(L, index, BUFFER_TYPE);
  luaL_argerror(L, index, "a closed buffer");
  return NULL;
}

/* A closed view, so that nothing can fail once there is a block. */
static kio_view *push_view(lua_State *L) {
  kio_view *view = lua_newuserdatauv(L, sizeof *view, 0);
  *view = (kio_view){.tag = &kio_view_tag};
  luaL_setmetatable(L, BUFFER_TYPE);
  return view;
}

void kio_block_refuse(lua_State *L) {
  luaL_error(L, "the buffer is in use by an operation under way (EBUSY)");
}

/* The view at `index`, whose bytes the program may read or change now. */
static kio_view *check_free(lua_State *L, int index, bool change) {
  kio_view *view = kio_view_check(L, index);
  kio_block_check(L, view->block, change);
  return view;
}

/* ---- for operations ---- */

kio_bytes kio_bytes_check(lua_State *L, int index) {
  kio_bytes bytes = {0};
  const kio_view *view = kio_view_at(L, index);
  if (view) {
    kio_view_check(L, index);
    return (kio_bytes){kio_view_data(view), view->size, view->block};
  }
  luaL_argexpected(L, lua_type(L, index) == LUA_TSTRING, index, "kio.Buffer or string");
  bytes.data = kio_check_data(L, index, &bytes.size);
  return bytes;
}

/* A position in the view: 1 is the first byte, negative ones count from the end. */
static size_t check_place(lua_State *L, int index, const kio_view *view, lua_Integer otherwise) {
  lua_Integer place = luaL_optinteger(L, index, otherwise), size = (lua_Integer)view->size;
  if (place < 0) place = place < -size ? 0 : size + place + 1;
  luaL_argcheck(L, place >= 1 && place <= size + 1, index, "position outside of the buffer");
  return (size_t)place - 1;
}

void kio_view_read_range(lua_State *L, int index, const kio_view *view, size_t *at, size_t *size) {
  *at = check_place(L, index, view, 1);
  size_t room = view->size - *at;
  *size = lua_isnoneornil(L, index + 1) ? room : kio_check_size(L, index + 1);
  luaL_argcheck(L, *size <= room, index + 1, "more bytes than the buffer has room for");
}

bool kio_op_use_block(lua_State *L, kio_request *request, kio_block *block, kio_block_use how) {
  char subject[32];
  if (!block) return true;
  kio_assert(request->state == KIO_REQUEST_IDLE && !request->buffer.data);
  if (kio_block_acquire(block, how)) {
    request->block = block;
    request->flags |= KIO_REQUEST_BLOCK;
    return true;
  }
  snprintf(subject, sizeof subject, "fd %d", request->fd);
  kio_fail_text(L, "EBUSY", kio_op_name(request->op), subject,
                "the buffer is in use by another operation");
  kio_op_release(request);
  return false;
}

/* ---- making ---- */

/* buffer(size | string) -> buffer */
static int l_buffer(lua_State *L) {
  kio_takes(L, 1);
  size_t size = 0;
  const char *data = NULL;
  if (lua_type(L, 1) == LUA_TSTRING) data = kio_check_data(L, 1, &size);
  else size = kio_check_size(L, 1);
  kio_lua_count(L, size); /* a block is not Lua's */
  kio_view *view = push_view(L);
  view->block = kio_block_new(size);
  if (!view->block) return luaL_error(L, "not enough memory");
  view->size = view->room = size;
  if (size > 0 && data) memcpy(view->block->data, data, size);
  return 1;
}

/* The positions at `index` and behind it, as of string.sub: a range, empty when they cross. */
static void check_span(lua_State *L, int index, size_t length, size_t *at, size_t *size) {
  lua_Integer len = (lua_Integer)length;
  lua_Integer i = luaL_optinteger(L, index, 1), j = luaL_optinteger(L, index + 1, -1);
  if (i < 0) i = i < -len ? 1 : len + i + 1;
  if (i == 0) i = 1;
  if (j < 0) j = j < -len ? 0 : len + j + 1;
  if (j > len) j = len;
  *at = i > len ? length : (size_t)i - 1;
  *size = i > j ? 0 : (size_t)(j - i) + 1;
}

/* buffer:slice([i [, j]]) -> a buffer that shares these bytes */
static int l_slice(lua_State *L) {
  size_t at, size;
  kio_view_check(L, 1);
  kio_takes(L, 3);
  lua_settop(L, 3);
  kio_view *slice = push_view(L); /* first, for a finalizer may close the buffer */
  const kio_view *view = kio_view_check(L, 1);
  check_span(L, 2, view->size, &at, &size);
  kio_block_hold(view->block);
  slice->block = view->block;
  slice->at = view->at + at;
  slice->size = slice->room = size;
  return 1;
}

/* ---- bytes ---- */

/* buffer:string([i [, j]]) -> a copy of these bytes */
static int l_string(lua_State *L) {
  size_t at, size;
  const kio_view *view = check_free(L, 1, false);
  kio_takes(L, 3);
  check_span(L, 2, view->size, &at, &size);
  lua_pushlstring(L, kio_view_data(view) + at, size);
  return 1;
}

static int put(lua_State *L, const kio_view *view, int index, const char *data, size_t size) {
  size_t at = check_place(L, index, view, 1);
  luaL_argcheck(L, size <= view->size - at, index, "more bytes than fit behind this position");
  if (size > 0) memmove(kio_view_data(view) + at, data, size);
  lua_settop(L, 1);
  return 1;
}

/* buffer:set(at, string) -> buffer */
static int l_set(lua_State *L) {
  size_t size;
  const kio_view *view = check_free(L, 1, true);
  kio_takes(L, 3);
  luaL_checkinteger(L, 2);
  const char *data = kio_check_data(L, 3, &size);
  return put(L, view, 2, data, size);
}

/* buffer:copy(at, source [, i [, j]]) -> buffer: these bytes of a buffer or string, which may be
   those that are overwritten */
static int l_copy(lua_State *L) {
  size_t at, size;
  const kio_view *view = check_free(L, 1, true);
  kio_takes(L, 5);
  luaL_checkinteger(L, 2);
  kio_bytes source = kio_bytes_check(L, 3);
  if (source.block) kio_block_check(L, source.block, false);
  check_span(L, 4, source.size, &at, &size);
  return put(L, view, 2, source.data + at, size);
}

/* buffer:fill([byte [, i [, j]]]) -> buffer */
static int l_fill(lua_State *L) {
  size_t at, size;
  const kio_view *view = check_free(L, 1, true);
  kio_takes(L, 4);
  lua_Integer byte = luaL_optinteger(L, 2, 0);
  luaL_argcheck(L, byte >= 0 && byte <= 255, 2, "a byte is 0 to 255");
  check_span(L, 3, view->size, &at, &size);
  if (size > 0) memset(kio_view_data(view) + at, (int)byte, size);
  lua_settop(L, 1);
  return 1;
}

/* buffer:find(text [, init]) -> the first and last position of the next occurrence | nil */
static int l_find(lua_State *L) {
  size_t width;
  kio_view_check(L, 1);
  kio_takes(L, 3);
  const char *text = luaL_checklstring(L, 2, &width); /* first, for it may make a string */
  const kio_view *view = check_free(L, 1, false);
  const char *data = kio_view_data(view);
  size_t at = check_place(L, 3, view, 1);
  const char *found = memmem(data + at, view->size - at, text, width);
  if (!found) return (lua_pushnil(L), 1);
  lua_pushinteger(L, found - data + 1);
  lua_pushinteger(L, found - data + (lua_Integer)width);
  return 2;
}

/* ---- the rest ---- */

static int l_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)kio_view_check(L, 1)->size);
  return 1;
}

/* buffer:capacity() -> the longest it may be */
static int l_capacity(lua_State *L) {
  const kio_view *view = kio_view_check(L, 1);
  kio_takes(L, 1);
  lua_pushinteger(L, (lua_Integer)view->room);
  return 1;
}

/* buffer:resize(size) -> buffer, which now ends there; no byte moves or changes */
static int l_resize(lua_State *L) {
  kio_view *view = check_free(L, 1, true);
  kio_takes(L, 2);
  size_t size = kio_check_size(L, 2);
  luaL_argcheck(L, size <= view->room, 2, "more than the buffer's capacity");
  view->size = size;
  lua_settop(L, 1);
  return 1;
}

/* buffer:address_is_multiple_of(n): whether its first byte lies at a multiple of n in memory */
static int l_aligned(lua_State *L) {
  const kio_view *view = kio_view_check(L, 1);
  kio_takes(L, 2);
  lua_Integer n = luaL_checkinteger(L, 2);
  luaL_argcheck(L, n > 0, 2, "must be at least 1");
  lua_pushboolean(L, (uintptr_t)kio_view_data(view) % (uintptr_t)n == 0);
  return 1;
}

/* Requests that use the block hold it too: their memory stays until they have completed. */
static void let_go(void *self) {
  kio_view *view = self;
  kio_sched *sched = kio_sched_current();
  if (view->block) kio_block_drop(view->block, sched ? &sched->buffers : NULL);
  view->block = NULL;
}

/* buffer:close() -> true; its memory is freed with the last slice */
static int l_close(lua_State *L) {
  kio_view *view = kio_view_at(L, 1);
  kio_takes(L, 1);
  if (!view) luaL_typeerror(L, 1, BUFFER_TYPE);
  if (view->block && !kio_block_free_to(view->block, true)) {
    return kio_fail_text(L, "EBUSY", "close", "buffer", "it is in use by an operation under way");
  }
  let_go(view);
  lua_pushboolean(L, true);
  return 1;
}

static int l_tostring(lua_State *L) {
  const kio_view *view = luaL_checkudata(L, 1, BUFFER_TYPE);
  if (!view->block) return (lua_pushliteral(L, BUFFER_TYPE " (closed)"), 1);
  const char *state = kio_block_free_to(view->block, true) ? "" : ", in use";
  lua_pushfstring(L, BUFFER_TYPE " (%I of %I bytes%s)", (LUAI_UACINT)view->size,
                  (LUAI_UACINT)view->room, state);
  return 1;
}

/* ---- to another thread ---- */

/* A spare has no block. */
static const char *prepare(lua_State *L, int index, void **spare) {
  const kio_view *view = lua_touserdata(L, index);
  if (!view->block) return "it is closed";
  if (!kio_block_free_to(view->block, true)) return "an operation under way uses it";
  if (view->block->holders > 1) return "another buffer shares its bytes";
  kio_view *moved = kio_memory_new(sizeof *moved);
  if (!moved) return "not enough memory";
  *spare = moved;
  return NULL;
}

static void *give(lua_State *L, int index, void *spare) {
  kio_view *view = lua_touserdata(L, index), *moved = spare;
  *moved = *view;
  view->block = NULL;
  return moved;
}

static void take(lua_State *L, void *object) {
  kio_view *moved = object;
  kio_assert(moved->block->holders == 1); /* the one that came over */
  kio_lua_count(L, moved->block->size);
  *push_view(L) = *moved;
  kio_memory_free(moved);
}

static void drop(void *object) {
  kio_view *moved = object;
  if (moved->block) kio_block_drop(moved->block, NULL);
  kio_memory_free(moved);
}

static void restore(lua_State *L, int index, void *object) {
  kio_view *view = lua_touserdata(L, index);
  *view = *(kio_view *)object;
  kio_memory_free(object);
}

static const kio_handle_kind moves = {prepare, give, take, drop, restore};

static const luaL_Reg methods[] = {
    {"string", l_string},     {"set", l_set},         {"copy", l_copy},   {"fill", l_fill},
    {"find", l_find},         {"slice", l_slice},     {"close", l_close}, {"resize", l_resize},
    {"capacity", l_capacity}, {"aligned", l_aligned}, {NULL, NULL},
};

const kio_type kio_buffer_type = {
    .name = BUFFER_TYPE,
    .methods = {methods},
    .end = let_go,
    .close = kio_type_l_close,
    .tostring = l_tostring,
    .len = l_len,
    .moves = &moves,
};

const luaL_Reg kio_buffer_ops[] = {
    {"buffer", l_buffer},
    {NULL, NULL},
};
