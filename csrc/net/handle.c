/* Owns the descriptors of listeners and of sockets of messages, and those on their way to another
   thread. Invariant: one that is moved or lost has none. Called by the thread that has the handle;
   nothing waits here but close, for what is under way. */
#include "net/handle.h"

#include <errno.h>

#include "base/memory.h"
#include "base/number.h"
#include "op/close.h"
#include "op/op.h"
#include "system/socket.h"
#include "task/here.h"
#include "task/io.h"
#include "task/traceback.h"

void kio_handle_init(kio_handle *h, const kio_handle_class *class, bool packets) {
  *h = (kio_handle){.class = class, .fd = -1, .packets = packets, .timeout_ns = KIO_NEVER};
  kio_waitable_init(&h->end);
}

void kio_handle_fill(kio_handle *h, int fd) {
  kio_assert(fd >= 0 && h->fd < 0 && !h->moved && !h->lost);
  h->fd = kio_number_share(fd);
  h->tenant = kio_number_tenant(fd);
  kio_socket_local(fd, &h->address); /* tells the port when 0 was asked for */
}

static void leave(kio_handle *h) {
  h->class->leave(h);
  kio_queue_wake_all(&h->end.queue);
}

void kio_handle_look(kio_handle *h) {
  kio_assert(h->fd < 0 || (!h->moved && !h->lost));
  if (kio_number_same(h->fd, h->tenant)) return;
  leave(h);
  h->fd = -1;
  h->lost = true;
}

/* The one at index 1, looked at. */
static kio_handle *check(lua_State *L) {
  const kio_type *type = kio_type_of(L, 1);
  luaL_argexpected(L, type && type->end == kio_handle_end, 1, "socket");
  kio_handle *h = lua_touserdata(L, 1);
  kio_handle_look(h);
  return h;
}

/* Asked anew while it is open: the first message gives a socket its port. */
static const kio_sockaddr *own_address(kio_handle *h) {
  if (h->fd >= 0) kio_socket_local(h->fd, &h->address);
  return &h->address;
}

/* ---- failures ---- */

int kio_handle_fail_closed(lua_State *L, const char *what, const char *subject, const char *noun,
                           bool moved, bool closed) {
  if (moved) lua_pushfstring(L, "the %s was handed over to another thread", noun);
  else if (closed) lua_pushfstring(L, "the %s is closed", noun);
  else lua_pushliteral(L, "its descriptor was closed by its number");
  return kio_fail_text(L, "EBADF", what, subject, lua_tostring(L, -1));
}

int kio_handle_fail(lua_State *L, kio_handle *h, const char *what, int err,
                    const kio_sockaddr *to) {
  char text[KIO_ADDRESS_TEXT_MAX + 1];
  kio_handle_look(h);
  kio_address_text(to ? to : h->connected ? &h->peer : own_address(h), text);
  if (err != EBADF) return kio_fail(L, err, what, text);
  return kio_handle_fail_closed(L, what, text, h->class->noun, h->moved, kio_handle_is_closed(h));
}

/* ---- closing ---- */

int kio_handle_close(lua_State *L, kio_handle *h) {
  own_address(h); /* for the messages of those who use it still */
  leave(h);
  return kio_close_socket(L, &h->fd, kio_close_may_wait(L));
}

/* The second argument is the error that unwinds, or nil. */
int kio_handle_l_close_value(lua_State *L) {
  lua_settop(L, 1);
  return kio_handle_close(L, check(L));
}

void kio_handle_end(void *handle) {
  kio_handle *h = handle;
  kio_handle_look(h);
  leave(h);
  kio_close_now(&h->fd);
}

/* ---- the rest ---- */

int kio_handle_push_address(lua_State *L, kio_handle *h) {
  kio_takes(L, 1);
  return kio_push_address(L, own_address(h));
}

int kio_handle_l_tostring(lua_State *L) {
  char own[KIO_ADDRESS_TEXT_MAX + 1], peer[KIO_ADDRESS_TEXT_MAX + 1] = "";
  kio_handle *h = check(L);
  const char *state = h->moved ? "handed over" : h->fd < 0 ? "closed" : "open";
  if (h->connected) kio_address_text(&h->peer, peer);
  lua_pushfstring(L, "%s (fd %d, %s, %s%s%s)", kio_type_of(L, 1)->name, h->fd, state,
                  kio_address_text(own_address(h), own), *peer ? ", peer " : "", peer);
  kio_traceback_escape(L, KIO_ESCAPE_NAME);
  return 1;
}

/* ---- to another thread ---- */

static const char *prepare(lua_State *L, int index, void **spare) {
  const kio_sched *sched = kio_sched_here();
  kio_handle *h = lua_touserdata(L, index);
  kio_handle_look(h);
  if (h->fd < 0) return h->moved ? "it was handed over before" : "it is closed";
  const char *why = h->class->may_move(h);
  if (why) return why;
  if (sched && kio_desc_busy(&sched->descs, h->fd)) return h->class->busy;
  kio_handle *moved = kio_memory_new(sizeof *moved);
  if (!moved) return "not enough memory";
  moved->fd = -1;
  *spare = moved;
  return NULL;
}

static void *give(lua_State *L, int index, void *spare) {
  kio_handle *h = lua_touserdata(L, index), *moved = spare;
  kio_assert(h->fd >= 0 && moved->fd < 0); /* prepared */
  *moved = *h;
  leave(h);
  h->fd = -1;
  h->moved = true;
  return moved;
}

/* All goes over but who waits for its end, and the userdata joins a loop with its next
   operation. */
static void become(kio_handle *h, kio_handle *moved) {
  kio_waitable end = h->end;
  kio_assert(h->fd < 0 && h->class == moved->class);
  *h = *moved;
  h->end = end;
  kio_memory_free(moved);
}

static void take(lua_State *L, void *object) {
  kio_handle *moved = object;
  moved->class->push(L, moved->packets);
  become(lua_touserdata(L, -1), moved);
}

static void drop(void *object) {
  kio_handle *moved = object;
  if (moved->fd >= 0 && kio_number_same(moved->fd, moved->tenant)) kio_sched_close_fd(moved->fd);
  kio_memory_free(moved);
}

static void restore(lua_State *L, int index, void *object) {
  become(lua_touserdata(L, index), object);
}

const kio_handle_kind kio_handle_moves = {prepare, give, take, drop, restore};
