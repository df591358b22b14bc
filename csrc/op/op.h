/* What every operation does alike: check that it may start, hand a request down and park, take the
   result up, tell failures. An operation is a C function `l_x` that ends in kio_op_submit, and a
   continuation `l_xk` that turns the finished request into Lua values.
   All of these are called in the running task, and may raise.

   What may raise, and where its resource is found then. Lua raises by a long jump: nothing behind
   the call runs. So whatever an operation holds must be found by somebody else at any call that may
   raise, which is any that takes Lua's memory. A request is found through task->request, which the
   end of the task disposes of: it is set before the result is made (kio_op_failed), and a request
   that owns its descriptor says so (KIO_REQUEST_OWNS_FD). What is no request lies in a userdata
   that was pushed before it was filled (net/connection.h), or in an anchor with a finalizer
   (op/await.c). Between taking a resource and putting it there, nothing may raise. */
#ifndef KIO_OP_OP_H
#define KIO_OP_OP_H

#include "ring/request.h"
#include "task/here.h"
#include "task/task.h"

/* The running task when L is its code, else NULL. */
static inline kio_task *kio_op_running(lua_State *L) {
  const kio_sched *sched = kio_sched_here();
  return sched && sched->leaf == L ? sched->current : NULL;
}
/* kio_op_begin when something is in the way, or the loop may have to turn: says what, or removes
   it. */
kio_task *kio_op_begin_slowly(lua_State *L);
/* Lets the loop turn and returns `count` results, also in a task that is cancelled meanwhile. */
int kio_op_let_turn(lua_State *L, int count);
/* kio_op_task when L is no task's code: raises. */
kio_task *kio_op_no_task(lua_State *L);
/* Whether nothing is in the way of an operation of this task. */
static inline bool kio_op_may_start(lua_State *L, const kio_task *task) {
  return task && !task->sched->stuck && !task->request && !kio_task_is_cancelled(task) &&
         lua_isyieldable(L);
}
/* The running task, when an operation may start in L. Raises outside a task, where Lua cannot
   yield, and in a coroutine kio does not drive; in a cancelled task it raises Cancelled, after
   letting the loop turn once. A task that has begun many operations without waiting lets the loop
   turn, and then L's C function is called anew. So this may yield L: call it once in a function,
   before anything that must be undone, and before its arguments are changed. */
static inline kio_task *kio_op_begin(lua_State *L) {
  kio_task *task = kio_op_running(L);
  return kio_op_may_start(L, task) && kio_sched_spend(task->sched) ? task : kio_op_begin_slowly(L);
}
/* The operation has come to something at once: returns `count`, the number of its results on top of
   the stack, after letting the loop turn when it is time for that. */
static inline int kio_op_at_once(lua_State *L, int count) {
  kio_sched *sched = kio_sched_current();
  bool on = kio_sched_spend(sched) || !kio_sched_is_spent(sched);
  return on ? count : kio_op_let_turn(L, count);
}
/* kio_op_at_once for what may be called where no task runs, such as a second `close`. */
static inline int kio_op_done_at_once(lua_State *L, int count) {
  return kio_op_running(L) ? kio_op_at_once(L, count) : count;
}
/* kio_op_begin_lightly when something is in the way, or the loop may have to turn. */
kio_task *kio_op_begin_lightly_slowly(lua_State *L);
/* kio_op_begin for what seldom waits: where Lua cannot yield it is not refused, and goes on. */
static inline kio_task *kio_op_begin_lightly(lua_State *L) {
  kio_task *task = kio_op_running(L);
  bool on = task && !kio_task_is_cancelled(task) && kio_sched_spend(task->sched);
  return on ? task : kio_op_begin_lightly_slowly(L);
}
/* kio_op_begin for what never parks, is also called outside of tasks, and may be tried over and
   over until the system grants it: only a task that has spent its budget lets the loop turn, and is
   refused when it is cancelled. */
void kio_op_begin_plainly(lua_State *L);
/* kio_op_begin for what parks in any case, and must not miss what happens before: only a cancelled
   task lets the loop turn. */
kio_task *kio_op_begin_waiting(lua_State *L);
/* kio_op_begin, not refused to a cancelled task: for `close`, which must always close. */
kio_task *kio_op_begin_closing(lua_State *L);
/* Whether a task of this process runs here: what may also be done without one is an operation then,
   and plain outside. */
static inline bool kio_op_in_task(void) {
  const kio_sched *sched = kio_sched_here();
  return sched && sched->current;
}
/* The running task, for calls that never park. Raises outside a task only. */
static inline kio_task *kio_op_task(lua_State *L) {
  kio_task *task = kio_op_running(L);
  return task ? task : kio_op_no_task(L);
}
/* Pushes the option of that name in the table at `index`, nil when it has none; returns its type.
   Whoever reads an option does so by this: only the table's own fields count, and neither
   metamethods nor finalizers run. */
int kio_option(lua_State *L, int index, const char *name);
/* kio_op_timeout_or when there is an argument at `index`. */
int64_t kio_op_read_timeout(lua_State *L, int index, int64_t otherwise);
/* The `timeout` of an options table at `index` (nil or none: no options), in nanoseconds;
   `otherwise` when there is none. Raises on another key, a wrong type, a negative number; and on
   arguments behind it. */
static inline int64_t kio_op_timeout_or(lua_State *L, int index, int64_t otherwise) {
  return lua_gettop(L) < index ? otherwise : kio_op_read_timeout(L, index, otherwise);
}
/* kio_op_timeout_or; KIO_NEVER when there is none. */
static inline int64_t kio_op_timeout(lua_State *L, int index) {
  return kio_op_timeout_or(L, index, KIO_NEVER);
}
/* kio_op_timeout_or for a table with other options, whose keys have been checked. */
int64_t kio_option_timeout(lua_State *L, int index, int64_t otherwise);
/* A failure was pushed, for the program to see: nil, message, code. So many results they are. */
enum { KIO_FAILED = 3 };
/* handle:set_timeout(seconds | nil) -> handle. Returns 1. */
int kio_op_set_timeout(lua_State *L, int64_t *timeout_ns);
/* A request of the running task on fd. NULL: return KIO_FAILED. */
kio_request *kio_op_request(lua_State *L, kio_task *task, kio_op op, int fd);
/* kio_op_begin and kio_op_request, when there is nothing to do between the two. */
kio_request *kio_op_start(lua_State *L, kio_op op, int fd);
/* Gives it a buffer of `size` bytes. False, the request given back: return KIO_FAILED. */
bool kio_op_buffer(lua_State *L, kio_request *request, size_t size);
/* Gives it room for an address, which is empty. False as kio_op_buffer. */
bool kio_op_address(lua_State *L, kio_request *request);
/* The `done` of a request whose owner is a task: wakes it. */
void kio_op_wake_owner(kio_request *request);
/* Queues the request, parks its task until it is done; then `k` runs with the request as context.
   Never returns, but for KIO_FAILED when memory is out. */
int kio_op_submit(lua_State *L, kio_request *request, int64_t timeout_ns, lua_KFunction k);
/* kio_op_start and kio_op_submit for an operation that needs nothing but its arguments. */
int kio_op_run(lua_State *L, kio_op op, int fd, kio_arg arg, int64_t timeout_ns, lua_KFunction k);
/* kio_op_timer when there is a timeout. */
void kio_op_start_timer(lua_State *L, kio_task *task, int64_t timeout_ns);
/* Starts the timer of the running task, about to park for something that is no request; raises when
   memory is out. */
static inline void kio_op_timer(lua_State *L, kio_task *task, int64_t timeout_ns) {
  if (timeout_ns != KIO_NEVER) kio_op_start_timer(L, task, timeout_ns);
}
/* The request a continuation was given; its result is final. */
kio_request *kio_op_result(lua_KContext ctx);
/* kio_op_result of one that reads: where the kernel tells an end by an error, its result is 0. */
kio_request *kio_op_read_result(lua_KContext ctx);
/* Gives back the request of the running task; its results must have been taken. */
void kio_op_release(kio_request *request);
/* For a result below 0: gives the request back and raises Cancelled, or returns KIO_FAILED. */
int kio_op_failed(lua_State *L, kio_request *request);
/* A continuation for operations whose only result is success: true, or the failure. */
int kio_op_donek(lua_State *L, int status, lua_KContext ctx);
/* One whose result is the number the kernel gave. */
int kio_op_countk(lua_State *L, int status, lua_KContext ctx);
/* One whose result is what it has read into its buffer; nil at the end. */
int kio_op_bytesk(lua_State *L, int status, lua_KContext ctx);
/* One whose result is how many bytes it has read to where the program wants them; nil at the end.
 */
int kio_op_intok(lua_State *L, int status, lua_KContext ctx);

/* The errno a finished request means for its waiting task: ETIMEDOUT and EBADF in place of the
   ECANCELED they were brought about by; 0 for success. */
int kio_op_error(const kio_task *task, const kio_request *request);
/* Whether that errno tells that the cancellation of the task has ended its operation: raise it. */
bool kio_op_cancelled(const kio_task *task, int err);
/* Pushes nil, "what subject: message", code; returns KIO_FAILED. */
int kio_fail(lua_State *L, int err, const char *what, const char *subject);

/* kio_fail about a descriptor: "what fd N: message". */
int kio_fail_fd(lua_State *L, int err, const char *what, int fd);
/* kio_fail with words of our own instead of an errno's. */
int kio_fail_text(lua_State *L, const char *code, const char *what, const char *subject,
                  const char *text);

/* Pushes an address as text; returns 1. */
int kio_push_address(lua_State *L, const kio_sockaddr *address);
/* Pushes a handle's descriptor, nil for a negative one: it is closed. Returns 1. */
int kio_push_fd(lua_State *L, int fd);
/* Sets a field of the table on top. */
void kio_set_integer(lua_State *L, const char *name, lua_Integer value);
void kio_set_number(lua_State *L, const char *name, lua_Number value);
void kio_set_text(lua_State *L, const char *name, const char *text);

/* kio_takes when there are more: raises unless all of those are nil, or a loop gives them. */
void kio_check_excess(lua_State *L, int most);
/* The first line of a function that Lua calls with up to so many arguments: others are refused, and
   not left out of account. Returns how many there are. What takes a `timeout` as its last argument
   says so by that. */
static inline int kio_takes(lua_State *L, int most) {
  int count = lua_gettop(L);
  return count > most ? (kio_check_excess(L, most), most) : count;
}
/* Argument checks; each raises an argument error that names what is wrong. */
int kio_check_fd(lua_State *L, int index); /* for one it may not use what number.h has for that */
/* kio_check_fd without raising: what is wrong with the number at `index`; NULL: it is in `fd`. */
const char *kio_read_fd(lua_State *L, int index, int *fd);
size_t kio_check_size(lua_State *L, int index);     /* how many bytes, within one kernel call */
uint64_t kio_check_offset(lua_State *L, int index); /* 0 or more */
const char *kio_check_data(lua_State *L, int index, size_t *size); /* a string to write */
const char *kio_check_path(lua_State *L, int index);               /* without a zero byte */
int64_t kio_check_seconds(lua_State *L, int index);                /* 0 or more, as nanoseconds */
int kio_check_int(lua_State *L, int index);                        /* an integer that fits an int */
/* A numeric address, for the operation of that name. False: it is none, return KIO_FAILED. */
bool kio_check_address(lua_State *L, int index, const char *what, kio_sockaddr *address);
/* Checks options in a table that also has a list part. */
void kio_check_named_options(lua_State *L, int index, const char *const *known);
/* The length of the list at `index`: 1 to KIO_IOV_MAX. */
unsigned kio_check_list(lua_State *L, int index);
/* Pushes the strings of the list at `index`, so that the frame keeps them alive whatever happens to
   the table; raises when one is no string, or their sum is 2 GiB or more. */
void kio_push_strings(lua_State *L, int index, unsigned count);
/* Points iovecs at `count` strings on the stack, from `first`. */
void kio_fill_iovecs(lua_State *L, int first, unsigned count, struct iovec *iov);
/* A file's type by its mode bits: "file", "directory", "link", "fifo", "socket", "char",
   "block". */
const char *kio_file_type_name(unsigned mode);
/* Seconds to nanoseconds; infinity and what is out of range give KIO_NEVER. */
int64_t kio_seconds_to_ns(lua_Number seconds);
/* Raises when the table at `index` has a key that is not in the NULL-ended list. */
void kio_check_options(lua_State *L, int index, const char *const *known);

#endif
