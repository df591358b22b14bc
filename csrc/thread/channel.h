/* A channel between threads: parcels from many senders to many receivers, in order, at most
   `capacity` of them at rest. Nothing in it knows Lua. It has a reference count: every Lua state
   that can reach it holds a reference, and so does every parcel it travels in. Every function may
   be called from any thread, and none of them waits for more than the lock.
   Who cannot go on leaves an awaiter, first come, first served. A parcel goes straight to the
   receiver that has waited longest; a receiver that takes one lets in that of the sender that has
   waited longest. An awaiter that was answered has its parcel, whatever else has happened to it
   meanwhile; so a parcel is never lost and never twice there.
   Who only wants to know when there is something to do watches: all watchers are answered when
   there is, and have nothing by that; each looks again. */
#ifndef KIO_THREAD_CHANNEL_H
#define KIO_THREAD_CHANNEL_H

#include "thread/awaiter.h"

typedef struct kio_channel kio_channel;

typedef enum kio_channel_result {
  KIO_CHANNEL_DONE,
  KIO_CHANNEL_WAIT,   /* no room, or nothing there; the awaiter, if there is one, is listed now */
  KIO_CHANNEL_CLOSED, /* to senders; to receivers when nothing is left */
  KIO_CHANNEL_MEMORY  /* memory is out */
} kio_channel_result;

typedef struct kio_channel_state {
  size_t capacity;  /* of the channel */
  size_t count;     /* parcels at rest */
  size_t sending;   /* awaiters and watchers */
  size_t receiving; /* awaiters and watchers */
  bool closed;      /* by kio_channel_close */
} kio_channel_state;

/* A channel for `capacity` parcels, at least 1, with one reference; NULL: memory is out. */
kio_channel *kio_channel_new(size_t capacity);
/* One reference more; returns the channel. */
void *kio_channel_ref(void *channel);
/* The last one frees it with all it holds; handles nobody took are disposed of. As the `drop` of
   the parcels a channel travels in it tells that it is one. */
void kio_channel_unref(void *channel);

/* Takes the parcel over when it is DONE, or when it WAITs with an awaiter; else it is left alone.
   awaiter NULL: does not wait. */
kio_channel_result kio_channel_send(kio_channel *channel, kio_parcel *parcel, kio_awaiter *awaiter);
/* Fills *parcel when it is DONE. An awaiter that is answered has it in its own. */
kio_channel_result kio_channel_receive(kio_channel *channel, kio_parcel *parcel,
                                       kio_awaiter *awaiter);
/* Whether sending, or receiving, would come to something at once. */
bool kio_channel_ready(kio_channel *channel, bool sending);
/* Lists an awaiter that is answered when that is so; not when it is so already: true then. */
bool kio_channel_watch(kio_channel *channel, bool sending, kio_awaiter *awaiter);
/* A parcel that was received, and that nobody can take any more: it goes to the next receiver, as
   the oldest one. */
void kio_channel_give_back(void *channel, kio_parcel *parcel);
/* Nothing is taken any more; what is there can still be received. All awaiters are answered. Twice
   is allowed. */
void kio_channel_close(kio_channel *channel);
/* How it is at this moment, for people. */
void kio_channel_look(kio_channel *channel, kio_channel_state *state);

#endif
