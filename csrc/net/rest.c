/* Streams that rest: connections in a pool, which nobody reads and on which nothing may come. A
   receive is under way on each, silently: it keeps no run alive. What it brings, or the end, closes
   the stream at once; and who reads from the stream goes on with that receive, so that resting
   costs no request. One that is roused is about to be used: what comes now stays. Owns nothing.
   Called by the thread of the Lua state. */
#include "net/stream_lua.h"
#include "op/registry.h"
#include "task/here.h"

/* Whether nothing has come that nobody has read, nobody is at work, and nothing has failed. */
static bool is_quiet(const kio_stream *stream) {
  const kio_input *in = &stream->in;
  bool open = stream->state == KIO_STREAM_OPEN && !in->ended && !in->error && !stream->out.error;
  return open && !stream->reader && !kio_stream_is_taken(stream) && kio_stream_unread(stream) == 0;
}

/* Only a socket can bring what nobody has asked for. */
static bool can_rest(const kio_stream *stream) {
  return kio_stream_bottom(stream) == &kio_carrier_socket && !stream->resting;
}

/* Begins a receive for nobody. False: something is there already, or memory is out. */
static bool rest(kio_stream *stream) {
  int err = stream->carrier->aim(stream);
  if (err == KIO_CARRIER_HAS) kio_sched_dirty(stream->sched, &stream->member);
  if (err) return false;
  kio_stream_set_resting(stream);
  kio_stream_begin_receive(stream);
  return true;
}

/* stream_rest(stream) -> whether it rests now; false: it is of no use any more */
static int l_rest(lua_State *L) {
  kio_stream *stream = kio_stream_check(L)->stream;
  kio_sched *sched = kio_sched_here();
  bool fine = sched && is_quiet(stream) && kio_stream_attach(stream, sched) == 0;
  if (fine) kio_stream_set_roused(stream, false);
  if (fine && can_rest(stream)) fine = rest(stream);
  lua_pushboolean(L, fine);
  return 1;
}

/* stream_rests(stream) -> whether nothing has happened to it */
static int l_rests(lua_State *L) {
  lua_pushboolean(L, is_quiet(kio_stream_check(L)->stream));
  return 1;
}

/* stream_rouse(stream) -> the same; if so what comes from now on is for who reads */
static int l_rouse(lua_State *L) {
  kio_stream *stream = kio_stream_check(L)->stream;
  bool fine = is_quiet(stream);
  if (fine) kio_stream_set_roused(stream, true);
  lua_pushboolean(L, fine);
  return 1;
}

const luaL_Reg kio_rest_own[] = {
    {"stream_rest", l_rest},
    {"stream_rouse", l_rouse},
    {"stream_rests", l_rests},
    {NULL, NULL},
};
