/* Packing. Owns a writer while it runs: all its memory is C memory that kio_codec_pack frees, so
   that the walk may raise anywhere. The walk changes nothing: handles move when it is over.
   Whatever takes Lua's memory may run finalizers, which may close what has been looked at, or load
   modules: nothing but Lua values and the memory above is trusted across that. Called by the thread
   of the Lua state. */
#include "codec/pack.h"

#include <lauxlib.h>
#include <string.h>

#include "base/config.h"
#include "base/memory.h"
#include "base/ptrmap.h"
#include "codec/handles.h"
#include "codec/known.h"
#include "codec/place.h"
#include "codec/wire.h"
#include "op/type.h"

/* Entries of the writer's map; the value of each is its number. */
enum { SEEN_OBJECT, SEEN_UPVALUE };

typedef struct writer {
  lua_State *L;
  kio_parcel parcel;   /* what is written so far */
  size_t data_room;    /* bytes at parcel.data */
  size_t trusted_room; /* and at parcel.trusted */
  size_t beside_room;  /* places at parcel.beside */
  kio_codec_limits limits;
  unsigned depth;      /* values around the one that is written */
  uint32_t objects;    /* numbered so far */
  uint32_t upvalues;   /* numbered so far */
  int handles;         /* stack index of a list: the userdata that will move; above it `known` */
  kio_known *known;    /* modules; NULL: not needed so far */
  const void *globals; /* the table of globals; NULL: not needed so far */
  bool too_late;       /* modules are needed within a table: begin again, knowing them */
  kio_seen seen;       /* what has a number */
} writer;

static const char no_memory[] = "not enough memory";

/* ---- refusing ---- */

/* Raises "path: why". */
static int refuse(writer *w, const kio_place *at, const char *why) {
  return kio_place_refuse(w->L, w->limits.what, at, why);
}

/* The same about a kind of value. */
static int refuse_kind(writer *w, const kio_place *at, const char *kind) {
  luaL_checkstack(w->L, 8, NULL);
  return refuse(w, at, lua_pushfstring(w->L, "%s cannot cross to another thread", kind));
}

static int refuse_userdata(writer *w, int index, const kio_place *at) {
  bool named = luaL_getmetafield(w->L, index, "__name") == LUA_TSTRING;
  const char *name = named ? lua_tostring(w->L, -1) : "of no name";
  return refuse_kind(w, at, lua_pushfstring(w->L, "userdata (%s)", name));
}

/* ---- bytes ---- */

static void check_size(writer *w, size_t more, const kio_place *at) {
  size_t size = w->parcel.size + w->parcel.trusted_size, max = w->limits.size_max;
  if (more > max || size > max - more) refuse(w, at, "more bytes than a message may have");
}

/* Makes room for `more` bytes of values. */
static char *reserve(writer *w, size_t more, const kio_place *at) {
  kio_parcel *p = &w->parcel;
  check_size(w, more, at);
  if (!kio_memory_reserve(&p->data, &w->data_room, p->size, more, 1)) refuse(w, at, no_memory);
  return p->data + p->size;
}

static void put_tag(writer *w, int tag, const kio_place *at) {
  *reserve(w, 1, at) = (char)tag;
  w->parcel.size++;
}

static void put_number(writer *w, uint64_t number, const kio_place *at) {
  unsigned char *to = (unsigned char *)reserve(w, number < 128 ? 1 : 10, at), *from = to;
  for (; number >= 128; number >>= 7) *to++ = (unsigned char)(number | 128);
  *to++ = (unsigned char)number;
  w->parcel.size += (size_t)(to - from);
}

static void put_bytes(writer *w, const void *bytes, size_t size, const kio_place *at) {
  if (size > 0) memcpy(reserve(w, size, at), bytes, size);
  w->parcel.size += size;
}

static bool put_trusted(writer *w, const void *bytes, size_t size) {
  kio_parcel *p = &w->parcel;
  if (!kio_memory_reserve(&p->trusted, &w->trusted_room, p->trusted_size, size, 1)) return false;
  if (size > 0) memcpy(p->trusted + p->trusted_size, bytes, size);
  p->trusted_size += size;
  return true;
}

/* A place beside the bytes, to be filled in, for what comes next in `trusted`. */
static kio_beside *put_beside(writer *w, int tag, const kio_place *at) {
  kio_parcel *p = &w->parcel;
  bool room =
      kio_memory_reserve(&p->beside, &w->beside_room, p->beside_count, 1, sizeof *p->beside);
  if (!room) refuse(w, at, no_memory);
  put_tag(w, tag, at);
  put_number(w, p->beside_count, at);
  p->beside[p->beside_count] = (kio_beside){.tag = tag, .at = p->trusted_size};
  return &p->beside[p->beside_count++];
}

/* ---- what comes again ---- */

/* Gives a value the next object's number. */
static void number_object(writer *w, const void *address, const kio_place *at) {
  if (!kio_seen_put(&w->seen, address, SEEN_OBJECT, w->objects++)) refuse(w, at, no_memory);
}

/* Modules are looked up only when there is a function, userdata or metatable: data alone has none.
   Each of the tables around it, of which something is written already, may be a module then. */
static void know_modules(writer *w) {
  if (w->known) return;
  if (w->depth > 0) {
    w->too_late = true;
    lua_pushnil(w->L);
    lua_error(w->L);
  }
  luaL_checkstack(w->L, 12, NULL);
  lua_pushglobaltable(w->L);
  w->globals = lua_topointer(w->L, -1);
  lua_pop(w->L, 1);
  w->known = kio_known_here(w->L);
  lua_replace(w->L, w->handles + 1);
}

/* Writes what has a number already; false for anything else. */
static bool write_again(writer *w, const void *address, const kio_place *at) {
  const kio_seen_entry *entry = kio_seen_find(&w->seen, address);
  if (!entry) return false;
  put_tag(w, KIO_WIRE_AGAIN, at);
  put_number(w, entry->value, at);
  return true;
}

/* Writes what has a name; false for anything else. */
static bool write_name(writer *w, int index, const kio_place *at) {
  size_t size;
  lua_State *L = w->L;
  const char *module = kio_known_find(L, w->known, index);
  if (!module) return false;
  kio_beside *beside = put_beside(w, KIO_WIRE_NAME, at);
  beside->size = strlen(module) + 1;
  bool written = put_trusted(w, module, beside->size);
  const char *key = lua_tolstring(L, -1, &size);
  if (key) {
    if (strlen(key) < size) refuse(w, at, "its name in its module has a zero byte");
    written = written && put_trusted(w, key, size + 1);
    beside->size += size + 1;
  }
  lua_pop(L, 1);
  if (!written) refuse(w, at, no_memory);
  number_object(w, lua_topointer(L, index), at);
  return true;
}

/* Writes what need not be written out; false for anything else. */
static bool write_known(writer *w, int index, const kio_place *at) {
  const void *address = lua_topointer(w->L, index);
  if (write_again(w, address, at)) return true;
  if (!w->known) return false;
  if (address != w->globals) return write_name(w, index, at);
  put_tag(w, KIO_WIRE_GLOBALS, at);
  return true;
}

/* ---- values ---- */

static void write_value(writer *w, int index, const kio_place *at);

static void go_deeper(writer *w, const kio_place *at) {
  if (++w->depth > w->limits.depth_max) {
    const char *text = "nested more than %d levels deep";
    refuse(w, at, lua_pushfstring(w->L, text, (int)w->limits.depth_max));
  }
  luaL_checkstack(w->L, 12, NULL);
}

static void write_integer(writer *w, lua_Integer value, const kio_place *at) {
  if (value >= 0 && value < 128) {
    put_tag(w, KIO_WIRE_SMALL + (int)value, at);
  } else {
    uint64_t bits = (uint64_t)value;
    put_tag(w, KIO_WIRE_INTEGER, at);
    put_number(w, value < 0 ? ~(bits << 1) : bits << 1, at);
  }
}

static void write_number(writer *w, int index, const kio_place *at) {
  if (lua_isinteger(w->L, index)) {
    write_integer(w, lua_tointeger(w->L, index), at);
  } else {
    lua_Number value = lua_tonumber(w->L, index);
    put_tag(w, KIO_WIRE_FLOAT, at);
    put_bytes(w, &value, sizeof value, at);
  }
}

static void write_string(writer *w, int index, const kio_place *at) {
  size_t size;
  const char *text = lua_tolstring(w->L, index, &size); /* its address is the string's identity */
  if (size >= KIO_WIRE_SHARED) {
    if (write_again(w, text, at)) return;
    number_object(w, text, at);
  }
  put_tag(w, KIO_WIRE_STRING, at);
  put_number(w, size, at);
  put_bytes(w, text, size, at);
}

/* Writes the pair on top of the stack: the next value of the list, or a key and its value. */
static void write_pair(writer *w, kio_wire_sizes *sizes, const kio_place *at) {
  lua_State *L = w->L;
  int key = lua_gettop(L) - 1;
  kio_place field = {at, KIO_PLACE_FIELD, key, NULL};
  bool in_list = sizes->pairs == 0 && lua_isinteger(L, key) &&
                 lua_tointeger(L, key) == (lua_Integer)sizes->list + 1;
  if (sizes->list == UINT32_MAX || sizes->pairs == UINT32_MAX) refuse(w, at, "too many fields");
  if (in_list) {
    sizes->list++;
  } else {
    kio_place in_key = {at, KIO_PLACE_KEY, key, NULL};
    sizes->pairs++;
    write_value(w, key, &in_key);
  }
  write_value(w, key + 1, &field);
}

static void write_table(writer *w, int index, const kio_place *at) {
  lua_State *L = w->L;
  kio_wire_sizes sizes = {0, 0};
  if (write_known(w, index, at)) return;
  luaL_checkstack(L, 12, NULL);
  if (lua_getmetatable(L, index)) { /* crosses only as a module */
    lua_pop(L, 1);
    know_modules(w);
    if (write_known(w, index, at)) return;
    refuse_kind(w, at, "a table with a metatable");
  }
  go_deeper(w, at);
  number_object(w, lua_topointer(L, index), at);
  put_tag(w, KIO_WIRE_TABLE, at);
  size_t sizes_at = w->parcel.size;
  put_bytes(w, &sizes, sizeof sizes, at);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    write_pair(w, &sizes, at);
    lua_pop(L, 1);
  }
  memcpy(w->parcel.data + sizes_at, &sizes, sizeof sizes);
  w->depth--;
}

/* ---- functions ---- */

typedef struct dump {
  writer *w;
  size_t size; /* bytes so far */
} dump;

static int dump_piece(lua_State *L, const void *bytes, size_t size, void *ud) {
  dump *d = ud;
  (void)L;
  d->size += size;
  if (d->size > d->w->limits.size_max) return 1;
  return put_trusted(d->w, bytes, size) ? 0 : 2;
}

static void write_code(writer *w, int index, const kio_place *at) {
  dump d = {w, 0};
  size_t beside_at = w->parcel.beside_count;
  put_beside(w, KIO_WIRE_FUNCTION, at);
  lua_pushvalue(w->L, index);
  int failed = lua_dump(w->L, dump_piece, &d, false);
  lua_pop(w->L, 1);
  if (failed) refuse(w, at, failed == 1 ? "more code than a message may have" : no_memory);
  w->parcel.beside[beside_at].size = d.size;
  check_size(w, 0, at);
}

/* Writes the number of the n-th upvalue; whether it is a new one, whose value must follow. */
static bool write_upvalue_number(writer *w, int index, int n, const kio_place *at) {
  void *id = lua_upvalueid(w->L, index, n);
  const kio_seen_entry *entry = kio_seen_find(&w->seen, id);
  bool is_new = !entry;
  if (is_new) entry = kio_seen_put(&w->seen, id, SEEN_UPVALUE, w->upvalues++);
  if (!entry) refuse(w, at, no_memory);
  put_number(w, entry->value, at);
  return is_new;
}

/* Whether the variable, whose value is on top, is an _ENV that stands in for the globals: as the
   environments of test frameworks do, by a metatable. */
static bool is_environment(lua_State *L, const char *name) {
  if (strcmp(name, "_ENV") != 0 || !lua_getmetatable(L, -1)) return false;
  lua_pop(L, 1);
  return true;
}

static void write_upvalues(writer *w, int index, const kio_place *at) {
  lua_State *L = w->L;
  lua_Debug info;
  lua_pushvalue(L, index);
  lua_getinfo(L, ">u", &info);
  put_number(w, info.nups, at);
  for (int i = 1; i <= info.nups; i++) {
    if (!write_upvalue_number(w, index, i, at)) continue;
    kio_place upvalue = {at, KIO_PLACE_UPVALUE, 0, lua_getupvalue(L, index, i)};
    if (is_environment(L, upvalue.name)) put_tag(w, KIO_WIRE_GLOBALS, at);
    else write_value(w, lua_gettop(L), &upvalue);
    lua_pop(L, 1);
  }
}

/* A C function or userdata that was put into a module after that was looked through. */
static bool write_new_name(writer *w, int index, const kio_place *at) {
  w->known = kio_known_again(w->L);
  lua_replace(w->L, w->handles + 1);
  return write_name(w, index, at);
}

static void write_function(writer *w, int index, const kio_place *at) {
  luaL_checkstack(w->L, 12, NULL);
  know_modules(w);
  if (write_known(w, index, at)) return;
  if (lua_iscfunction(w->L, index)) {
    if (write_new_name(w, index, at)) return;
    refuse_kind(w, at, "a C function that is no field of a loaded module");
  }
  go_deeper(w, at);
  number_object(w, lua_topointer(w->L, index), at);
  write_code(w, index, at);
  write_upvalues(w, index, at);
  w->depth--;
}

/* ---- handles ---- */

static void write_handle(writer *w, int index, const kio_type *type, const kio_place *at) {
  const kio_handle_kind *kind = type->moves;
  lua_State *L = w->L;
  kio_beside *beside = put_beside(w, KIO_WIRE_HANDLE, at);
  number_object(w, lua_topointer(L, index), at);
  beside->kind = kind;
  beside->drop = kind->drop;
  bool fixed = w->limits.only_copies && kind->restore; /* else it is shared */
  const char *why = fixed ? "it moves, and can go to one worker only, not to all"
                          : kind->prepare(L, index, &beside->object);
  if (why) refuse(w, at, lua_pushfstring(L, "%s: %s", type->name, why));
  if (lua_isnil(L, w->handles)) {
    lua_newtable(L);
    lua_replace(L, w->handles);
  }
  lua_pushvalue(L, index);
  lua_rawseti(L, w->handles, (lua_Integer)w->parcel.beside_count);
}

static void write_userdata(writer *w, int index, const kio_place *at) {
  luaL_checkstack(w->L, 12, NULL);
  know_modules(w);
  if (write_known(w, index, at)) return;
  const kio_type *type = kio_type_of(w->L, index);
  if (type && type->moves) write_handle(w, index, type, at);
  else if (!write_new_name(w, index, at)) refuse_userdata(w, index, at);
}

/* ---- the walk ---- */

static void write_value(writer *w, int index, const kio_place *at) {
  switch (lua_type(w->L, index)) {
  case LUA_TNIL: put_tag(w, KIO_WIRE_NIL, at); break;
  case LUA_TBOOLEAN:
    put_tag(w, lua_toboolean(w->L, index) ? KIO_WIRE_TRUE : KIO_WIRE_FALSE, at);
    break;
  case LUA_TNUMBER: write_number(w, index, at); break;
  case LUA_TSTRING: write_string(w, index, at); break;
  case LUA_TTABLE: write_table(w, index, at); break;
  case LUA_TFUNCTION: write_function(w, index, at); break;
  case LUA_TUSERDATA: write_userdata(w, index, at); break;
  case LUA_TTHREAD: refuse_kind(w, at, "a coroutine"); break;
  default: refuse_kind(w, at, "light userdata");
  }
}

/* (writer, whether to know modules at once, values...) -> handles: writes all, moves those. */
static int l_pack(lua_State *L) {
  writer *w = lua_touserdata(L, 1);
  int last = lua_gettop(L);
  kio_place root = {NULL, KIO_PLACE_ROOT, 0, NULL};
  luaL_checkstack(L, 12, NULL);
  w->handles = last + 1;
  lua_pushnil(L); /* a list when there are some */
  lua_pushnil(L);
  if (lua_toboolean(L, 2)) know_modules(w);
  put_number(w, (uint64_t)last - 2, &root);
  for (int i = 3; i <= last; i++) {
    root.at = i - 2;
    write_value(w, i, &root);
  }
  const char *why = kio_handles_give(L, w->handles, &w->parcel);
  if (why) luaL_error(L, "a handle was closed while it was packed: %s", why);
  lua_settop(L, w->handles);
  return 1;
}

/* One walk over the values; what l_pack returns or raises is on the stack. */
static int pack_once(lua_State *L, writer *w, int first, int count, bool know) {
  *w = (writer){.L = L, .limits = w->limits};
  kio_seen_init(&w->seen);
  lua_pushcfunction(L, l_pack);
  lua_pushlightuserdata(L, w);
  lua_pushboolean(L, know);
  for (int i = 0; i < count; i++) lua_pushvalue(L, first + i);
  int status = lua_pcall(L, count + 2, 1, 0);
  kio_seen_fini(&w->seen);
  if (status != LUA_OK) kio_parcel_free(&w->parcel);
  return status;
}

bool kio_codec_pack_kept(lua_State *L, int first, int count, kio_parcel *out,
                         const kio_codec_limits *limits) {
  static const kio_codec_limits usual = {KIO_PARCEL_MAX, KIO_WIRE_DEPTH_MAX, "arg", false};
  writer w;
  w.limits = limits ? *limits : usual;
  kio_assert(w.limits.depth_max <= KIO_WIRE_DEPTH_MAX);
  first = lua_absindex(L, first);
  luaL_checkstack(L, count + 8, "too many values");
  int status = pack_once(L, &w, first, count, false);
  if (status != LUA_OK && w.too_late) {
    lua_pop(L, 1);
    status = pack_once(L, &w, first, count, true);
  }
  *out = status == LUA_OK ? w.parcel : (kio_parcel){0};
  if (status == LUA_ERRMEM) lua_error(L);
  return status == LUA_OK;
}
