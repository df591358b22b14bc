/* Test builds only: TLS under both ends of every connection of this process. Two engines shake
   hands in memory when the first end is made, for on the wire nothing is received while nobody
   reads; the other end, which has the addresses the other way round, gets the second engine.
   Owns the engines that wait for their ends. Invariant: the list is looked at under the lock. */
#include "tls/test_pairs.h"

#include <string.h>
#include <sys/socket.h>

#include "tls/engine.h"
#include "tls/face.h"

enum { WAITING_MAX = 1024, FLIGHT = 16384 };

typedef struct address {
  struct sockaddr_storage name;
  socklen_t size;
} address;

typedef struct waiting waiting;
struct waiting {
  waiting *next; /* the one that was made after this */
  address own, peer;
  kio_tls_engine *engine;
};

static struct {
  CRYPTO_RWLOCK *lock;
  kio_tls_context *context; /* a reference, for as long as the process */
  waiting *first;
  size_t count;
} pairs;

/* ---- a handshake in memory ---- */

/* All that one engine has to say to the other. */
static bool pass(kio_tls_engine *from, kio_tls_engine *to) {
  const kio_filter_kind *kind = kio_tls_engine_kind(from);
  char flight[FLIGHT], plain[1];
  size_t none = 0, size = sizeof flight, room = sizeof plain;
  if (kind->encode(from, "", &none, flight, &size) != KIO_FILTER_OK) return false;
  size_t taken = size;
  return kind->decode(to, flight, &taken, plain, &room) == KIO_FILTER_OK && taken == size;
}

static bool shake_hands(kio_tls_engine *client, kio_tls_engine *server) {
  for (int i = 0; i < 4; i++) {
    if (!pass(client, server) || !pass(server, client)) return false;
  }
  return client->is_ready && server->is_ready;
}

static bool make_pair(kio_tls_engine **client, kio_tls_engine **server) {
  static const kio_tls_peer peer = {"localhost", false, NULL};
  kio_tls_words words;
  *client = kio_tls_engine_new(pairs.context, &peer, &words);
  *server = kio_tls_engine_new(pairs.context, NULL, &words);
  if (*client && *server && shake_hands(*client, *server)) return true;
  if (*client) kio_tls_engine_free(*client);
  if (*server) kio_tls_engine_free(*server);
  return false;
}

/* ---- the ends: under the lock ---- */

static bool is_same(const address *a, const address *b) {
  return a->size == b->size && memcmp(&a->name, &b->name, a->size) == 0;
}

static kio_tls_engine *take_out(waiting **at) {
  waiting *w = *at;
  kio_tls_engine *engine = w->engine;
  *at = w->next;
  pairs.count--;
  OPENSSL_free(w);
  return engine;
}

/* The engine that waits for this end; NULL: it is the first. Of several, as with Unix sockets,
   where clients have no names, that whose connection came first. */
static kio_tls_engine *find(const address *own, const address *peer) {
  for (waiting **at = &pairs.first; *at; at = &(*at)->next) {
    if (is_same(&(*at)->own, peer) && is_same(&(*at)->peer, own)) return take_out(at);
  }
  return NULL;
}

/* Ends that never become streams do not pile up. */
static void put_in(waiting *w) {
  waiting **at = &pairs.first;
  while (*at) at = &(*at)->next;
  *at = w;
  pairs.count++;
  if (pairs.count > WAITING_MAX) kio_tls_engine_free(take_out(&pairs.first));
}

static kio_tls_engine *engine_for(const address *own, const address *peer) {
  kio_tls_engine *client, *server, *found = find(own, peer);
  if (found) return found;
  waiting *w = OPENSSL_zalloc(sizeof *w);
  if (w && make_pair(&client, &server)) {
    *w = (waiting){NULL, *own, *peer, server};
    put_in(w);
    return client;
  }
  OPENSSL_free(w);
  return NULL;
}

/* False, and the stream stays plain: it is not connected any more, or memory is out. */
static bool make(int fd, kio_filter *filter) {
  address own = {.size = sizeof own.name}, peer = {.size = sizeof peer.name};
  if (getsockname(fd, (struct sockaddr *)&own.name, &own.size) != 0) return false;
  if (getpeername(fd, (struct sockaddr *)&peer.name, &peer.size) != 0) return false;
  CRYPTO_THREAD_write_lock(pairs.lock);
  kio_tls_engine *engine = engine_for(&own, &peer);
  CRYPTO_THREAD_unlock(pairs.lock);
  if (engine) *filter = (kio_filter){kio_tls_engine_kind(engine), engine};
  return engine != NULL;
}

/* test_under(context): from now on every new stream on a socket speaks TLS, as said above. Its
   certificate is for "localhost", and its `ca` has signed it. */
static int l_under(lua_State *L) {
  kio_tls_context *context = kio_tls_check_context(L, 1);
  if (!pairs.lock) pairs.lock = CRYPTO_THREAD_lock_new();
  if (!pairs.lock) return luaL_error(L, "not enough memory");
  if (pairs.context) kio_tls_context_unref(pairs.context);
  pairs.context = kio_tls_context_ref(context);
  kio_tls_guest(L)->put_under(make);
  return 0;
}

const luaL_Reg kio_tls_test_pairs_ops[] = {{"test_under", l_under}, {NULL, NULL}};
