/* Owns nothing; holds the one path down (begin, request, submit) and the one path up (result,
   failed, release) of every operation. A task's request is remembered in task->request from submit
   to release, so that an error in between (memory, say) loses nothing: the next operation, or the
   task's end, gives it back. */
#include "op/op.h"

#include <errno.h>
#include <string.h>

#include "base/errname.h"
#include "base/number.h"
#include "op/misuse.h"
#include "system/address.h"
#include "system/terminal.h"
#include "task/external.h"
#include "task/here.h"
#include "task/io.h"
#include "task/result.h"
#include "task/task.h"
#include "task/wait.h"

/* ---- may it start? ---- */

static int cancelledk(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  kio_task_check_resumed(L);
  return kio_task_raise_cancelled(L);
}

/* A cancelled task raises at every operation; it lets the loop turn first, so that one that
   catches and tries for ever cannot hold the others up. */
static void raise_after_turn(lua_State *L, kio_task *task) {
  kio_sched_ready(task->sched, task);
  kio_task_yield_marked(L, 0, cancelledk);
}

kio_task *kio_op_no_task(lua_State *L) {
  const kio_sched *sched = kio_sched_current();
  if (sched && !kio_sched_here()) {
    kio_misuse(L, "operation in a forked child: the ring stays with the parent process; start a "
                  "kio.run of the child's own, or exec another program");
  }
  if (!sched || !sched->current) {
    kio_misuse(L, "operation outside a task: call it in a function run by kio.run or kio.spawn");
  }
  kio_misuse(L, "operation in a coroutine kio does not run: its resume was taken from the "
                "coroutine library before kio was loaded, or it belongs to another task");
  return NULL;
}

kio_task *kio_op_begin_closing(lua_State *L) {
  kio_task *task = kio_op_task(L);
  if (!lua_isyieldable(L) || task->sched->stuck) {
    kio_misuse(L, "operation where Lua cannot yield (within table.sort, string.gsub, require, a "
                  "metamethod called from C, or coroutine.close)");
  }
  if (task->request) { /* an error cut its operation off after the result had come */
    kio_sched_dispose(task->sched, task->request);
    task->request = NULL;
  }
  return task;
}

static int turnedk(lua_State *L, int status, lua_KContext count) {
  (void)status;
  kio_task_check_resumed(L);
  return (int)count;
}

int kio_op_let_turn(lua_State *L, int count) {
  kio_task *task = kio_op_task(L);
  if (!lua_isyieldable(L) || task->sched->stuck) return count;
  luaL_checkstack(L, 1, NULL);
  kio_sched_ready(task->sched, task);
  return kio_task_yield_marked(L, count, turnedk);
}

/* The function has done nothing yet: it begins once more. */
static int againk(lua_State *L, int status, lua_KContext ctx) {
  lua_Debug frame;
  (void)status;
  (void)ctx;
  kio_task_check_resumed(L);
  lua_getstack(L, 0, &frame);
  lua_getinfo(L, "f", &frame);
  lua_CFunction self = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  return self(L);
}

static void begin_after_turn(lua_State *L, kio_task *task) {
  luaL_checkstack(L, 4, NULL); /* or the second attempt would fail after the wait */
  kio_sched_ready(task->sched, task);
  kio_task_yield_marked(L, 0, againk);
}

kio_task *kio_op_begin_slowly(lua_State *L) {
  kio_task *task = kio_op_begin_waiting(L);
  if (kio_sched_is_spent(task->sched)) begin_after_turn(L, task);
  return task;
}

kio_task *kio_op_begin_lightly_slowly(lua_State *L) {
  kio_task *task = kio_op_task(L);
  bool on = !lua_isyieldable(L) || task->sched->stuck;
  return on && !kio_task_is_cancelled(task) ? task : kio_op_begin_slowly(L);
}

void kio_op_begin_plainly(lua_State *L) {
  kio_task *task = kio_op_running(L);
  if (!task || kio_sched_spend(task->sched)) return;
  if (lua_isyieldable(L) && !task->sched->stuck) kio_op_begin_slowly(L);
}

kio_task *kio_op_begin_waiting(lua_State *L) {
  kio_task *task = kio_op_running(L);
  if (kio_op_may_start(L, task)) return task;
  task = kio_op_begin_closing(L);
  if (kio_task_is_cancelled(task)) raise_after_turn(L, task);
  return task;
}

/* ---- down ---- */

static inline kio_request *request_on(lua_State *L, kio_task *task, kio_op op, int fd) {
  kio_request *request;
  int err = kio_sched_request(task->sched, op, fd, task, kio_op_wake_owner, &request);
  if (err == 0) return request;
  kio_fail_fd(L, -err, kio_op_name(op), fd);
  return NULL;
}

kio_request *kio_op_request(lua_State *L, kio_task *task, kio_op op, int fd) {
  return request_on(L, task, op, fd);
}

kio_request *kio_op_start(lua_State *L, kio_op op, int fd) {
  return request_on(L, kio_op_begin(L), op, fd);
}

void kio_op_wake_owner(kio_request *request) {
  kio_task *task = request->owner;
  kio_assert(task->request == request);
  kio_task_wake(task);
}

bool kio_op_buffer(lua_State *L, kio_request *request, size_t size) {
  kio_sched *sched = kio_sched_current();
  kio_assert(!request->buffer.data);
  request->buffer = kio_buffer_take(&sched->buffers, size > 0 ? size : 1);
  if (request->buffer.data) return true;
  request->result = -ENOMEM;
  kio_op_failed(L, request);
  return false;
}

bool kio_op_address(lua_State *L, kio_request *request) {
  if (!kio_op_buffer(L, request, sizeof *request->arg.address)) return false;
  request->arg.address = (kio_sockaddr *)(void *)request->buffer.data;
  request->arg.accept.more = NULL;
  kio_address_blank(request->arg.address);
  return true;
}

static void abandon_request(kio_task *task) {
  kio_ring_cancel(&task->sched->ring, task->request, kio_task_is_due(task));
}

int kio_op_submit(lua_State *L, kio_request *request, int64_t timeout_ns, lua_KFunction k) {
  kio_task *task = request->owner;
  kio_sched *sched = task->sched;
  kio_assert(!task->request && sched->current == task);
  if (!kio_sched_timer(sched, task, kio_sched_due(sched, timeout_ns))) {
    request->result = -ENOMEM;
    return kio_op_failed(L, request);
  }
  task->request = request;
  kio_task_says(task, kio_op_name(request->op), request->fd);
  kio_ring_queue(&sched->ring, request);
  return kio_task_park(L, task, abandon_request, (lua_KContext)request, k);
}

int kio_op_run(lua_State *L, kio_op op, int fd, kio_arg arg, int64_t timeout_ns, lua_KFunction k) {
  kio_request *request = kio_op_start(L, op, fd);
  if (!request) return KIO_FAILED;
  request->arg = arg;
  return kio_op_submit(L, request, timeout_ns, k);
}

void kio_op_start_timer(lua_State *L, kio_task *task, int64_t timeout_ns) {
  kio_sched *sched = task->sched;
  if (kio_sched_timer(sched, task, kio_sched_due(sched, timeout_ns))) return;
  luaL_error(L, "not enough memory");
}

/* ---- up ---- */

static inline kio_request *finished(lua_KContext ctx) {
  kio_request *request = (kio_request *)ctx; /* NOLINT: it was one when it went down */
  kio_assert(request->state == KIO_REQUEST_DONE);
  return request;
}

kio_request *kio_op_result(lua_KContext ctx) {
  kio_request *request = finished(ctx);
  if (kio_request_brings(request) && request->result >= 0) kio_number_share(request->result);
  return request;
}

kio_request *kio_op_read_result(lua_KContext ctx) {
  kio_request *request = finished(ctx);
  kio_debug_assert(!kio_request_brings(request));
  if (request->result >= 0) return request;
  int from = request->op == KIO_OP_SPLICE ? request->arg.splice.in : request->fd;
  if (kio_terminal_ended(from, request->result)) request->result = 0;
  return request;
}

void kio_op_release(kio_request *request) {
  kio_sched *sched = kio_sched_current();
  if (sched->current->request == request) sched->current->request = NULL;
  kio_sched_release(sched, request);
}

/* Whether somebody's cancel ended it: some calls of the kernel's own threads say so by EINTR. */
static bool is_cut(int err) {
  return err == ECANCELED || err == EINTR;
}

int kio_op_error(const kio_task *task, const kio_request *request) {
  int err = request->result < 0 ? -request->result : 0;
  if (err && request->flags & KIO_REQUEST_CLOSED) return EBADF;
  return is_cut(err) && task->wake == KIO_WAKE_TIMEOUT ? ETIMEDOUT : err;
}

bool kio_op_cancelled(const kio_task *task, int err) {
  return is_cut(err) && task->wake == KIO_WAKE_CANCEL;
}

int kio_op_failed(lua_State *L, kio_request *request) {
  kio_task *task = kio_sched_current()->current;
  kio_assert(request->result < 0);
  int err = kio_op_error(task, request);
  if (kio_op_cancelled(task, err)) {
    kio_op_release(request);
    return kio_task_raise_cancelled(L);
  }
  task->request = request; /* to tell the failure may raise for want of memory */
  bool named = kio_op_look(request->op)->arg == KIO_ARG_PATH;
  if (named && request->arg.path.name) {
    kio_fail(L, err, kio_op_name(request->op), request->arg.path.name);
  } else {
    kio_fail_fd(L, err, kio_op_name(request->op), request->fd);
  }
  kio_op_release(request);
  return KIO_FAILED;
}

int kio_op_donek(lua_State *L, int status, lua_KContext ctx) {
  kio_request *request = kio_op_result(ctx);
  (void)status;
  if (request->result < 0) return kio_op_failed(L, request);
  kio_op_release(request);
  lua_pushboolean(L, true);
  return 1;
}

int kio_op_countk(lua_State *L, int status, lua_KContext ctx) {
  kio_request *request = kio_op_result(ctx);
  (void)status;
  if (request->result < 0) return kio_op_failed(L, request);
  lua_pushinteger(L, request->result);
  kio_op_release(request);
  return 1;
}

int kio_op_intok(lua_State *L, int status, lua_KContext ctx) {
  kio_request *request = kio_op_read_result(ctx);
  (void)status;
  if (request->result < 0) return kio_op_failed(L, request);
  if (request->result == 0 && request->arg.io.size > 0) lua_pushnil(L);
  else lua_pushinteger(L, request->result);
  kio_op_release(request);
  return 1;
}

static void push_read(lua_State *L, kio_request *request, size_t size) {
  kio_buffer buffer = request->buffer;
  if (!kio_external_suits(buffer, size)) {
    lua_pushlstring(L, buffer.data, size);
    return;
  }
  kio_external from = {buffer, &request->buffer, &buffer, sizeof buffer, 0};
  request->buffer.data = NULL;
  kio_external_push(L, &from, buffer.data, size);
}

int kio_op_bytesk(lua_State *L, int status, lua_KContext ctx) {
  kio_request *request = kio_op_read_result(ctx);
  (void)status;
  if (request->result < 0) return kio_op_failed(L, request);
  size_t room = request->arg.io.size, size = kio_min_size((size_t)request->result, room);
  if (size == 0 && room > 0) lua_pushnil(L);
  else push_read(L, request, size);
  kio_op_release(request);
  return 1;
}

int kio_fail_text(lua_State *L, const char *code, const char *what, const char *subject,
                  const char *text) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s %s: %s", what, subject, text);
  lua_pushstring(L, code);
  return KIO_FAILED;
}

int kio_fail_fd(lua_State *L, int err, const char *what, int fd) {
  char subject[32];
  int stand_in = fd & ~KIO_NUMBER_MASK;
  const char *why = stand_in == KIO_NUMBER_OWN    ? "the descriptor is kio's own"
                    : stand_in == KIO_NUMBER_GONE ? "it was closed by its number"
                                                  : NULL;
  snprintf(subject, sizeof subject, "fd %d", why ? fd & KIO_NUMBER_MASK : fd);
  return why ? kio_fail_text(L, "EBADF", what, subject, why) : kio_fail(L, err, what, subject);
}

int kio_fail(lua_State *L, int err, const char *what, const char *subject) {
  char text[128];
  kio_errname_text(err, text, sizeof text);
  return kio_fail_text(L, kio_errname(err), what, subject, text);
}

/* ---- results ---- */

int kio_push_address(lua_State *L, const kio_sockaddr *address) {
  char text[KIO_ADDRESS_TEXT_MAX];
  lua_pushlstring(L, text, kio_address_format(address, text));
  return 1;
}

int kio_push_fd(lua_State *L, int fd) {
  if (fd >= 0) lua_pushinteger(L, fd);
  else lua_pushnil(L);
  return 1;
}

void kio_set_integer(lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

void kio_set_number(lua_State *L, const char *name, lua_Number value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

void kio_set_text(lua_State *L, const char *name, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}
