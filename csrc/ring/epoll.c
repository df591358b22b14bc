/* The ring where io_uring is not to be had. A request is tried at once by a plain system call
   (ring/plain.h); one whose descriptor is not ready waits in that descriptor's row, and is tried
   again when epoll tells of it. What waits for a disk is done elsewhere (kio_offload). Invariant:
   an INFLIGHT request is in the list of one row (ring/epoll_rows.h), or has been offloaded. Facts:
   epoll(7), epoll_ctl(2). Called by the ring's thread only. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/config.h"
#include "base/memory.h"
#include "base/number.h"
#include "ring/epoll_rows.h"
#include "ring/pause.h"
#include "ring/plain.h"
#include "ring/ring.h"
#include "ring/step.h"
#include "system/newer.h"
#include "system/sockopt.h"

enum {
  EVENTS = 256,        /* collected in one call */
  ACCEPTS = 64,        /* connections that one listener brings in a row */
  IN_VAIN = 4,         /* events without anything to do before a request waits by pauses */
  LOOK_NS = 100000000, /* how often those are looked at whom no event tells all */
  EDGES = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI,
  LAST_WORDS = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI, /* more may follow what was read */
};

typedef struct epoll {
  kio_rows rows;
  size_t waiting; /* requests in rows */
  bool has_pwait2;
  bool has_deaf;   /* requests in rows that hear too little: see look_at_deaf */
  int64_t look_ns; /* when they are looked at, if there are any */
  kio_pauses pauses;
  kio_offload offload;
} epoll;

/* ---- rows ---- */

static void leave_row(epoll *e, kio_request *request) {
  kio_link_remove(&request->link);
  kio_assert(e->waiting > 0);
  e->waiting--;
}

/* ---- the end of a try ---- */

static bool in_steps(const kio_request *r) {
  return kio_op_in_steps(r->op, KIO_STEPS_ALWAYS);
}

/* It is in no list. */
static void finish(kio_ring *ring, kio_request *request, int result) {
  epoll *e = ring->impl;
  kio_assert(!kio_link_linked(&request->link));
  if (result == KIO_PLAIN_WAIT) { /* a fifo that nobody reads: no event tells of one */
    kio_pause_begin(&e->pauses, ring, request);
    return;
  }
  if (in_steps(request)) kio_step_finish(&e->pauses, ring, request, result);
  else kio_ring_complete(ring, request, result);
  /* Offloaded, a step cannot be cancelled: the next one can. */
  bool goes_on = request->state == KIO_REQUEST_QUEUED && request->flags & KIO_REQUEST_CANCELLING;
  if (goes_on) kio_ring_cancel_again(ring, request->id);
}

/* ---- waiting ---- */

static int waits_on(const kio_request *r) {
  bool in = r->step == KIO_SPLICE_WAIT_IN || r->step == KIO_SPLICE_READ;
  return r->op == KIO_OP_SPLICE && in ? r->arg.splice.in : r->fd;
}

static bool receives(const kio_request *r) {
  return kio_op_look(r->op)->ready == POLLIN && r->op != KIO_OP_ACCEPT;
}

static uint32_t waits_for(const kio_request *r) {
  bool in = r->step == KIO_SPLICE_WAIT_IN || r->step == KIO_SPLICE_READ;
  if (r->op == KIO_OP_SPLICE) return in ? EPOLLIN : EPOLLOUT;
  return (uint16_t)kio_plain_events(r) | (receives(r) ? (uint32_t)EPOLLRDHUP : 0);
}

/* Another file has the number now: those who wait for the one before would get its bytes. */
static void refuse_strays(kio_ring *ring, kio_row *w) {
  KIO_LIST_EACH(&w->waiting, link) {
    kio_request *request = KIO_CONTAINER(link, kio_request, link);
    leave_row(ring->impl, request);
    finish(ring, request, -EBADF);
  }
  kio_row_reset(w);
}

static bool is_tcp(int fd) {
  int protocol;
  return kio_sockopt_ask(fd, SOL_SOCKET, SO_PROTOCOL, &protocol) == 0 && protocol == IPPROTO_TCP;
}

static uint32_t wanted(const kio_row *w) {
  uint32_t events = w->edge ? EDGES : 0;
  KIO_LIST_EACH(&w->waiting, link) events |= waits_for(KIO_CONTAINER(link, kio_request, link));
  return events;
}

/* Whether no event tells it that it waits in vain: nothing can be sent to a Unix socket after a
   shutdown(2) of either end, and epoll knows of room alone. */
static bool is_deaf(const kio_request *r) {
  int domain;
  return kio_op_look(r->op)->ready == POLLOUT &&
         kio_sockopt_ask(r->fd, SOL_SOCKET, SO_DOMAIN, &domain) == 0 && domain == AF_UNIX;
}

static void note_deaf(epoll *e, const kio_request *request) {
  if (e->has_deaf || !is_deaf(request)) return;
  e->has_deaf = true;
  e->look_ns = kio_real_now_ns() + LOOK_NS;
}

static void wait(kio_ring *ring, kio_request *request) {
  epoll *e = ring->impl;
  int fd = waits_on(request);
  bool possible = fd >= 0 && fd < KIO_FD_MAX;
  kio_row *w = possible ? kio_rows_make(&e->rows, fd) : NULL;
  if (!w) {
    finish(ring, request, possible ? -ENOMEM : -EBADF);
    return;
  }
  if (w->tenant != kio_number_tenant(fd)) refuse_strays(ring, w);
  kio_assert(request->state == KIO_REQUEST_INFLIGHT && w->fd == fd);
  kio_list_push(&w->waiting, &request->link);
  e->waiting++;
  if (!w->edge && (kio_request_borrows(request) || kio_request_goes_on(request))) {
    w->edge = true;
    w->events = 0;
    w->tcp = kio_request_borrows(request) && is_tcp(fd);
  }
  note_deaf(e, request);
  uint32_t needs = waits_for(request) | (w->edge ? EDGES : 0);
  if (needs & ~w->events) kio_row_change(&e->rows, w);
}

/* What cannot be watched (a kind of file that epoll does not know, or want of memory or of watches)
   is tried now and then; but such a file never tells what a poll waits for: io_uring says so. */
static void try_later(kio_ring *ring, kio_row *w, int err) {
  epoll *e = ring->impl;
  KIO_LIST_EACH(&w->waiting, link) {
    kio_request *request = KIO_CONTAINER(link, kio_request, link);
    leave_row(e, request);
    if (err == -EBADF) finish(ring, request, err);
    else if (err == -EPERM && request->op == KIO_OP_POLL) finish(ring, request, -EINVAL);
    else kio_pause_begin(&e->pauses, ring, request);
  }
}

static void arm_one(kio_ring *ring, kio_row *w) {
  epoll *e = ring->impl;
  uint32_t events = wanted(w);
  if (events == 0) return; /* those who waited have been cancelled */
  int err = kio_row_watch(&e->rows, w, events);
  if (err) try_later(ring, w, err);
}

static void arm(kio_ring *ring) {
  epoll *e = ring->impl;
  kio_link *link;
  while ((link = kio_list_pop(&e->rows.changes)))
    arm_one(ring, KIO_CONTAINER(link, kio_row, change));
}

/* ---- trying ---- */

/* A short read of a TCP socket has read all there was. */
static int receive(kio_ring *ring, kio_request *request) {
  const epoll *e = ring->impl;
  kio_assert(!request->buffer.data);
  int result = kio_plain_receive(ring->buffers, request);
  kio_row *w = result > 0 ? kio_rows_find(&e->rows, request->fd) : NULL;
  bool more = request->flags & KIO_REQUEST_MORE;
  if (w) w->drained = w->events && w->tcp && !more && !w->ends;
  return result;
}

/* One whose progress counts keeps it in its result until it has one. */
static int try_once(kio_ring *ring, kio_request *request) {
  if (kio_request_borrows(request)) return receive(ring, request);
  size_t moved = (size_t)request->result;
  int result = kio_plain_try(request, 0, &moved);
  request->result = (int)moved;
  bool tries = request->op == KIO_OP_SENDMSG && request->step == KIO_STEP_TRY;
  return result == KIO_PLAIN_WAIT && tries ? -EAGAIN : result;
}

/* What brings many results goes on until there is none, or others must have their turn. */
static int try_many(kio_ring *ring, kio_request *request, bool *again) {
  int result = 0;
  for (int i = 0; i < ACCEPTS; i++) {
    result = try_once(ring, request);
    if (result < 0) return result;
    kio_ring_more(ring, request, result);
  }
  *again = true;
  return 0;
}

/* False: it has to wait. Else it is in no list of this ring's any more. */
static bool attempt(kio_ring *ring, kio_request *request) {
  epoll *e = ring->impl;
  bool again = false, goes_on = kio_request_goes_on(request);
  int result = goes_on ? try_many(ring, request, &again) : try_once(ring, request);
  if (result == KIO_PLAIN_WAIT) return false;
  if (kio_link_linked(&request->link)) leave_row(e, request);
  if (again) kio_ring_put_off(request, &ring->queued);
  else finish(ring, request, result);
  return true;
}

/* They are tried now and then, and after each shutdown of this ring's: it may be what they wait
   for. */
static void look_at_deaf(kio_ring *ring) {
  epoll *e = ring->impl;
  kio_request *request;
  if (!e->has_deaf || kio_real_now_ns() < e->look_ns) return;
  e->has_deaf = false;
  for (size_t i = 0; (request = kio_slab_at(&ring->slab, i)); i++) {
    bool waits = request->state == KIO_REQUEST_INFLIGHT && kio_link_linked(&request->link);
    bool looks = waits && !kio_ring_is_stray(request) && is_deaf(request);
    if (looks && !attempt(ring, request)) note_deaf(e, request);
  }
}

/* ---- down ---- */

/* Whether a try is known to be in vain; one that is to be tried once and cancelled has its try. */
static bool is_drained(const epoll *e, const kio_request *request) {
  if (!kio_request_borrows(request) || request->flags & KIO_REQUEST_CANCELLING) return false;
  const kio_row *w = kio_rows_find(&e->rows, request->fd);
  return w && w->drained && w->tenant == kio_number_tenant(request->fd);
}

/* One that is cancelled already was to be tried once: it ends by itself. */
static void begin_work(kio_ring *ring, kio_request *request) {
  epoll *e = ring->impl;
  int result = kio_plain_cached(request);
  if (kio_link_linked(&request->cancel_link)) kio_link_remove(&request->cancel_link);
  if (result == KIO_PLAIN_WAIT) {
    int err = e->offload.submit(e->offload.ctx, request);
    if (err == 0) return;
    result = err;
  }
  finish(ring, request, result);
}

static void epoll_forget(kio_ring *ring, int fd) {
  epoll *e = ring->impl;
  kio_rows_forget(&e->rows, fd, kio_ring_alive(ring));
}

static void start(kio_ring *ring, kio_request *request) {
  epoll *e = ring->impl;
  if (in_steps(request) && !kio_step_start(&e->pauses, ring, request)) return;
  if (request->op == KIO_OP_CLOSE) epoll_forget(ring, request->fd);
  if (request->op == KIO_OP_SHUTDOWN) e->look_ns = 0;
  if (kio_plain_is_work(request)) begin_work(ring, request);
  else if (is_drained(e, request) || !attempt(ring, request)) wait(ring, request);
}

/* What waits ends here, with the bytes it has moved. What has been offloaded and has begun ends by
   itself. */
static void cancel(kio_ring *ring, kio_request *request) {
  epoll *e = ring->impl;
  kio_assert(request->flags & KIO_REQUEST_CANCELLING);
  ring->stats.ignored++;
  if (!kio_link_linked(&request->link)) {
    if (!e->offload.withdraw(e->offload.ctx, request)) return;
  } else {
    leave_row(e, request);
  }
  bool some = request->op != KIO_OP_CONNECT && request->result > 0;
  finish(ring, request, some ? request->result : -ECANCELED);
}

static void take(kio_ring *ring) {
  kio_request *request;
  size_t bound = ring->pending + 1; /* what comes back for its next step waits for the next time */
  while (bound-- > 0 && !kio_list_empty(&ring->queued)) start(ring, kio_ring_next_queued(ring));
  while ((request = kio_ring_next_cancel(ring))) cancel(ring, request);
}

/* ---- up ---- */

static bool concerns(const kio_request *request, uint32_t events) {
  return events & (waits_for(request) | EPOLLERR | EPOLLHUP);
}

/* A receive that waits at the end of its input has no more to come: from a datagram socket that is
   shut down recv(2) would, unless it must not wait, bring the end that io_uring brings. */
static bool retry(kio_ring *ring, kio_request *request, uint32_t events) {
  if (attempt(ring, request)) return true;
  if (!(events & EPOLLRDHUP) || !receives(request)) return false;
  leave_row(ring->impl, request);
  finish(ring, request, request->result);
  return true;
}

/* An event of the row: those who wait for it are tried again, in order. */
static void happened(kio_ring *ring, kio_row *w, uint32_t events) {
  epoll *e = ring->impl;
  bool done = false;
  if (!w->edge) w->events = 0;
  if (events & LAST_WORDS) w->ends = true;
  w->drained = false;
  KIO_LIST_EACH(&w->waiting, link) {
    kio_request *request = KIO_CONTAINER(link, kio_request, link);
    int before = request->result;
    if (concerns(request, events))
      done = retry(ring, request, events) || request->result > before || done;
  }
  if (w->edge) return;
  w->in_vain = done ? 0 : (uint8_t)(w->in_vain + 1);
  if (w->in_vain > IN_VAIN) {
    w->in_vain = 0;
    try_later(ring, w, -EAGAIN);
  }
  if (!kio_list_empty(&w->waiting)) kio_row_change(&e->rows, w);
}

/* How many events; a signal ends the wait without any. */
static int collect(epoll *e, struct epoll_event *events, int64_t wait_ns) {
  struct timespec bound = {wait_ns / KIO_NS_PER_SEC, wait_ns % KIO_NS_PER_SEC};
  if (wait_ns == 0 || wait_ns == KIO_NEVER) {
    return epoll_wait(e->rows.fd, events, EVENTS, wait_ns == 0 ? 0 : -1);
  }
  if (e->has_pwait2) {
    int count = (int)syscall(SYS_epoll_pwait2, e->rows.fd, events, EVENTS, &bound, NULL, 0);
    if (count >= 0 || errno == EINTR) return count;
    e->has_pwait2 = false; /* before Linux 5.11, or refused by a policy that does not know it */
  }
  struct pollfd look = {e->rows.fd, POLLIN, 0};
  if (ppoll(&look, 1, &bound, NULL) <= 0) return 0;
  return epoll_wait(e->rows.fd, events, EVENTS, 0);
}

/* Until something is to be done that no event tells. */
static int64_t left_ns(const epoll *e) {
  int64_t left = kio_pauses_left_ns(&e->pauses);
  if (!e->has_deaf || left == 0) return left;
  int64_t now = kio_real_now_ns();
  return now < e->look_ns ? kio_min_ns(left, e->look_ns - now) : 0;
}

static void epoll_enter(kio_ring *ring, int64_t wait_ns) {
  struct epoll_event events[EVENTS];
  epoll *e = ring->impl;
  ring->stats.enters++;
  if (!kio_list_empty(&e->pauses.requests)) kio_pauses_end(&e->pauses, ring);
  take(ring);
  look_at_deaf(ring);
  arm(ring);
  bool busy = kio_ring_has_news(ring) || !kio_list_empty(&ring->queued);
  int count = collect(e, events, busy ? 0 : kio_min_ns(wait_ns, left_ns(e)));
  for (int i = 0; i < count; i++) {
    kio_row *w = kio_rows_named(&e->rows, events[i].data.u64);
    if (w) happened(ring, w, events[i].events);
    else ring->stats.stale++;
  }
}

static bool epoll_wants_enter(kio_ring *ring) {
  const epoll *e = ring->impl;
  return e->waiting > 0 || kio_pauses_left_ns(&e->pauses) == 0;
}

static int64_t epoll_now_ns(kio_ring *ring) {
  (void)ring;
  return kio_real_now_ns();
}

static void epoll_describe(kio_ring *ring, char *text, size_t size) {
  const epoll *e = ring->impl;
  snprintf(text, size, "epoll, %s", e->has_pwait2 ? "pwait2" : "ppoll");
}

/* ---- life ---- */

static int epoll_open(kio_ring *ring, const kio_ring_config *config) {
  epoll *e = kio_memory_new(sizeof *e);
  if (!e) return -ENOMEM;
  int err = kio_rows_init(&e->rows);
  if (err) {
    kio_memory_free(e);
    return err;
  }
  e->has_pwait2 = true;
  e->offload = config->offload;
  kio_pauses_init(&e->pauses);
  ring->multishot = config->multishot;
  ring->impl = e;
  return 0;
}

static void epoll_close(kio_ring *ring) {
  epoll *e = ring->impl;
  kio_rows_fini(&e->rows);
  kio_memory_free(e);
  ring->impl = NULL;
}

const kio_ring_backend kio_ring_epoll = {
    .name = "epoll",
    .library = "plain system calls",
    .plain_calls = true,
    .open = epoll_open,
    .close = epoll_close,
    .enter = epoll_enter,
    .wants_enter = epoll_wants_enter,
    .now_ns = epoll_now_ns,
    .describe = epoll_describe,
    .forget = epoll_forget,
    .worked = finish,
};
