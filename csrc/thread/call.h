/* A call: a function on its way to another worker, and its outcome on the way back. Its origin is
   the worker that asked, its target the one that runs it; each is reached by posts to its inbox.
   It is counted: the origin's anchor holds a reference, and so does every post under way and the
   target while it runs the function. What happens when, and by whom:
   - `go` is posted (or offered to all workers) by the origin. The target begins it, unless the
     origin has withdrawn it before: one step of `state` decides.
   - `cancel` may be posted by the origin, once, to a target that has begun.
   - `back` is posted by the target, exactly once for each that has begun, when its task has ended
     or never will.
   A post that is refused, or dropped by a closed inbox, counts as answered: "lost". */
#ifndef KIO_THREAD_CALL_H
#define KIO_THREAD_CALL_H

#include <stdatomic.h>

#include "thread/inbox.h"
#include "thread/parcel.h"

typedef enum kio_outcome {
  KIO_OUTCOME_DONE,      /* the parcel holds its results */
  KIO_OUTCOME_FAILED,    /* the parcel holds its error and a traceback */
  KIO_OUTCOME_CANCELLED, /* its task was cancelled, also by the end of the run */
  KIO_OUTCOME_LOST,      /* its worker broke down, or stopped, before it had ended */
  KIO_OUTCOME_MEMORY     /* memory was out for more than this */
} kio_outcome;

typedef struct kio_call kio_call;

struct kio_call {
  kio_post go;       /* to the target; its functions are the target's, set by worker/call_in.c */
  kio_post cancel;   /* to the target */
  kio_post back;     /* to the origin */
  kio_inbox *origin; /* where the answer goes; a reference */
  kio_inbox *target; /* who has begun it; a reference */
  kio_parcel parcel; /* the function and its arguments; then its results or its error */
  uint8_t outcome;   /* kio_outcome, once answered */
  unsigned worker;   /* who has begun it, by number; 0: nobody */
  atomic_uint refs;  /* kio_call_ref */
  atomic_int state;  /* pending, begun, withdrawn or answered */
  void (*free)(kio_call *call);
};

/* A new one: pending, one reference. `back` and `free` are to be set by the origin. */
void kio_call_init(kio_call *call, kio_inbox *origin);
/* One reference more, from any thread. */
void kio_call_ref(kio_call *call);
/* From any thread; the last one frees the parcel and the rest. */
void kio_call_unref(kio_call *call);

/* The origin, or who drops `go`: it is not to begin. False: it has begun, or has been withdrawn. */
bool kio_call_withdraw(kio_call *call);
/* The origin, when it could not withdraw it: asks the target that has begun it to end it. To be
   called once. */
void kio_call_ask_cancel(kio_call *call);
/* The target: begins it. False: it has been withdrawn; give the reference of `go` back. */
bool kio_call_begin(kio_call *call, kio_inbox *target, unsigned worker);
/* The target: tells the outcome, with the reference that `go` brought; the parcel is filled. */
void kio_call_answer(kio_call *call, kio_outcome outcome);

#endif
