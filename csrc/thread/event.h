/* An event between threads: a flag that any thread may set, and that tasks of any worker wait for.
   Counted, like a channel. Every function may be called from any thread, and none of them waits for
   more than the lock. */
#ifndef KIO_THREAD_EVENT_H
#define KIO_THREAD_EVENT_H

#include "thread/awaiter.h"

typedef struct kio_event kio_event;

/* One that is not set, with one reference; NULL: memory is out. */
kio_event *kio_event_new(void);
/* One reference more; returns the event. */
void *kio_event_ref(void *event);
/* One less; the last one frees it. */
void kio_event_unref(void *event);

/* Sets the flag and answers all awaiters. */
void kio_event_set(kio_event *event);
/* Clears the flag. */
void kio_event_reset(kio_event *event);
/* Whether it is set; if not the awaiter, if there is one, is listed now. */
bool kio_event_wait(kio_event *event, kio_awaiter *awaiter);

#endif
