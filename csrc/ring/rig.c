/* Owns the replaced clock and the notes on requests it has changed, to change them back before
   their owners see them. Invariant: outside of kio_ring_rig's functions ring->impl is the rig, and
   the inner ring's functions only ever see their own there.
   The clock: it creeps with every look at it, so that a loop that waits for it ends; and where the
   loop would sleep until a deadline, it jumps there, unless something arrives in the real time
   `settle_ns`. Called by the scheduler's thread only. */
#include "ring/rig.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/config.h"
#include "base/memory.h"
#include "system/fd.h"
#include "system/sockopt.h"

enum { CREEP_NS = 1000 };

/* What has been done to a request that is under way. */
typedef struct note {
  uint64_t id;         /* the request's name */
  int err;             /* its result is to be replaced by this errno; 0: it is not */
  size_t size;         /* its bytes were cut: the size it had, of the whole or of one piece */
  struct iovec *piece; /* that piece; NULL: it has none */
  size_t count;        /* and how many pieces there were */
} note;

typedef struct rig {
  const kio_ring_backend *inner;
  void *impl;      /* the inner ring's */
  kio_list faults; /* kio_faults, by link */
  note *notes;
  size_t note_count;
  size_t note_room;
  bool jump; /* the clock is ours */
  int64_t settle_ns;
  int64_t now_ns; /* when it is */
  size_t chunk;   /* no receive and no send moves more bytes; 0: no bound */
} rig;

/* ---- the inner ring ---- */

static rig *step_in(kio_ring *ring) {
  rig *r = ring->impl;
  ring->impl = r->impl;
  return r;
}

static void step_out(kio_ring *ring, rig *r) {
  kio_assert(ring->impl != r);
  r->impl = ring->impl;
  ring->impl = r;
}

static void inner_enter(kio_ring *ring, int64_t wait_ns) {
  rig *r = step_in(ring);
  r->inner->enter(ring, kio_ring_has_news(ring) ? 0 : wait_ns);
  step_out(ring, r);
}

static int64_t inner_now_ns(kio_ring *ring) {
  rig *r = step_in(ring);
  int64_t now = r->inner->now_ns(ring);
  step_out(ring, r);
  return now;
}

static int rig_open(kio_ring *ring, const kio_ring_config *config) {
  rig *r = kio_memory_new(sizeof *r);
  if (!r) return -ENOMEM;
  kio_assert(config->inner && config->inner != &kio_ring_rig);
  r->inner = config->inner;
  r->jump = config->jump;
  r->settle_ns = config->settle_ns;
  r->chunk = config->chunk;
  r->now_ns = KIO_NS_PER_SEC;
  kio_list_init(&r->faults);
  int err = r->inner->open(ring, config);
  if (err) kio_memory_free(r);
  else step_out(ring, r);
  return err;
}

static void rig_close(kio_ring *ring) {
  rig *r = step_in(ring);
  r->inner->close(ring);
  while (kio_list_pop(&r->faults)) continue;
  kio_memory_free(r->notes);
  kio_memory_free(r);
}

static bool rig_wants_enter(kio_ring *ring) {
  rig *r = step_in(ring);
  bool wants = r->inner->wants_enter(ring);
  step_out(ring, r);
  return wants;
}

static int64_t rig_now_ns(kio_ring *ring) {
  rig *r = ring->impl;
  return r->jump ? (r->now_ns += CREEP_NS) : inner_now_ns(ring);
}

static void rig_describe(kio_ring *ring, char *text, size_t size) {
  rig *r = step_in(ring);
  r->inner->describe(ring, text, size);
  step_out(ring, r);
}

static void rig_forget(kio_ring *ring, int fd) {
  rig *r = step_in(ring);
  if (r->inner->forget) r->inner->forget(ring, fd);
  step_out(ring, r);
}

static void rig_worked(kio_ring *ring, kio_request *request, int result) {
  rig *r = step_in(ring);
  r->inner->worked(ring, request, result);
  step_out(ring, r);
}

/* ---- changing requests, and back ---- */

/* Room for one more note; NULL when memory is out: the request goes its way unharmed then. */
static note *new_note(rig *r, const kio_request *request) {
  if (r->note_count == r->note_room) {
    size_t room = r->note_room * 2 + 4;
    note *grown = kio_memory_resize(r->notes, room * sizeof *grown);
    if (!grown) return NULL;
    r->notes = grown;
    r->note_room = room;
  }
  note *n = &r->notes[r->note_count++];
  *n = (note){.id = request->id};
  return n;
}

static bool is_datagram(int fd) {
  int type;
  return kio_sockopt_ask(fd, SOL_SOCKET, SO_TYPE, &type) == 0 && type != SOCK_STREAM;
}

/* The pieces are cut behind `max` bytes: the one that holds that byte, and their number. */
static void cut_pieces(note *n, struct iovec *iov, size_t *count, size_t max) {
  size_t i = 0;
  n->count = *count;
  while (i < *count && iov[i].iov_len < max) max -= iov[i++].iov_len;
  if (i == *count) return;
  n->piece = &iov[i];
  n->size = iov[i].iov_len;
  iov[i].iov_len = max;
  *count = i + 1;
}

static void cut_io(note *n, size_t *size, size_t max) {
  n->size = *size;
  *size = kio_min_size(*size, max);
}

/* Makes the request move no more than `max` bytes, or, `n->count` being set, as many as before. */
static void cut(kio_request *request, note *n, size_t max) {
  kio_arg *arg = &request->arg;
  size_t count = arg->vec.count;
  kio_assert(kio_op_look(request->op)->moves_bytes);
  switch (kio_op_look(request->op)->arg) {
  case KIO_ARG_VEC:
    cut_pieces(n, arg->vec.iov, &count, max);
    arg->vec.count = (unsigned)count;
    break;
  case KIO_ARG_MESSAGE:
    cut_pieces(n, arg->message.header->msg_iov, &arg->message.header->msg_iovlen, max);
    break;
  case KIO_ARG_SPLICE:
    n->size = arg->splice.size;
    arg->splice.size = (uint32_t)kio_min_size(arg->splice.size, max);
    break;
  default: cut_io(n, &arg->io.size, max);
  }
}

/* Undoes `cut`. */
static void uncut(kio_request *request, const note *n) {
  kio_arg *arg = &request->arg;
  if (n->piece) n->piece->iov_len = n->size;
  switch (kio_op_look(request->op)->arg) {
  case KIO_ARG_VEC: arg->vec.count = (unsigned)n->count; break;
  case KIO_ARG_MESSAGE: arg->message.header->msg_iovlen = n->count; break;
  case KIO_ARG_SPLICE: arg->splice.size = (uint32_t)n->size; break;
  default: arg->io.size = n->size;
  }
}

/* ---- faults ---- */

static bool counts(kio_fault *fault, const kio_request *request) {
  if (fault->op != KIO_RIG_ANY_OP && fault->op != request->op) return false;
  fault->seen++;
  return fault->nth == 0 || fault->nth == fault->seen;
}

static kio_fault *fault_of(rig *r, const kio_request *request) {
  kio_fault *found = NULL;
  KIO_LIST_EACH(&r->faults, link) {
    kio_faults *faults = KIO_CONTAINER(link, kio_faults, link);
    for (size_t i = 0; i < faults->count; i++) {
      bool hit = counts(&faults->list[i], request); /* all of them count */
      if (hit && !found) found = &faults->list[i];
    }
  }
  return found;
}

/* A close that fails has closed all the same (close(2)): it is done, and reported otherwise. */
static void inject(kio_ring *ring, rig *r, kio_request *request, kio_fault *fault) {
  bool later = request->op == KIO_OP_CLOSE;
  kio_assert(request->state == KIO_REQUEST_QUEUED);
  fault->hits++;
  if (fault->err && !later) {
    kio_link_remove(&request->link);
    kio_ring_complete(ring, request, -fault->err);
    return;
  }
  bool cuts =
      fault->short_max > 0 && kio_op_look(request->op)->moves_bytes && !is_datagram(request->fd);
  note *n = fault->err || cuts ? new_note(r, request) : NULL;
  if (!n) return;
  if (fault->err) n->err = fault->err;
  else cut(request, n, fault->short_max);
}

static void cut_to_chunk(rig *r, kio_request *request) {
  const kio_op_facts *facts = kio_op_look(request->op);
  if (r->chunk == 0 || !facts->of_socket || !facts->moves_bytes) return;
  if (is_datagram(request->fd)) return;
  note *n = new_note(r, request);
  if (n) cut(request, n, r->chunk);
}

/* Looks at what has been queued since the last time. */
static void look_at_queued(kio_ring *ring, rig *r) {
  if (kio_list_empty(&r->faults) && r->chunk == 0) return;
  KIO_LIST_EACH(&ring->queued, link) {
    kio_request *request = KIO_CONTAINER(link, kio_request, link);
    if (request->flags & (KIO_REQUEST_SEEN | KIO_REQUEST_SILENT)) continue;
    request->flags |= KIO_REQUEST_SEEN;
    kio_fault *fault = fault_of(r, request);
    if (fault) inject(ring, r, request, fault);
    else cut_to_chunk(r, request);
  }
}

/* Puts right what has completed, and forgets what has ended otherwise. */
static void mend(kio_ring *ring, rig *r) {
  size_t kept = 0;
  for (size_t i = 0; i < r->note_count; i++) {
    note n = r->notes[i];
    kio_request *request = kio_slab_find(&ring->slab, n.id);
    bool under_way = request && request->state < KIO_REQUEST_COMPLETE;
    if (under_way) r->notes[kept++] = n;
    else if (request && n.err) request->result = -n.err;
    else if (request) uncut(request, &n);
  }
  r->note_count = kept;
}

bool kio_faults_add(kio_ring *ring, kio_faults *faults) {
  if (ring->backend != &kio_ring_rig) return false;
  rig *r = ring->impl;
  kio_list_push(&r->faults, &faults->link);
  return true;
}

void kio_faults_remove(kio_faults *faults) {
  if (kio_link_linked(&faults->link)) kio_link_remove(&faults->link);
}

/* ---- the clock that jumps ---- */

static bool is_file(int fd) {
  mode_t type = kio_fd_type(fd);
  return S_ISREG(type) || S_ISBLK(type);
}

/* Whether the kernel will complete it without anybody's doing, however long that takes. */
static bool comes_by_itself(const kio_request *request) {
  const kio_op_facts *facts = kio_op_look(request->op);
  if (facts->arg == KIO_ARG_IO || facts->arg == KIO_ARG_VEC) {
    return !facts->of_socket && is_file(request->fd);
  }
  return !facts->ready && facts->arg != KIO_ARG_EVENTS;
}

static bool something_comes(const kio_ring *ring) {
  const kio_request *request;
  if (ring->expects) return true;
  for (size_t i = 0; (request = kio_slab_at(&ring->slab, i)); i++) {
    if (kio_request_under_way(request) && comes_by_itself(request)) return true;
  }
  return false;
}

/* Gives the kernel real time to pass on what is on its way; a signal must not shorten it. */
static void settle(kio_ring *ring, int64_t for_ns) {
  int64_t left, until = inner_now_ns(ring) + for_ns;
  while (!ring->refused && !kio_ring_has_news(ring) && (left = until - inner_now_ns(ring)) > 0) {
    inner_enter(ring, left);
  }
}

static void jump(kio_ring *ring, rig *r, int64_t wait_ns) {
  inner_enter(ring, 0);
  if (ring->pending > 0) settle(ring, r->settle_ns);
  if (!kio_ring_has_news(ring) && something_comes(ring)) settle(ring, KIO_RIG_SURE_NS);
  if (!kio_ring_has_news(ring)) r->now_ns += wait_ns;
}

static void rig_enter(kio_ring *ring, int64_t wait_ns) {
  rig *r = ring->impl;
  look_at_queued(ring, r);
  bool sleeps = wait_ns > 0 && wait_ns != KIO_NEVER;
  if (r->jump && sleeps && !kio_ring_has_news(ring)) jump(ring, r, wait_ns);
  else inner_enter(ring, wait_ns);
  mend(ring, r);
}

const kio_ring_backend kio_ring_rig = {
    .name = "rig",
    .library = "that of the ring it stands before",
    .open = rig_open,
    .close = rig_close,
    .enter = rig_enter,
    .wants_enter = rig_wants_enter,
    .now_ns = rig_now_ns,
    .describe = rig_describe,
    .forget = rig_forget,
    .worked = rig_worked,
};
