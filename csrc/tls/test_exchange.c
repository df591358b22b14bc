/* Test builds only. Two engines shake hands, send each other a text, and end, all in memory. A seed
   spoils records between them and cuts what comes in pieces. Owns both engines. */
#include "tls/test_exchange.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tls/engine.h"
#include "tls/face.h"

enum { WIRE = 1 << 17, TEXT = 20000, PIECE = 1 << 15, TURNS = 2000, HEAD = 5 };

typedef struct end {
  kio_tls_engine *engine;
  const char *code;  /* of its failure; NULL: none yet */
  bool over;         /* its input is */
  bool is_mute;      /* its output is */
  bool finished;     /* it has said that nothing follows */
  bool wrong;        /* it has read what nobody wrote */
  size_t sent, read; /* of the text */
  char *wire;        /* what comes to it */
  size_t at, size;
} end;

typedef struct exchange {
  end ends[2]; /* the client's, the server's */
  uint64_t random;
  bool spoils;
  int spoilt; /* records */
  char wires[2][WIRE], text[TEXT];
} exchange;

static uint32_t next(exchange *x, uint32_t limit) {
  x->random ^= x->random << 13;
  x->random ^= x->random >> 7;
  x->random ^= x->random << 17;
  return (uint32_t)(x->random >> 20) % limit;
}

/* ---- spoiling ---- */

/* The size of the record at `at`, as far as it is there. */
static size_t record_at(const char *at, size_t size) {
  if (size < HEAD) return size;
  size_t whole = HEAD + ((size_t)(unsigned char)at[3] << 8 | (unsigned char)at[4]);
  return whole < size ? whole : size;
}

/* Spoils the record at the front of `size` bytes, behind which there is room for as many; how many
   there are then. */
static size_t spoil(exchange *x, char *data, size_t size) {
  size_t first = record_at(data, size), second = record_at(data + first, size - first);
  char copy[WIRE / 2];
  x->spoilt++;
  switch (next(x, 7)) {
  case 0: data[next(x, (uint32_t)first)] ^= (char)(1 << next(x, 8)); return size;
  case 1: data[next(x, (uint32_t)(first < 12 ? first : 12))] = (char)next(x, 256); return size;
  case 2: memmove(data, data + first, size - first); return size - first; /* lost */
  case 3: /* twice */ memmove(data + first, data, size); return size + first;
  case 4: /* in the wrong order */
    memcpy(copy, data, first);
    memmove(data, data + first, second);
    memcpy(data + second, copy, first);
    return size;
  case 5: { /* cut */
    size_t cut = 1 + next(x, (uint32_t)first);
    memmove(data + first - cut, data + first, size - first);
    return size - cut;
  }
  default: /* bytes of nobody's */
    for (size_t i = 0; i < first; i++) data[i] = (char)next(x, 256);
    return size;
  }
}

/* Record by record, one of twelve is. What there is then. */
static size_t spoil_some(exchange *x, char *data, size_t size, size_t room) {
  for (size_t at = 0; at < size;) {
    if (next(x, 12) == 0 && 2 * size < room && size < WIRE / 2) {
      size = at + spoil(x, data + at, size - at);
    }
    if (at < size) at += record_at(data + at, size - at);
  }
  return size;
}

/* ---- one end ---- */

static void note(end *e, kio_filter_result result) {
  if (result == KIO_FILTER_FAILED && !e->code) {
    e->code = kio_tls_engine_kind(e->engine)->code(e->engine);
    if (!e->code) e->code = "none";
  }
}

/* Puts what it has to say on the other's wire. Whether there was something. */
static bool speak(exchange *x, end *e, end *to) {
  const kio_filter_kind *kind = kio_tls_engine_kind(e->engine);
  size_t size = e->is_mute ? 0 : TEXT - e->sent, room = WIRE - (to->at + to->size);
  size_t got = room < PIECE ? room : PIECE;
  char *place = to->wire + to->at + to->size;
  if (room < PIECE) return false;
  if (size == 0 && !e->finished && !e->is_mute) {
    kind->finish(e->engine);
    e->finished = true;
  }
  if (size == 0 && !kind->has_output(e->engine)) return false;
  kio_filter_result result = kind->encode(e->engine, x->text + e->sent, &size, place, &got);
  e->sent += size;
  note(e, result);
  if (result == KIO_FILTER_FAILED) e->is_mute = true;
  bool some = size > 0 || got > 0;
  if (x->spoils) got = spoil_some(x, place, got, room);
  to->size += got;
  return some;
}

/* Takes what has come, or a piece of it. Whether it did something. */
static bool listen(exchange *x, end *e, bool is_last) {
  char plain[4096];
  size_t size = e->size, got = sizeof plain;
  if (e->over) return false;
  if (x->spoils && size > 1) size = 1 + next(x, (uint32_t)size);
  const char *in = is_last && size == 0 ? NULL : e->wire + e->at;
  size_t taken = size;
  kio_filter_result result =
      kio_tls_engine_kind(e->engine)->decode(e->engine, in, &taken, plain, &got);
  e->at += taken;
  e->size -= taken;
  if (e->size == 0) e->at = 0;
  bool fits = got <= TEXT - e->read && memcmp(plain, x->text + e->read, got) == 0;
  if (!fits) e->wrong = true;
  else e->read += got;
  note(e, result);
  e->over = result != KIO_FILTER_OK;
  return e->over || taken > 0 || got > 0;
}

/* ---- both ---- */

static void run(exchange *x) {
  end *client = &x->ends[0], *server = &x->ends[1];
  for (int i = 0, idle = 0; i < TURNS && idle < 8; i++) {
    bool some = speak(x, client, server);
    some |= listen(x, server, idle > 4);
    some |= speak(x, server, client);
    some |= listen(x, client, idle > 4);
    idle = some ? 0 : idle + 1;
  }
}

static void push_end(lua_State *L, const end *e) {
  bool whole = e->read == TEXT && e->over;
  lua_pushstring(L, e->wrong ? "wrong" : e->code ? e->code : whole ? "ok" : "stuck");
}

static bool begin(exchange *x, kio_tls_context *client, kio_tls_context *server,
                  kio_tls_words *words) {
  static const kio_tls_peer peer = {"localhost", false, "localhost"};
  for (int i = 0; i < TEXT; i++) x->text[i] = (char)(i * 7 + i / 251);
  for (int i = 0; i < 2; i++) x->ends[i].wire = x->wires[i];
  x->ends[0].engine = kio_tls_engine_new(client, &peer, words);
  if (!x->ends[0].engine) return false;
  x->ends[1].engine = kio_tls_engine_new(server, NULL, words);
  return x->ends[1].engine;
}

static void finish(exchange *x) {
  for (int i = 0; i < 2; i++) {
    if (x->ends[i].engine) kio_tls_engine_free(x->ends[i].engine);
  }
  free(x);
}

/* test_exchange(client's context, server's, seed | nil) -> what each has come to, "ok" or a code,
   and how many records were spoilt */
static int l_exchange(lua_State *L) {
  kio_tls_context *client = kio_tls_check_context(L, 1), *server = kio_tls_check_context(L, 2);
  uint64_t seed = (uint64_t)luaL_optinteger(L, 3, 0);
  kio_tls_words words;
  exchange *x = calloc(1, sizeof *x);
  if (!x) return luaL_error(L, "not enough memory");
  x->spoils = seed != 0;
  x->random = seed * 0x9E3779B97F4A7C15u + 1;
  if (begin(x, client, server, &words)) {
    run(x);
    push_end(L, &x->ends[0]);
    push_end(L, &x->ends[1]);
  } else {
    lua_pushstring(L, words.code);
    lua_pushvalue(L, -1);
  }
  lua_pushinteger(L, x->spoilt);
  finish(x);
  return 3;
}

const luaL_Reg kio_tls_test_exchange_ops[] = {{"test_exchange", l_exchange}, {NULL, NULL}};
