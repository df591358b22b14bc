/* Deflaters and inflaters as Lua sees them. What comes out is gathered on the stack, for which Lua
   may need memory: then it collects garbage, and a finalizer may use or close the same coder, or
   there is none and an error leaves in the middle. So a call first marks the coder as failed, looks
   anew after each allocation, and takes the mark away when its results are made.
   The thread of the Lua state. */
#include <math.h>

#include "zlib/coder.h"
#include "zlib/face.h"

/* The only user value: what came behind the end, a string; nil: nothing. */
enum { REST = 1, REST_MAX = 1 << 20 };

enum { ROOM_SMALL = 512, ROOM_LARGE = 1 << 14 };

static const char cut_off[] = "an earlier call was cut off";

static kio_zlib_coder *check(lua_State *L) {
  kio_zlib_coder *coder = luaL_testudata(L, 1, KIO_ZLIB_DEFLATE_TYPE);
  if (!coder) coder = luaL_testudata(L, 1, KIO_ZLIB_INFLATE_TYPE);
  luaL_argexpected(L, coder, 1, KIO_ZLIB_DEFLATE_TYPE " or " KIO_ZLIB_INFLATE_TYPE);
  return coder;
}

static const char *name_of(const kio_zlib_coder *coder) {
  return coder->inflates ? "inflate" : "deflate";
}

static int fail(lua_State *L, const kio_zlib_coder *coder, const char *words, const char *code) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", name_of(coder), words);
  lua_pushstring(L, code);
  return 3;
}

/* The failure of one that cannot work; 0: it can. Raises when it is finished. */
static int refuse(lua_State *L, const kio_zlib_coder *coder) {
  if (coder->state == KIO_ZLIB_CLOSED) return fail(L, coder, "closed", "EBADF");
  if (coder->state == KIO_ZLIB_FAILED) return fail(L, coder, coder->words, coder->code);
  if (coder->finished) return luaL_error(L, "%s: finished: reset it first", name_of(coder));
  return 0;
}

/* ---- work ---- */

/* Whether zlib has anything to do with `size` bytes. */
static bool is_wanted(const kio_zlib_coder *coder, size_t size) {
  if (coder->state == KIO_ZLIB_ENDED) return coder->setup.members && size > 0;
  return coder->state == KIO_ZLIB_OPEN;
}

static kio_zlib_state mark(kio_zlib_coder *coder) {
  kio_zlib_state state = coder->state;
  kio_zlib_coder_fail(coder, cut_off, "EINVAL");
  return state;
}

/* False: a finalizer has closed or reset it. */
static bool unmark(kio_zlib_coder *coder, kio_zlib_state state) {
  if (coder->state != KIO_ZLIB_FAILED || coder->words != cut_off) return false;
  coder->state = state;
  return true;
}

/* All of `in`, as far as the data go: *size bytes are left. */
static bool run(kio_zlib_coder *coder, luaL_Buffer *out, const char *in, size_t *size, int how) {
  for (bool more = is_wanted(coder, *size); more;) {
    size_t taken = *size, given = luaL_bufflen(out) < ROOM_LARGE ? ROOM_SMALL : ROOM_LARGE;
    kio_zlib_state state = mark(coder);
    char *at = luaL_prepbuffsize(out, given);
    if (!unmark(coder, state)) return false;
    more = kio_zlib_coder_step(coder, in, &taken, at, &given, how);
    luaL_addsize(out, given);
    in += taken;
    *size -= taken;
  }
  return true;
}

/* Pushes what has come behind the end, whatever a program has put there with the debug library. */
static size_t push_rest(lua_State *L) {
  if (lua_getiuservalue(L, 1, REST) == LUA_TSTRING) return lua_rawlen(L, -1);
  lua_pop(L, 1);
  lua_pushliteral(L, "");
  return 0;
}

/* What comes behind the end of the data is kept: of one call all, of many not without end. */
static bool keep_rest(lua_State *L, kio_zlib_coder *coder, const char *bytes, size_t size) {
  if (!coder->inflates || coder->state != KIO_ZLIB_ENDED || size == 0) return true;
  kio_zlib_state state = mark(coder);
  size_t before = push_rest(L);
  lua_pushlstring(L, bytes, size);
  lua_concat(L, 2);
  lua_setiuservalue(L, 1, REST);
  if (!unmark(coder, state)) return false;
  if (before > REST_MAX) kio_zlib_coder_fail(coder, "too much behind the end", "EMSGSIZE");
  return true;
}

/* The arguments from the second to the `last`, then a step that goes `how`. */
static bool run_all(lua_State *L, kio_zlib_coder *coder, luaL_Buffer *out, int last, int how) {
  size_t size = 0;
  for (int i = 2; i <= last; i++) {
    const char *in = lua_tolstring(L, i, &size);
    size_t all = size;
    if (!run(coder, out, in, &size, Z_NO_FLUSH)) return false;
    if (!keep_rest(L, coder, in + all - size, size)) return false;
  }
  size = 0;
  return how == Z_NO_FLUSH || run(coder, out, "", &size, how);
}

static int work(lua_State *L, int how) {
  kio_zlib_coder *coder = check(L);
  int last = lua_gettop(L), refused;
  luaL_Buffer out;
  for (int i = 2; i <= last; i++) luaL_checkstring(L, i);
  if ((refused = refuse(L, coder)) > 0) return refused;
  luaL_buffinit(L, &out);
  if (!run_all(L, coder, &out, last, how)) return fail(L, coder, "closed meanwhile", "EBADF");
  if (how == Z_FINISH) kio_zlib_coder_finish(coder);
  if (coder->state == KIO_ZLIB_FAILED) return fail(L, coder, coder->words, coder->code);
  kio_zlib_state state = mark(coder);
  luaL_pushresult(&out);
  unmark(coder, state);
  return 1;
}

/* update(coder, bytes, ...) -> out */
static int l_update(lua_State *L) {
  return work(L, Z_NO_FLUSH);
}

/* finish(coder [, bytes, ...]) -> out */
static int l_finish(lua_State *L) {
  return work(L, Z_FINISH);
}

/* flush(deflater ["sync" | "full"]) -> out: what was given can be read from what has come out */
static int l_flush(lua_State *L) {
  static const char *const names[] = {"sync", "full", NULL};
  static const int ways[] = {Z_SYNC_FLUSH, Z_FULL_FLUSH};
  luaL_checkudata(L, 1, KIO_ZLIB_DEFLATE_TYPE);
  int how = ways[luaL_checkoption(L, 2, "sync", names)];
  kio_zlib_takes(L, 2);
  lua_settop(L, 1);
  return work(L, how);
}

/* ---- the rest ---- */

/* ended(inflater) -> whether the end of the data has come */
static int l_ended(lua_State *L) {
  const kio_zlib_coder *coder = luaL_checkudata(L, 1, KIO_ZLIB_INFLATE_TYPE);
  kio_zlib_takes(L, 1);
  lua_pushboolean(L, coder->state == KIO_ZLIB_ENDED);
  return 1;
}

/* rest(inflater) -> what came behind the end */
static int l_rest(lua_State *L) {
  luaL_checkudata(L, 1, KIO_ZLIB_INFLATE_TYPE);
  kio_zlib_takes(L, 1);
  push_rest(L);
  return 1;
}

static void forget_rest(lua_State *L) {
  lua_pushnil(L);
  lua_setiuservalue(L, 1, REST);
}

/* reset(coder) -> true: for other data, with the same memory */
static int l_reset(lua_State *L) {
  kio_zlib_coder *coder = check(L);
  kio_zlib_takes(L, 1);
  forget_rest(L);
  if (coder->state == KIO_ZLIB_CLOSED) return fail(L, coder, "closed", "EBADF");
  kio_zlib_coder_reset(coder);
  lua_pushboolean(L, true);
  return 1;
}

/* close(coder) -> true */
static int l_close(lua_State *L) {
  kio_zlib_coder *coder = check(L);
  kio_zlib_takes(L, 1);
  kio_zlib_coder_fini(coder);
  lua_pushboolean(L, true);
  return 1;
}

static int l_close_value(lua_State *L) {
  kio_zlib_coder_fini(check(L));
  return 0;
}

static int l_tostring(lua_State *L) {
  static const char *const states[] = {"closed", "open", "ended", "failed"};
  const kio_zlib_coder *coder = check(L);
  lua_pushfstring(L, "%s (%s)", coder->inflates ? KIO_ZLIB_INFLATE_TYPE : KIO_ZLIB_DEFLATE_TYPE,
                  states[coder->state]);
  return 1;
}

static void end(void *self) {
  kio_zlib_coder_fini(self);
}

/* ---- making them ---- */

static kio_zlib_coder *push(lua_State *L, const char *type) {
  kio_zlib_coder *coder = lua_newuserdatauv(L, sizeof *coder, REST);
  *coder = (kio_zlib_coder){0};
  luaL_setmetatable(L, type);
  return coder;
}

static int start(lua_State *L, kio_zlib_coder *coder, const kio_zlib_setup *setup, int dictionary) {
  size_t size = 0;
  const char *bytes = luaL_optlstring(L, dictionary, NULL, &size);
  bool fine = kio_zlib_coder_init(coder, coder->inflates, setup, bytes, size);
  return fine ? 1 : luaL_error(L, "not enough memory");
}

/* deflate(format, window, level, memory [, dictionary]) -> deflater; checked by the Lua half */
static int l_deflate(lua_State *L) {
  static const char *const formats[] = {"raw", "zlib", "gzip", NULL};
  kio_zlib_setup setup = {
      .format = (kio_zlib_format)luaL_checkoption(L, 1, NULL, formats),
      .window = (int)luaL_checkinteger(L, 2),
      .level = (int)luaL_checkinteger(L, 3),
      .memory = (int)luaL_checkinteger(L, 4),
      .out_max = UINT64_MAX,
      .ratio_max = (double)INFINITY,
  };
  return start(L, push(L, KIO_ZLIB_DEFLATE_TYPE), &setup, 5);
}

/* inflate(format, window, max, ratio, members [, dictionary]) -> inflater; likewise */
static int l_inflate(lua_State *L) {
  static const char *const formats[] = {"raw", "zlib", "gzip", "auto", NULL};
  kio_zlib_setup setup = {
      .format = (kio_zlib_format)luaL_checkoption(L, 1, NULL, formats),
      .window = (int)luaL_checkinteger(L, 2),
      .out_max = (uint64_t)luaL_checkinteger(L, 3),
      .ratio_max = luaL_checknumber(L, 4),
      .members = lua_toboolean(L, 5),
  };
  kio_zlib_coder *coder = push(L, KIO_ZLIB_INFLATE_TYPE);
  coder->inflates = true;
  return start(L, coder, &setup, 6);
}

/* ---- the two types ---- */

static const char *stay(lua_State *L, int index, void **spare) {
  (void)L;
  (void)index;
  (void)spare;
  return "deflaters and inflaters stay on their worker: send the bytes";
}

static const kio_handle_kind moves = {.prepare = stay};

static const luaL_Reg methods[] = {{"update", l_update},
                                   {"finish", l_finish},
                                   {"reset", l_reset},
                                   {"close", l_close},
                                   {NULL, NULL}};
static const luaL_Reg deflate_methods[] = {{"flush", l_flush}, {NULL, NULL}};
static const luaL_Reg inflate_methods[] = {{"ended", l_ended}, {"rest", l_rest}, {NULL, NULL}};

const kio_type kio_zlib_deflate_type = {
    .name = KIO_ZLIB_DEFLATE_TYPE,
    .methods = {methods, deflate_methods},
    .end = end,
    .close = l_close_value,
    .tostring = l_tostring,
    .moves = &moves,
};

const kio_type kio_zlib_inflate_type = {
    .name = KIO_ZLIB_INFLATE_TYPE,
    .methods = {methods, inflate_methods},
    .end = end,
    .close = l_close_value,
    .tostring = l_tostring,
    .moves = &moves,
};

const luaL_Reg kio_zlib_coder_ops[] = {
    {"deflate", l_deflate}, {"inflate", l_inflate}, {NULL, NULL}};
