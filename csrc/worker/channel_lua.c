/* kio.thread.channel: values from tasks to tasks of any worker. A value is packed by its sender and
   unpacked by its receiver; what the channel keeps between them knows no Lua. Handles move with the
   value when it is offered, and come back to the sender when it was not taken. Sending and
   receiving need a task, the rest may be called by whoever has the channel. The thread of the Lua
   state. */
#include <lauxlib.h>

#include "base/config.h"
#include "codec/handles.h"
#include "codec/pack.h"
#include "codec/scalar.h"
#include "codec/unpack.h"
#include "codec/wire.h"
#include "op/op.h"
#include "op/registry.h"
#include "thread/channel.h"
#include "worker/shared_wait.h"
#include "worker/shared.h"

#define CHANNEL_TYPE "kio.ThreadChannel"

enum { CHANNEL = 1, VALUE, HANDLES }; /* on the stack of a sender */

/* ---- the object ---- */

static void take(lua_State *L, void *object);

static void push_state(lua_State *L, void *object) {
  kio_channel_state s;
  kio_channel_look(object, &s);
  lua_pushfstring(L, "%s%I of %I, %I sending, %I receiving", s.closed ? "closed, " : "",
                  (LUAI_UACINT)s.count, (LUAI_UACINT)s.capacity, (LUAI_UACINT)s.sending,
                  (LUAI_UACINT)s.receiving);
}

static const kio_shared_kind kind = {
    .type = CHANNEL_TYPE,
    .moves = {kio_shared_prepare, kio_handle_give_reference, take, kio_channel_unref, NULL},
    .noun = "channel",
    .ref = kio_channel_ref,
    .give_back = kio_channel_give_back,
    .push_state = push_state,
};

static void take(lua_State *L, void *object) {
  kio_shared_push(L, &kind, object);
}

static kio_shared *check(lua_State *L) {
  return kio_shared_check(L, &kind);
}

/* ---- sending ---- */

/* Packs the value and leaves at HANDLES what has moved with it. */
static kio_parcel pack(lua_State *L) {
  static const kio_codec_limits limits = {KIO_PARCEL_MAX, KIO_WIRE_DEPTH_MAX, "message", false};
  kio_parcel parcel;
  lua_settop(L, VALUE);
  if (kio_scalar_pack(L, VALUE, &parcel)) return parcel; /* the common case, and nothing moves */
  if (!kio_codec_pack_kept(L, VALUE, 1, &parcel, &limits)) lua_error(L);
  return parcel;
}

/* The parcel was not taken: its handles are the sender's again. */
static int refused(lua_State *L, kio_parcel *parcel, kio_channel_result result, const char *what) {
  kio_assert(result != KIO_CHANNEL_DONE);
  kio_handles_restore(L, HANDLES, parcel);
  if (result == KIO_CHANNEL_CLOSED)
    return kio_fail_text(L, "EPIPE", what, "channel", "it is closed");
  if (result == KIO_CHANNEL_MEMORY) return luaL_error(L, "not enough memory");
  return kio_fail_text(L, "EAGAIN", what, "channel", "no room, and nobody waits to receive");
}

static int sent(lua_State *L) {
  lua_pushboolean(L, true);
  return 1;
}

static int l_sendk(lua_State *L, int status, lua_KContext ctx) {
  kio_shared_wait *wait = (kio_shared_wait *)ctx; /* NOLINT: it is anchored on this frame */
  (void)status;
  if (wait->awaiter.answer != KIO_ANSWER_DONE) {
    kio_handles_restore(L, HANDLES, &wait->awaiter.parcel);
    return kio_shared_wait_fail(L, wait, "send");
  }
  kio_assert(wait->awaiter.parcel.size == 0); /* taken */
  kio_shared_wait_end(wait);
  return sent(L);
}

/* There was no room. */
static int wait_to_send(lua_State *L, kio_task *task, kio_shared *shared, kio_parcel *parcel,
                        int64_t timeout_ns) {
  kio_shared_wait *wait = kio_shared_wait_new(L, task, shared, timeout_ns);
  if (!wait) {
    kio_handles_restore(L, HANDLES, parcel);
    return lua_error(L);
  }
  kio_channel_result result = kio_channel_send(shared->object, parcel, &wait->awaiter);
  if (result == KIO_CHANNEL_WAIT) {
    return kio_shared_wait_park(L, task, wait, "thread channel send", l_sendk);
  }
  kio_shared_wait_spare(task, wait);
  return result == KIO_CHANNEL_DONE ? sent(L) : refused(L, parcel, result, "send");
}

static int send_value(lua_State *L, kio_task *task, int64_t timeout_ns) {
  kio_shared *shared = lua_touserdata(L, CHANNEL);
  kio_parcel parcel = pack(L);
  kio_channel_result result = kio_channel_send(shared->object, &parcel, NULL);
  if (result == KIO_CHANNEL_DONE) return sent(L);
  if (result == KIO_CHANNEL_WAIT) return wait_to_send(L, task, shared, &parcel, timeout_ns);
  return refused(L, &parcel, result, "send");
}

static void check_value(lua_State *L) {
  luaL_argcheck(L, !lua_isnoneornil(L, VALUE), VALUE, "a channel cannot carry nil");
}

/* channel:send(value [, timeout]) -> true */
static int l_send(lua_State *L) {
  check(L);
  kio_takes(L, 3);
  check_value(L);
  int64_t timeout_ns = kio_shared_timeout(L, 3);
  kio_task *task = kio_op_begin(L);
  return send_value(L, task, timeout_ns);
}

/* channel:try_send(value) -> true */
static int l_try_send(lua_State *L) {
  kio_shared *shared = check(L);
  kio_takes(L, 2);
  check_value(L);
  kio_parcel parcel = pack(L);
  kio_channel_result result = kio_channel_send(shared->object, &parcel, NULL);
  return result == KIO_CHANNEL_DONE ? sent(L) : refused(L, &parcel, result, "try_send");
}

/* ---- receiving ---- */

/* Raises when the value cannot be made in this state: a module it needs is missing here. */
static int unpack(lua_State *L, kio_parcel *parcel) {
  int count = kio_codec_unpack(L, parcel);
  return count < 0 ? lua_error(L) : count;
}

/* Closed and empty. */
static int nothing(lua_State *L) {
  lua_pushnil(L);
  return 1;
}

static int l_receivek(lua_State *L, int status, lua_KContext ctx) {
  kio_shared_wait *wait = (kio_shared_wait *)ctx; /* NOLINT: it is anchored on this frame */
  kio_answer answer = wait->awaiter.answer;
  kio_parcel parcel = wait->awaiter.parcel;
  (void)status;
  if (answer == KIO_ANSWER_NONE) return kio_shared_wait_fail(L, wait, "receive");
  wait->awaiter.parcel = (kio_parcel){0};
  kio_shared_wait_end(wait);
  return answer == KIO_ANSWER_DONE ? unpack(L, &parcel) : nothing(L);
}

static int wait_to_receive(lua_State *L, kio_task *task, kio_shared *shared, int64_t timeout_ns) {
  kio_parcel parcel;
  kio_shared_wait *wait = kio_shared_wait_new(L, task, shared, timeout_ns);
  if (!wait) return lua_error(L);
  kio_channel_result result = kio_channel_receive(shared->object, &parcel, &wait->awaiter);
  if (result == KIO_CHANNEL_WAIT) {
    return kio_shared_wait_park(L, task, wait, "thread channel receive", l_receivek);
  }
  kio_shared_wait_spare(task, wait);
  return result == KIO_CHANNEL_DONE ? unpack(L, &parcel) : nothing(L);
}

static int receive_value(lua_State *L, kio_task *task, int64_t timeout_ns) {
  kio_parcel parcel;
  kio_shared *shared = lua_touserdata(L, CHANNEL);
  kio_channel_result result = kio_channel_receive(shared->object, &parcel, NULL);
  if (result == KIO_CHANNEL_DONE) return unpack(L, &parcel);
  if (result == KIO_CHANNEL_CLOSED) return nothing(L);
  return wait_to_receive(L, task, shared, timeout_ns);
}

/* channel:receive([timeout]) -> value | nil: closed and empty */
static int l_receive(lua_State *L) {
  check(L);
  kio_takes(L, 2);
  int64_t timeout_ns = kio_shared_timeout(L, 2);
  kio_task *task = kio_op_begin(L);
  return receive_value(L, task, timeout_ns);
}

/* channel:try_receive() -> value | nil: closed and empty */
static int l_try_receive(lua_State *L) {
  kio_parcel parcel;
  kio_shared *shared = check(L);
  kio_takes(L, 1);
  switch (kio_channel_receive(shared->object, &parcel, NULL)) {
  case KIO_CHANNEL_DONE: return unpack(L, &parcel);
  case KIO_CHANNEL_CLOSED: return nothing(L);
  default: return kio_fail_text(L, "EAGAIN", "try_receive", "channel", "it is empty");
  }
}

/* (): what iter gives; the channel is its upvalue */
static int l_next(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  return l_receive(L);
}

/* channel:iter() -> function that gives the values, until the channel is closed and empty */
static int l_iter(lua_State *L) {
  check(L);
  kio_takes(L, 1);
  lua_settop(L, 1);
  lua_pushcclosure(L, l_next, 1);
  return 1;
}

/* ---- for kio.select ---- */

/* thread_channel_ready(channel, sending) -> whether that would come to something at once */
static int l_ready(lua_State *L) {
  lua_pushboolean(L, kio_channel_ready(check(L)->object, lua_toboolean(L, 2)));
  return 1;
}

/* thread_channel_watch(channel, sending) -> watch that is woken when it is ready | nil: it is */
static int l_watch(lua_State *L) {
  kio_shared *shared = check(L);
  kio_task *task = kio_op_task(L);
  kio_shared_wait *watch = kio_shared_watch_new(L, task, shared);
  bool ready = kio_channel_watch(shared->object, lua_toboolean(L, 2), &watch->awaiter);
  return kio_shared_watch_begin(watch, task, ready);
}

/* ---- the rest ---- */

/* channel:close(); in a forked child nobody is there who could be woken */
static int l_close(lua_State *L) {
  kio_shared *shared = kio_shared_check_any(L, &kind);
  kio_takes(L, 1);
  if (!kio_shared_is_parents(shared)) kio_channel_close(shared->object);
  return 0;
}

/* The second argument is the error that unwinds, or nil. */
static int l_close_value(lua_State *L) {
  lua_settop(L, 1);
  return l_close(L);
}

/* thread_channel(capacity) -> channel */
static int l_thread_channel(lua_State *L) {
  lua_Integer capacity = luaL_checkinteger(L, 1);
  kio_takes(L, 1);
  luaL_argcheck(L, capacity >= 1 && capacity <= KIO_CHANNEL_MAX, 1,
                "a capacity is at least 1, and at most 2^30");
  kio_shared *shared = kio_shared_push_empty(L, &kind);
  return kio_shared_put(L, shared, kio_channel_new((size_t)capacity));
}

static const luaL_Reg methods[] = {
    {"send", l_send}, {"receive", l_receive}, {"try_send", l_try_send},
    {"iter", l_iter}, {"close", l_close},     {"try_receive", l_try_receive},
    {NULL, NULL},
};

const kio_type kio_channel_type = {
    .name = CHANNEL_TYPE,
    .methods = {methods},
    .end = kio_shared_end,
    .close = l_close_value,
    .tostring = kio_shared_l_tostring,
    .moves = &kind.moves,
};

const luaL_Reg kio_channel_own[] = {
    {"thread_channel", l_thread_channel},
    {"thread_channel_ready", l_ready},
    {"thread_channel_watch", l_watch},
    {NULL, NULL},
};
