/* One connection's TLS as a filter under its stream: OpenSSL over memory. Nothing of it waits, and
   OpenSSL calls back into C alone: a question for Lua suspends the handshake. Used by one thread at
   a time. */
#ifndef KIO_TLS_ENGINE_H
#define KIO_TLS_ENGINE_H

#include "net/filter.h"
#include "tls/bytes.h"
#include "tls/context.h"

/* Bytes of answers that wait; with more, nothing is read that could ask for others. */
enum { KIO_TLS_ANSWERS_MAX = 65536 };

typedef enum kio_tls_task {
  KIO_TLS_TASK_NONE,
  KIO_TLS_TASK_CHOOSE, /* a context is to be chosen, by the client's hello */
  KIO_TLS_TASK_WORK,   /* a step of the handshake is to be done, on the pool */
  KIO_TLS_TASK_BUSY    /* it is being done there */
} kio_tls_task;

typedef struct kio_tls_engine {
  kio_tls_home home; /* the config it has begun with: a reference */
  SSL *ssl;          /* its app data is this */
  int refs;
  kio_tls_context *context; /* where a client's sessions are kept: a reference */
  char *peer;               /* a client's: by which name; NULL: sessions are not kept */
  kio_tls_config *chosen;   /* the config that it goes on with: a reference; NULL: home's */
  kio_tls_task task;        /* the handshake is suspended for that */
  bool asks;                /* a step has come to a question: task CHOOSE is next */
  bool is_chosen;           /* whether or not there is one: `chosen` */
  bool is_ready;            /* the handshake is over */
  bool is_broken;           /* nothing can be sealed any more */
  bool on_pool;             /* the steps of its handshake are work for the pool */
  bool is_over;             /* the peer's last word has come */
  const char *in;           /* in a call: what has come and is not taken yet ... */
  size_t in_size;
  char *out; /* ... and where sealed bytes go first */
  size_t out_room;
  size_t kept_whole;   /* so many bytes of `kept` are whole records: what that step may have */
  kio_tls_bytes kept;  /* taken, for a step on the pool */
  kio_tls_bytes held;  /* sealed, until `encode` has room */
  size_t answers;      /* bytes of these, at most, that were made while something was read */
  kio_tls_words words; /* why it has failed */
  char *asked_name;    /* what the client's hello asks for; NULL: nothing */
  kio_tls_bytes asked_protocols;
} kio_tls_engine;

/* Whom a client wants to reach. */
typedef struct kio_tls_peer {
  const char *name; /* a host's name or address, which its certificate must have; NULL: any */
  bool is_address;  /* it is an address */
  const char *key;  /* by which its sessions are kept; NULL: they are not */
} kio_tls_peer;

/* A server's when `peer` is NULL. NULL: see `words`. */
kio_tls_engine *kio_tls_engine_new(kio_tls_context *context, const kio_tls_peer *peer,
                                   kio_tls_words *words);
/* Another reference, and one less. */
void kio_tls_engine_hold(void *engine);
void kio_tls_engine_free(void *engine);
/* The engine under the stream, by its filter; NULL: it is another rock's. */
kio_tls_engine *kio_tls_engine_of(const kio_filter *filter);
/* How its filter goes under a stream. */
const kio_filter_kind *kio_tls_engine_kind(const kio_tls_engine *engine);

/* The suspended handshake may go on: with the context, or, when it is NULL, not at all. */
void kio_tls_engine_choose(kio_tls_engine *engine, kio_tls_context *context);
/* Does the step that is work for the pool; nobody else may use the engine meanwhile. */
void kio_tls_engine_work(void *engine);
/* That is over, and what it has come to counts. */
void kio_tls_engine_worked(kio_tls_engine *engine);

#endif
