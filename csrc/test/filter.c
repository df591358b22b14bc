/* Test builds only: filters that show the seam. `xor` changes each byte; `stutter` makes a record
   of each byte, with an empty one before it, and an end mark. Each may be told to be wrong. */
#include "test/filter.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "net/carrier_filter.h"
#include "net/stream_lua.h"

enum { MASK = 0x5a, UNLUCKY = 10, HELLO = 3 };
enum { STACKED = 3 }; /* filters of KIO_FILTER=stack: xor over stutter over xor */
enum { EMPTY = 0, DATA = 1, END = 2 };

typedef struct state {
  const char *fault; /* how it is wrong, or "" */
  size_t decoded;    /* bytes so far */
  int hello_out;     /* fault "hello": bytes of its own that are still to be sent ... */
  int hello_in;      /* ... and to come */
  bool in_data;      /* stutter: the byte of a record comes next */
  bool end_due;      /* stutter: the end mark is to be sent */
} state;

static bool is(const state *s, const char *fault) {
  return strcmp(s->fault, fault) == 0;
}

/* Puts a decoded byte to `out`, or does what its fault says with the unlucky one. */
static kio_filter_result put(state *s, char byte, char *out, size_t *got) {
  s->decoded++;
  if (s->decoded == UNLUCKY && is(s, "fail")) return KIO_FILTER_FAILED;
  if (s->decoded == UNLUCKY && is(s, "early")) return KIO_FILTER_ENDED;
  if (s->decoded != UNLUCKY || !is(s, "drop")) out[(*got)++] = byte;
  return KIO_FILTER_OK;
}

static kio_filter_result xor_decode(void *self, const char *in, size_t *in_size, char *out,
                                    size_t *out_size) {
  state *s = self;
  size_t taken = 0, got = 0, size = *in_size, room = *out_size;
  kio_filter_result result = in ? KIO_FILTER_OK : KIO_FILTER_ENDED;
  if (!in && is(s, "mute")) result = KIO_FILTER_OK;
  for (; s->hello_in > 0 && taken < size; taken++) s->hello_in--;
  while (taken < size && got < room && result == KIO_FILTER_OK) {
    result = put(s, (char)(in[taken++] ^ MASK), out, &got);
  }
  *in_size = taken;
  *out_size = got;
  return result;
}

static kio_filter_result xor_encode(void *self, const char *in, size_t *in_size, char *out,
                                    size_t *out_size) {
  state *s = self;
  size_t taken = 0, got = 0;
  for (; s->hello_out > 0 && got < *out_size; s->hello_out--) out[got++] = '!';
  if (s->hello_in > 0) *in_size = 0; /* not before the handshake is over */
  while (taken < *in_size && got < *out_size) out[got++] = (char)(in[taken++] ^ MASK);
  *in_size = taken;
  *out_size = got;
  return KIO_FILTER_OK;
}

static kio_filter_result stutter_end(const state *s) {
  return s->in_data || is(s, "strict") ? KIO_FILTER_FAILED : KIO_FILTER_ENDED;
}

static kio_filter_result stutter_decode(void *self, const char *in, size_t *in_size, char *out,
                                        size_t *out_size) {
  state *s = self;
  size_t taken = 0, got = 0;
  kio_filter_result result = in ? KIO_FILTER_OK : stutter_end(s);
  while (taken < *in_size && got < *out_size && result == KIO_FILTER_OK) {
    char byte = in[taken++];
    if (s->in_data) result = put(s, byte, out, &got);
    else if (byte == END) result = KIO_FILTER_ENDED;
    else if (byte != EMPTY && byte != DATA) result = KIO_FILTER_FAILED;
    s->in_data = !s->in_data && byte == DATA;
  }
  *in_size = taken;
  *out_size = got;
  return result;
}

static kio_filter_result stutter_encode(void *self, const char *in, size_t *in_size, char *out,
                                        size_t *out_size) {
  state *s = self;
  size_t taken = 0, got = 0;
  for (; taken < *in_size && got + 3 <= *out_size; taken++) {
    out[got++] = EMPTY;
    out[got++] = DATA;
    out[got++] = in[taken];
  }
  if (taken == *in_size && s->end_due && got < *out_size) {
    out[got++] = END;
    s->end_due = false;
  }
  *in_size = taken;
  *out_size = got;
  return KIO_FILTER_OK;
}

static bool is_ready(const void *self) {
  return ((const state *)self)->hello_in == 0;
}

static bool has_output(const void *self) {
  const state *s = self;
  return s->hello_out > 0 || s->end_due;
}

static void finish(void *self) {
  ((state *)self)->end_due = true;
}

static const char *why(const void *self) {
  const state *s = self;
  if (is(s, "fail")) return "the tenth byte is unlucky";
  return s->in_data ? "a record was cut off" : "the end mark is missing";
}

static const char *code(const void *self) {
  return is(self, "strict") ? "STRICT" : NULL;
}

static const char *may_move(const void *self) {
  return is(self, "bound") ? "its filter stays where it is" : NULL;
}

static const kio_filter_kind kinds[] = {
    {KIO_FILTER_ABI, "xor", xor_decode, xor_encode, is_ready, has_output, NULL, why, NULL, may_move,
     kio_memory_free},
    {KIO_FILTER_ABI, "stutter", stutter_decode, stutter_encode, NULL, has_output, finish, why, code,
     may_move, kio_memory_free},
    {KIO_FILTER_ABI + 1, "future", xor_decode, xor_encode, NULL, NULL, NULL, why, NULL, NULL,
     kio_memory_free},
};

static const char *const names[] = {"xor", "stutter", "future", NULL};
static const char *const faults[] = {"",     "drop",  "early", "fail", "strict",
                                     "mute", "bound", "hello", NULL};

static state *new_state(const char *fault) {
  state *s = kio_memory_new(sizeof *s);
  if (!s) return NULL;
  s->fault = fault;
  if (is(s, "hello")) s->hello_out = s->hello_in = HELLO;
  return s;
}

/* test_filter(name [, fault]) -> filter */
static int l_test_filter(lua_State *L) {
  const kio_filter_kind *kind = &kinds[luaL_checkoption(L, 1, NULL, names)];
  const char *fault = faults[luaL_checkoption(L, 2, "", faults)];
  kio_filter *filter = lua_newuserdatauv(L, sizeof *filter, 0);
  *filter = (kio_filter){kind, new_state(fault)};
  luaL_setmetatable(L, KIO_FILTER_TYPE);
  if (!filter->self) return luaL_error(L, "not enough memory");
  return 1;
}

/* The kinds that KIO_FILTER names, the lowest first; the first is NULL: none. */
static void chosen(const kio_filter_kind *list[STACKED + 1]) {
  const char *name = getenv("KIO_FILTER");
  memset(list, 0, sizeof(kio_filter_kind *) * (STACKED + 1));
  if (!name) return;
  bool stack = strcmp(name, "stack") == 0;
  for (int i = 0; stack && i < STACKED; i++) list[i] = &kinds[i % 2];
  for (int i = 0; !stack && i < 2; i++) {
    if (strcmp(names[i], name) == 0) list[0] = &kinds[i];
  }
}

static void put_under(kio_stream *stream) {
  const kio_filter_kind *list[STACKED + 1];
  chosen(list);
  for (int i = 0; list[i]; i++) {
    state *s = new_state("");
    if (s && kio_filter_put(stream, (kio_filter){list[i], s}) != 0) kio_memory_free(s);
  }
}

void kio_test_filter_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"test_filter", l_test_filter}, {NULL, NULL}};
  const kio_filter_kind *list[STACKED + 1];
  luaL_setfuncs(L, functions, 0);
  chosen(list);
  if (list[0] && !kio_stream_made) kio_stream_made = put_under; /* before there are threads */
}
