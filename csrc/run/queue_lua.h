/* What kio.select can wait in: a userdata that begins with a queue and its tag. */
#ifndef KIO_RUN_QUEUE_LUA_H
#define KIO_RUN_QUEUE_LUA_H

#include "task/queue.h"

/* How such a userdata begins. */
typedef struct kio_waitable {
  const void *tag; /* &kio_waitable_tag: tells the type faster than a metatable does */
  kio_queue queue; /* whoever waits */
} kio_waitable;

extern const char kio_waitable_tag;

/* Makes it, empty. */
static inline void kio_waitable_init(kio_waitable *waitable) {
  waitable->tag = &kio_waitable_tag;
  kio_queue_init(&waitable->queue);
}

#endif
