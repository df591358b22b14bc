/* The simulated ring, in test builds only. It does each request by a plain system call that never
   waits (ring/plain.h), and what its script says instead (test/sim_script.h). Owns two lists
   through request->link: `waiting` (not done yet) and `held` (done, to be told later).
   The clock is virtual: it creeps with every look at it, and when nothing can be done it jumps to
   the end of the wait instead of sleeping. Only a wait without an end sleeps, in poll(2).
   Jumping assumes that all peers live in this thread; the kernel gets SETTLE_MS to pass on what
   they sent. Called by the scheduler's thread only. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "ring/plain.h"
#include "ring/ring.h"
#include "system/fd.h"
#include "test/sim_script.h"

enum {
  CREEP_NS = 1000,   /* how far each look advances the clock: a loop that waits for it ends */
  SETTLE_MS = 10,    /* real time the kernel gets before the clock jumps */
  SURE_MS = 30000,   /* and a thread of ours that will surely answer */
  LOOK_AGAIN_MS = 1, /* pause when poll(2) promised what the call could not do */
};

/* What the ring knows about the request in one slot. */
typedef struct note {
  kio_sim_rule rule; /* what happens to it */
  size_t moved;      /* bytes so far, for kio_plain_try */
  int64_t due_ns;    /* of a held one: when it is told */
  int result;        /* of a held one */
  bool held;         /* done, in the list `held` */
} note;

/* A completion that comes once more. */
typedef struct echo {
  uint64_t id;
  int result;
} echo;

typedef struct sim {
  kio_sim_script script;
  kio_list waiting;
  kio_list held;
  note *notes;         /* by kio_request_index(request) */
  struct pollfd *look; /* room for every request, to poll for all that wait */
  size_t note_count;   /* slots in each of the two */
  int64_t now_ns;
  uint64_t random; /* the state of the shuffle */
  echo echo;       /* the last one a rule wants twice; id 0: none */
  uint64_t done;   /* requests done so far: whether a try has brought anything */
} sim;

static int sim_open(kio_ring *ring, const kio_ring_config *config) {
  sim *s = kio_memory_new(sizeof *s);
  if (!s) return -ENOMEM;
  s->script = kio_sim_script_take();
  s->random = s->script.reorder;
  s->now_ns = KIO_NS_PER_SEC;
  kio_list_init(&s->waiting);
  kio_list_init(&s->held);
  ring->impl = s;
  ring->multishot = config->multishot;
  return 0;
}

static void sim_close(kio_ring *ring) {
  sim *s = ring->impl;
  kio_sim_script_done(&s->script);
  kio_memory_free(s->notes);
  kio_memory_free(s->look);
  kio_memory_free(s);
  ring->impl = NULL;
}

static kio_request *request_of(kio_link *link) {
  return KIO_CONTAINER(link, kio_request, link);
}

static note *note_of(const sim *s, const kio_request *request) {
  kio_assert(kio_request_index(request) < s->note_count);
  return &s->notes[kio_request_index(request)];
}

/* ---- chance ---- */

/* xorshift64: George Marsaglia, "Xorshift RNGs", 2003. */
static uint64_t chance(sim *s) {
  s->random ^= s->random << 13;
  s->random ^= s->random >> 7;
  s->random ^= s->random << 17;
  return s->random;
}

/* One time in `n`, and never without a seed. */
static bool luck(sim *s, unsigned n) {
  return s->random != 0 && chance(s) % n == 0;
}

/* Moves each request of the list to a random place among those before it. */
static void shuffle(sim *s, kio_list *list) {
  size_t count = 0;
  if (s->random == 0) return;
  KIO_LIST_EACH(list, link) {
    kio_link *before = list->head.next;
    for (size_t steps = chance(s) % (count + 1); steps > 0; steps--) before = before->next;
    count++;
    if (before == link) continue;
    kio_link_remove(link);
    link->prev = before->prev;
    link->next = before;
    link->prev->next = before->prev = link;
  }
}

/* ---- from queued to complete ---- */

static bool make_note(sim *s, const kio_request *request) {
  if (kio_request_index(request) < s->note_count) return true;
  size_t count = kio_request_index(request) + KIO_SLAB_CHUNK;
  note *notes = kio_memory_resize(s->notes, count * sizeof *notes);
  if (notes) s->notes = notes;
  struct pollfd *look = kio_memory_resize(s->look, count * sizeof *look);
  if (look) s->look = look;
  if (!notes || !look) return false;
  s->note_count = count;
  return true;
}

/* Takes what has been queued, as much of it as fits. */
static void take_queued(kio_ring *ring, sim *s) {
  unsigned room = s->script.full > 0 ? s->script.full : UINT32_MAX;
  while (room-- > 0 && !kio_list_empty(&ring->queued)) {
    kio_request *request = kio_ring_next_queued(ring);
    if (!make_note(s, request)) {
      kio_ring_complete(ring, request, -ENOMEM);
      continue;
    }
    bool silent = request->flags & KIO_REQUEST_SILENT;
    const kio_sim_rule *rule = silent ? NULL : kio_sim_script_match(&s->script, request);
    *note_of(s, request) = (note){.rule = rule ? *rule : (kio_sim_rule){0}};
    kio_list_push(&s->waiting, &request->link);
  }
  if (!kio_list_empty(&ring->queued)) ring->stats.held_back++;
}

/* It is in neither list. */
static void tell(kio_ring *ring, sim *s, kio_request *request, int result) {
  uint64_t id = request->id;
  bool twice = note_of(s, request)->rule.twice;
  kio_ring_complete_id(ring, id, result);
  if (twice) s->echo = (echo){id, result};
}

static void finish(kio_ring *ring, sim *s, kio_request *request, int result) {
  note *n = note_of(s, request);
  s->done++;
  kio_link_remove(&request->link);
  if (n->rule.delay_ns == 0) {
    tell(ring, s, request, result);
    return;
  }
  n->held = true;
  n->result = result;
  n->due_ns = s->now_ns + n->rule.delay_ns;
  kio_list_push(&s->held, &request->link);
}

/* The whole of it, where a real ring has steps. */
static int call_splice(const kio_request *r, size_t max) {
  off64_t in_at = r->arg.splice.in_offset, out_at = r->arg.splice.out_offset;
  size_t size = max > 0 ? kio_min_size(r->arg.splice.size, max) : r->arg.splice.size;
  int in = r->arg.splice.in, in_flags = kio_fd_unblock(in), out_flags = kio_fd_unblock(r->fd);
  ssize_t moved = splice(in, in_at < 0 ? NULL : &in_at, r->fd, out_at < 0 ? NULL : &out_at, size,
                         SPLICE_F_NONBLOCK);
  int result = moved >= 0 ? (int)moved : -errno;
  kio_fd_reblock(in, in_flags);
  kio_fd_reblock(r->fd, out_flags);
  bool waits = result == -EINTR || (result == -EAGAIN && !((in_flags | out_flags) & O_NONBLOCK));
  return waits ? KIO_PLAIN_WAIT : result;
}

static int call_plainly(kio_request *request, size_t max, size_t *moved) {
  if (request->op == KIO_OP_SPLICE) return call_splice(request, max);
  if (kio_plain_is_work(request)) return kio_plain_work(request, max);
  return kio_plain_try(request, max, moved);
}

/* A receive that borrows has its buffer only while it is tried, and keeps it with bytes in. */
static int call(kio_ring *ring, kio_request *request, size_t max, note *n) {
  kio_arg_io *io = &request->arg.io;
  if (!kio_request_borrows(request)) return call_plainly(request, max, &n->moved);
  kio_buffer buffer = kio_buffer_take(ring->buffers, io->size);
  if (!buffer.data) return -ENOMEM;
  io->buf = buffer.data;
  int result = call_plainly(request, max, &n->moved);
  io->buf = NULL;
  if (result > 0) request->buffer = buffer;
  else kio_buffer_give(ring->buffers, buffer);
  return result;
}

/* With a seed some end with a result as good as those before, as when the queue is full. */
static bool goes_on(sim *s, const kio_request *request) {
  const kio_sim_rule *rule = &note_of(s, request)->rule;
  return kio_request_goes_on(request) && rule->delay_ns == 0 && !rule->twice && !luck(s, 4);
}

static void try_one(kio_ring *ring, sim *s, kio_request *request) {
  note *n = note_of(s, request);
  size_t max = n->rule.short_max > 0 ? n->rule.short_max : s->script.short_max;
  if (request->flags & KIO_REQUEST_SILENT) max = 0;
  bool scripted = n->rule.has_result;
  int result = scripted ? n->rule.result : call(ring, request, max, n);
  if (result == -EAGAIN && request->flags & KIO_REQUEST_SILENT) return; /* there io_uring waits */
  /* A close that fails has closed all the same: close(2). */
  if (scripted && request->op == KIO_OP_CLOSE) call_plainly(request, max, &n->moved);
  if (result >= 0 && goes_on(s, request)) {
    s->done++;
    kio_ring_more(ring, request, result);
  } else if (result != KIO_PLAIN_WAIT) {
    finish(ring, s, request, result);
  }
}

/* With a seed some are left for later: true then. */
static bool try_each(kio_ring *ring, sim *s) {
  bool left = false;
  shuffle(s, &s->waiting);
  KIO_LIST_EACH(&s->waiting, link) {
    if (luck(s, 4)) left = true;
    else try_one(ring, s, request_of(link));
  }
  return left;
}

/* Does what can be done now, and what becomes possible by that. */
static bool try_all(kio_ring *ring, sim *s) {
  uint64_t before;
  bool left;
  do {
    before = s->done;
    left = try_each(ring, s);
  } while (s->done != before && !left);
  return left;
}

/* What was done before stays done; what waits ends here, with the bytes it has moved. */
static void take_cancels(kio_ring *ring, sim *s) {
  kio_request *target;
  while ((target = kio_ring_next_cancel(ring))) {
    note *n = note_of(s, target);
    ring->stats.ignored++;
    if (n->held) continue;
    bool some = target->op != KIO_OP_CONNECT && n->moved > 0;
    kio_link_remove(&target->link);
    tell(ring, s, target, some ? (int)n->moved : -ECANCELED);
  }
}

static void tell_held(kio_ring *ring, sim *s) {
  KIO_LIST_EACH(&s->held, link) {
    kio_request *request = request_of(link);
    note *n = note_of(s, request);
    if (n->due_ns > s->now_ns) continue;
    kio_link_remove(link);
    tell(ring, s, request, n->result);
  }
}

static void tell_again(kio_ring *ring, sim *s) {
  if (s->echo.id == 0) return;
  kio_ring_complete_id(ring, s->echo.id, s->echo.result);
  s->echo.id = 0;
}

/* ---- waiting ---- */

static int64_t next_held_ns(const sim *s) {
  int64_t next = KIO_NEVER;
  KIO_LIST_EACH(&s->held, link) next = kio_min_ns(next, note_of(s, request_of(link))->due_ns);
  return next;
}

/* Sleeps for real until something can be done; how many descriptors say so. */
static int poll_waiting(const sim *s, int timeout_ms) {
  nfds_t count = 0;
  KIO_LIST_EACH(&s->waiting, link) {
    const kio_request *r = request_of(link);
    int fd = r->op == KIO_OP_SPLICE ? r->arg.splice.in : r->fd;
    s->look[count++] = (struct pollfd){fd, kio_plain_events(r), 0};
  }
  return poll(s->look, count, timeout_ms);
}

/* Whether the kernel may have something on its way: a silent request is for other threads. */
static bool awaits_kernel(const sim *s) {
  KIO_LIST_EACH(&s->waiting, link) {
    if (!(request_of(link)->flags & KIO_REQUEST_SILENT)) return true;
  }
  return false;
}

static void look_again_later(void) {
  nanosleep(&(struct timespec){0, LOOK_AGAIN_MS * 1000000L}, NULL);
}

/* Nothing can be done now. Without an end of the wait the thread sleeps; with one the clock jumps,
   after the kernel had its time to pass on what is on its way. */
static void pass_time(kio_ring *ring, sim *s, int64_t until_ns) {
  bool endless = until_ns == KIO_NEVER;
  uint64_t done = s->done;
  int settle = ring->expects ? SURE_MS : awaits_kernel(s) ? SETTLE_MS : 0;
  for (int ms = 0; endless || ms < settle; ms += LOOK_AGAIN_MS) {
    int ready = poll_waiting(s, endless ? -1 : settle - ms);
    if (ready < 0) return; /* a signal */
    if (ready == 0) break;
    try_all(ring, s);
    if (s->done != done) return;
    look_again_later();
  }
  s->now_ns = until_ns;
}

static void sim_enter(kio_ring *ring, int64_t wait_ns) {
  sim *s = ring->impl;
  ring->stats.enters++;
  s->now_ns += CREEP_NS;
  take_queued(ring, s);
  tell_again(ring, s); /* by now the slot has its next tenant */
  bool left = try_all(ring, s);
  take_cancels(ring, s);
  tell_held(ring, s);
  bool busy = left || !kio_list_empty(&ring->queued) || kio_ring_has_news(ring);
  if (wait_ns > 0 && !busy) {
    int64_t end = wait_ns == KIO_NEVER ? KIO_NEVER : s->now_ns + wait_ns;
    pass_time(ring, s, kio_min_ns(end, next_held_ns(s)));
    tell_held(ring, s);
  }
  shuffle(s, &ring->completed);
}

static bool sim_wants_enter(kio_ring *ring) {
  const sim *s = ring->impl;
  return !kio_list_empty(&s->waiting) || !kio_list_empty(&s->held) || s->echo.id != 0;
}

static int64_t sim_now_ns(kio_ring *ring) {
  sim *s = ring->impl;
  return s->now_ns += CREEP_NS;
}

static void sim_describe(kio_ring *ring, char *text, size_t size) {
  const sim *s = ring->impl;
  snprintf(text, size, "simulated, %u rules", s->script.rule_count);
}

const kio_ring_backend kio_ring_sim = {
    .name = "sim",
    .library = "plain system calls",
    .open = sim_open,
    .close = sim_close,
    .enter = sim_enter,
    .wants_enter = sim_wants_enter,
    .now_ns = sim_now_ns,
    .describe = sim_describe,
};
