/* The real ring; only it and ring/uring_prep.c know liburing. Owns the kernel's ring; one
   submit-and-wait per turn, completions copied into their requests before anything else runs. The
   thread that opened it is the only one that may touch it (SINGLE_ISSUER). Facts:
   io_uring_setup(2), io_uring_enter(2), and docs/rationale.md for what was measured. */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/number.h"
#include "ring/loans.h"
#include "ring/pause.h"
#include "ring/plain.h"
#include "ring/ring.h"
#include "ring/step.h"
#include "ring/uring_prep.h"
#include "system/kernel.h"

enum {
  MEMORY_RETRIES = 5,         /* rings are freed late: ENOMEM may pass within 50 ms */
  MEMORY_RETRY_NS = 10000000, /* the first pause, doubled each time */
  ENTRIES_MIN = 8,            /* the smallest ring tried when memory is short */
  BUSY_WAIT_NS = 10000000,    /* the longest sleep while the kernel refuses submissions */
  GROUP = 1,                  /* the number of the group of lent buffers */
};

/* The version macros came with 2.4, and nothing below 2.3 has all that is used here. */
#ifdef IO_URING_VERSION_MAJOR
#define TEXT_OF(x) #x
#define VERSION_TEXT(major, minor) "liburing " TEXT_OF(major) "." TEXT_OF(minor)
#define LIBRARY VERSION_TEXT(IO_URING_VERSION_MAJOR, IO_URING_VERSION_MINOR)
#else
#define LIBRARY "liburing 2.3"
#endif

/* In the name of a cancel, beside the name of its target, whose index never gets this large. */
#define CANCEL_BIT ((uint64_t)1 << 31)

typedef struct uring {
  struct io_uring ring;
  unsigned flags;                  /* the setup flags that were granted */
  uint32_t lacks;                  /* a bit for each operation that this kernel has not */
  struct io_uring_buf_ring *group; /* where lent buffers lie ready; NULL: receives poll first */
  kio_loans loans;                 /* of the group */
  kio_pauses pauses;               /* of requests that are tried again */
} uring;

/* ---- opening and closing ---- */

/* The flags worth having, best first; each step down is taken on EINVAL. */
static const unsigned ladder[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
        IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    0,
};
static const unsigned sqpoll_ladder[] = {
    IORING_SETUP_SQPOLL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_SQPOLL,
};

static int try_open(uring *u, const kio_ring_config *config, unsigned entries, unsigned flags) {
  struct io_uring_params params = {0};
  params.flags = flags | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
  params.cq_entries = config->cq_entries > entries ? config->cq_entries : entries * 2;
  if (config->sqpoll_ms >= 0) params.sq_thread_idle = (unsigned)config->sqpoll_ms;
  int err = io_uring_queue_init_params(entries, &u->ring, &params);
  if (err == 0) kio_number_own(u->ring.ring_fd);
  if (err == 0) u->flags = flags;
  else kio_log("a ring of %u with setup flags %#x: %s", entries, flags, strerror(-err));
  return err;
}

static void leave(uring *u) {
  kio_number_vacate(u->ring.ring_fd);
  io_uring_queue_exit(&u->ring);
}

static int climb_down(uring *u, const kio_ring_config *config, unsigned entries) {
  const unsigned *step = config->sqpoll_ms >= 0 ? sqpoll_ladder : ladder;
  size_t steps = config->sqpoll_ms >= 0 ? KIO_COUNT(sqpoll_ladder) : KIO_COUNT(ladder);
  int err = -EINVAL;
  for (size_t i = 0; i < steps && err == -EINVAL; i++) {
    err = try_open(u, config, entries, step[i]);
  }
  return err;
}

/* Rings are charged to RLIMIT_MEMLOCK and released late: wait a little, then ask for less. */
static int open_patiently(uring *u, const kio_ring_config *config) {
  unsigned entries = config->entries;
  int err = climb_down(u, config, entries);
  struct timespec pause = {0, MEMORY_RETRY_NS};
  for (int i = 0; i < MEMORY_RETRIES && err == -ENOMEM; i++, pause.tv_nsec *= 2) {
    nanosleep(&pause, NULL); /* a signal only makes it shorter */
    err = climb_down(u, config, entries);
  }
  while (err == -ENOMEM && entries / 2 >= ENTRIES_MIN) {
    entries /= 2;
    kio_ring_config less = {
        .entries = entries, .cq_entries = entries * 2, .sqpoll_ms = config->sqpoll_ms};
    err = climb_down(u, &less, entries);
  }
  return err;
}

/* ---- lent buffers ---- */

static size_t group_size(const uring *u) {
  return u->loans.size * sizeof(struct io_uring_buf);
}

/* Where the kernel or memory refuses the group, receives poll first. */
static void open_group(uring *u, const kio_ring_config *config) {
  if (config->lend == 0 || !config->buffers) return;
  if (!kio_loans_init(&u->loans, config->buffers, config->lend)) return;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS;
  void *group = mmap(NULL, group_size(u), PROT_READ | PROT_WRITE, flags, -1, 0);
  struct io_uring_buf_reg about = {
      .ring_addr = (uint64_t)(uintptr_t)group, .ring_entries = u->loans.size, .bgid = GROUP};
  if (group != MAP_FAILED && io_uring_register_buf_ring(&u->ring, &about, 0) == 0) {
    u->group = group;
    io_uring_buf_ring_init(u->group);
    return;
  }
  if (group != MAP_FAILED) munmap(group, group_size(u));
  kio_loans_fini(&u->loans);
}

/* With requests under way the kernel may still fill them: then they stay, as the slots do. */
static void close_group(const kio_ring *ring, uring *u) {
  if (!u->group || ring->pending > 0) return;
  munmap(u->group, group_size(u));
  kio_loans_fini(&u->loans);
}

/* Before an entry: fresh buffers for the places that have become vacant. */
static void fill_group(uring *u) {
  int number, count = 0, mask = io_uring_buf_ring_mask(u->loans.size);
  unsigned ready = kio_loans_ready(&u->loans);
  for (; ready < u->loans.wanted && (number = kio_loans_place(&u->loans)) >= 0; ready++) {
    char *data = u->loans.places[number];
    io_uring_buf_ring_add(u->group, data, KIO_BUFFER_MIN, (unsigned short)number, mask, count++);
  }
  if (count > 0) io_uring_buf_ring_advance(u->group, count);
  kio_in_test(kio_loans_verify(&u->loans));
}

static void prep_loan(struct io_uring_sqe *sqe, const uring *u, const kio_request *request) {
  kio_debug_assert(!request->buffer.data);
  if (!u->group) {
    io_uring_prep_poll_add(sqe, request->fd, POLLIN);
    return;
  }
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = GROUP;
}

/* Bytes came, maybe into a lent buffer, and maybe there are more. `request` NULL: for nobody. */
static void note_arrival(kio_ring *ring, uring *u, kio_request *request,
                         const struct io_uring_cqe *cqe) {
  if (cqe->flags & IORING_CQE_F_BUFFER) {
    kio_assert(u->group && (!request || kio_request_borrows(request)));
    kio_buffer lent = kio_loans_take(&u->loans, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    if (request) request->buffer = lent;
    else kio_buffer_give(ring->buffers, lent);
  }
  if (request && cqe->flags & IORING_CQE_F_SOCK_NONEMPTY) request->flags |= KIO_REQUEST_MORE;
}

/* A poll has found input: only now a buffer is needed. Somebody else may have taken the bytes. */
static void receive_polled(kio_ring *ring, uring *u, kio_request *request) {
  kio_assert(!u->group && !request->buffer.data);
  int result = kio_plain_receive(ring->buffers, request);
  if (result == KIO_PLAIN_WAIT) kio_pause_begin(&u->pauses, ring, request);
  else kio_ring_complete(ring, request, result);
}

/* Whether this was not the end of a receive that borrows: it has only begun, or goes on waiting. */
static bool goes_on(kio_ring *ring, uring *u, kio_request *request, int result) {
  if (!kio_request_borrows(request)) return false;
  if (u->group && result == -ENOBUFS) {
    kio_log_count(&ring->stats.starved, "a receive found no buffer ready");
    kio_loans_starve(&u->loans, request);
    return true;
  }
  if (!u->group && result >= 0) {
    receive_polled(ring, u, request);
    return true;
  }
  return false;
}

/* A policy may allow the setup and refuse the enter: without this the loop would spin. */
static int open_and_enter(uring *u, const kio_ring_config *config) {
  int err = open_patiently(u, config);
  if (err) return err;
  err = io_uring_get_events(&u->ring);
  if (err >= 0) return 0;
  leave(u);
  return err;
}

/* Linux 5.19 brought accepts that go on; 6.6.1 to 6.8-rc3 may give a poll mask for a descriptor
   then (DEFER_TASKRUN and multishot). */
static bool accepts_soundly(void) {
  int version = kio_kernel_version();
  bool faulty = version >= KIO_KERNEL(6, 6) && version < KIO_KERNEL(6, 8);
  return version >= KIO_KERNEL(5, 19) && !faulty;
}

/* What io_uring was before Linux 5.10 is not relied on (docs/install.md). */
static bool is_too_old(void) {
  int version = kio_kernel_version();
  return version > 0 && version < KIO_KERNEL(5, 10);
}

static int uring_open(kio_ring *ring, const kio_ring_config *config) {
  if (is_too_old()) return -ENOSYS;
  uring *u = kio_memory_new(sizeof *u);
  if (!u) return -ENOMEM;
  int err = open_and_enter(u, config);
  if (err) {
    kio_memory_free(u);
    return err;
  }
  /* These three only save time or threads: a kernel that refuses them still works. */
  io_uring_register_ring_fd(&u->ring);
  io_uring_ring_dontfork(&u->ring);
  unsigned workers[2] = {KIO_IOWQ_BOUNDED, KIO_IOWQ_UNBOUNDED};
  io_uring_register_iowq_max_workers(&u->ring, workers);
  kio_pauses_init(&u->pauses);
  u->lacks = kio_uring_lacks(&u->ring);
  open_group(u, config);
  ring->multishot = config->multishot && accepts_soundly();
  ring->impl = u;
  return 0;
}

static void uring_close(kio_ring *ring) {
  uring *u = ring->impl;
  if (kio_ring_alive(ring)) leave(u);
  else kio_number_close(u->ring.ring_fd); /* a child has no mapping: see ring_dontfork */
  close_group(ring, u);
  kio_memory_free(u);
  ring->impl = NULL;
}

/* ---- one enter ---- */

/* None that a kernel may lack waits for anybody. */
static int do_plainly(kio_request *request) {
  size_t moved = 0;
  return kio_plain_is_work(request) ? kio_plain_work(request, 0)
                                    : kio_plain_try(request, 0, &moved);
}

/* An operation this kernel lacks is done at once. */
static bool done_plainly(kio_ring *ring, uring *u) {
  if (u->lacks == 0) return false;
  const kio_request *request = KIO_CONTAINER(kio_list_first(&ring->queued), kio_request, link);
  if (!(u->lacks >> request->op & 1)) return false;
  kio_request *taken = kio_ring_next_queued(ring);
  kio_assert(taken == request);
  kio_ring_complete(ring, taken, do_plainly(taken));
  return true;
}

/* io_uring_get_sqe where there is known to be room. It clears the entry: newer versions of liburing
   do that there, not in io_uring_prep_rw. */
static struct io_uring_sqe *take_sqe(struct io_uring_sq *sq) {
  return memset(&sq->sqes[sq->sqe_tail++ & sq->ring_mask], 0, sizeof *sq->sqes);
}

/* Fills SQEs until the queue is empty (true) or there is no SQE left (false). */
static bool fill_requests(kio_ring *ring, uring *u) {
  unsigned room = io_uring_sq_space_left(&u->ring);
  while (!kio_list_empty(&ring->queued)) {
    if (done_plainly(ring, u)) continue;
    if (room == 0) return false;
    kio_request *request = kio_ring_next_queued(ring);
    bool in_steps = kio_op_facts_of[request->op].steps != KIO_STEPS_NEVER;
    if (in_steps && !kio_step_start(&u->pauses, ring, request)) continue;
    kio_debug_assert(!(request->id & CANCEL_BIT));
    struct io_uring_sqe *sqe = take_sqe(&u->ring.sq);
    kio_uring_prep[request->op](sqe, request);
    if (kio_request_borrows(request)) prep_loan(sqe, u, request);
    io_uring_sqe_set_data64(sqe, request->id);
    room--;
  }
  return true;
}

/* Cancels go behind their targets: one that came first would find nothing. */
static bool fill_cancels(kio_ring *ring, uring *u) {
  while (!kio_list_empty(&ring->cancels)) {
    if (io_uring_sq_space_left(&u->ring) == 0) return false;
    kio_request *target = kio_ring_next_cancel(ring);
    if (!target) return true;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    io_uring_prep_cancel64(sqe, target->id, 0);
    io_uring_sqe_set_data64(sqe, target->id | CANCEL_BIT);
  }
  return true;
}

/* A system call that a signal cuts off ends in one of the kernel's own "start me again" codes,
   which the return to user space hides. A cancelled splice or open lets them through. */
static int result_of(const struct io_uring_cqe *cqe) {
  enum { RESTART_FIRST = 512, RESTART_LAST = 516 }; /* ERESTARTSYS to ERESTART_RESTARTBLOCK */
  return cqe->res <= -RESTART_FIRST && cqe->res >= -RESTART_LAST ? -EINTR : cqe->res;
}

static void collect_one(kio_ring *ring, uring *u, const struct io_uring_cqe *cqe) {
  if (!(cqe->user_data & CANCEL_BIT)) {
    kio_request *request = kio_ring_find(ring, cqe->user_data);
    if (cqe->flags & IORING_CQE_F_MORE) {
      if (request) kio_ring_more(ring, request, cqe->res);
      return;
    }
    if (cqe->flags) note_arrival(ring, u, request, cqe);
    bool unusual = cqe->res < 0 || !u->group;
    if (!request || (unusual && goes_on(ring, u, request, cqe->res))) return;
    int result = unusual ? kio_step_tried(request, result_of(cqe)) : cqe->res;
    bool in_steps = kio_op_facts_of[request->op].steps != KIO_STEPS_NEVER;
    if (in_steps) kio_step_finish(&u->pauses, ring, request, result);
    else kio_ring_complete(ring, request, result);
    return;
  }
  ring->stats.ignored++;
  if (cqe->res == -ENOENT) kio_ring_cancel_again(ring, cqe->user_data & ~CANCEL_BIT);
}

static void collect(kio_ring *ring, uring *u) {
  const struct io_uring_cq *cq = &u->ring.cq;
  unsigned ready = io_uring_cq_ready(&u->ring), head = *cq->khead;
  if (io_uring_cq_has_overflow(&u->ring)) {
    kio_log_count(&ring->stats.overflows, "the completion queue was full");
  }
  for (unsigned i = 0; i < ready; i++) collect_one(ring, u, &cq->cqes[(head + i) & cq->ring_mask]);
  io_uring_cq_advance(&u->ring, ready);
}

/* EINTR, EAGAIN, EBUSY and ETIME all mean: look at the completions and go on. Anything else will
   not pass: a policy that came into force after the start, a descriptor that is not the ring's. */
static inline void note_refusal(kio_ring *ring, int outcome) {
  bool passes = outcome >= 0 || outcome == -EINTR || outcome == -EAGAIN || outcome == -EBUSY ||
                outcome == -ETIME;
  if (!passes) ring->refused = outcome;
}

static void submit(kio_ring *ring, uring *u, int64_t wait_ns) {
  struct io_uring_cqe *cqe;
  int outcome;
  kio_assert(wait_ns >= 0);
  ring->stats.enters++;
  if (wait_ns == 0) {
    outcome = io_uring_submit_and_get_events(&u->ring);
  } else if (wait_ns == KIO_NEVER) {
    outcome = io_uring_submit_and_wait(&u->ring, 1);
  } else {
    struct __kernel_timespec bound = {wait_ns / KIO_NS_PER_SEC, wait_ns % KIO_NS_PER_SEC};
    outcome = io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &bound, NULL);
  }
  note_refusal(ring, outcome);
}

/* The queue is longer than the ring: submit in slices. False when the kernel takes no more now. */
static bool submit_slices(kio_ring *ring, uring *u) {
  while (!fill_requests(ring, u) || !fill_cancels(ring, u)) {
    kio_log_count(&ring->stats.held_back, "the submission queue was full, requests wait");
    submit(ring, u, 0);
    collect(ring, u);
    if (u->flags & IORING_SETUP_SQPOLL) note_refusal(ring, io_uring_sqring_wait(&u->ring));
    if (ring->refused || io_uring_sq_space_left(&u->ring) == 0) return false;
  }
  return true;
}

/* Receives wait for a buffer, and there may be one now: no time to sleep. */
static bool starving(const uring *u) {
  return u->group && !kio_list_empty(&u->loans.starved);
}

static void uring_enter(kio_ring *ring, int64_t wait_ns) {
  uring *u = ring->impl;
  if (u->group) fill_group(u);
  if (starving(u)) kio_loans_feed(&u->loans, ring);
  if (!kio_list_empty(&u->pauses.requests)) kio_pauses_end(&u->pauses, ring);
  if (!submit_slices(ring, u)) wait_ns = kio_min_ns(wait_ns, BUSY_WAIT_NS);
  if (ring->refused) return;
  wait_ns = kio_min_ns(wait_ns, kio_pauses_left_ns(&u->pauses));
  submit(ring, u, kio_ring_has_news(ring) || starving(u) ? 0 : wait_ns);
  collect(ring, u);
}

static bool uring_wants_enter(kio_ring *ring) {
  uring *u = ring->impl;
  unsigned flags = IO_URING_READ_ONCE(*u->ring.sq.kflags);
  if (starving(u) || kio_pauses_left_ns(&u->pauses) == 0) return true;
  return flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW) || io_uring_cq_ready(&u->ring) > 0;
}

static int64_t uring_now_ns(kio_ring *ring) {
  (void)ring;
  return kio_real_now_ns();
}

static void uring_describe(kio_ring *ring, char *text, size_t size) {
  static const struct {
    unsigned flag;
    const char *name;
  } names[] = {
      {IORING_SETUP_SINGLE_ISSUER, "SINGLE_ISSUER"},
      {IORING_SETUP_DEFER_TASKRUN, "DEFER_TASKRUN"},
      {IORING_SETUP_COOP_TASKRUN, "COOP_TASKRUN"},
      {IORING_SETUP_SUBMIT_ALL, "SUBMIT_ALL"},
      {IORING_SETUP_SQPOLL, "SQPOLL"},
  };
  uring *u = ring->impl;
  int used = snprintf(text, size, "sq=%u cq=%u", u->ring.sq.ring_entries, u->ring.cq.ring_entries);
  for (size_t i = 0; i < KIO_COUNT(names) && used > 0 && (size_t)used < size; i++) {
    if (!(u->flags & names[i].flag)) continue;
    used += snprintf(text + used, size - (size_t)used, " %s", names[i].name);
  }
}

const kio_ring_backend kio_ring_uring = {
    .name = "uring",
    .library = LIBRARY,
    .plain_calls = true,
    .open = uring_open,
    .close = uring_close,
    .enter = uring_enter,
    .wants_enter = uring_wants_enter,
    .now_ns = uring_now_ns,
    .describe = uring_describe,
};
