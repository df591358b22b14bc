/* timeout: 120 */
/* flavours: test asan tsan */
/* The pool (csrc/thread/pool.h): each job runs once and its end is told once; a lane never has more
   threads than its share; a full queue refuses; what is withdrawn never runs; no thread, no job;
   the end names what is stuck, leaves it alone, and what that does later touches nothing. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "base/config.h"
#include "base/memory.h"
#include "thread/pool.h"
#include "thread/thread.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { MANY = 2000, ENDS = 20 };
#else
enum { MANY = 20000, ENDS = 200 };
#endif
enum { SHARE_USER = 3, SHARE_INTERNAL = 2, SUBMITTERS = 3, PATIENCE_MS = 30000 };

typedef struct test_job {
  kio_job job;
  int wait_fd; /* the work reads a byte from it; negative: nothing to wait for */
  bool ran;
} test_job;

static kio_inbox *inbox;
static kio_pool *pool;
static atomic_int busy[KIO_LANE_COUNT], most_busy[KIO_LANE_COUNT];
static atomic_long ran, freed, locals, locals_freed;
static long made, told, told_unrun;

/* ---- jobs ---- */

static void local_fini(void *data) {
  CHECK(data == &locals);
  atomic_fetch_add(&locals_freed, 1);
}

static void work(kio_job *job, kio_local *local) {
  test_job *j = (test_job *)(void *)job;
  char byte;
  int now = atomic_fetch_add(&busy[job->lane], 1) + 1, before = atomic_load(&most_busy[job->lane]);
  while (now > before && !atomic_compare_exchange_weak(&most_busy[job->lane], &before, now)) {}
  CHECK(!j->ran);
  j->ran = true;
  if (!local->data) {
    *local = (kio_local){&locals, local_fini};
    atomic_fetch_add(&locals, 1);
  }
  if (j->wait_fd >= 0) CHECK(read(j->wait_fd, &byte, 1) == 1);
  atomic_fetch_sub(&busy[job->lane], 1);
  atomic_fetch_add(&ran, 1);
}

static void free_job(kio_job *job) {
  kio_memory_free(job);
  atomic_fetch_add(&freed, 1);
}

static void arrive(kio_post *post, void *sched) {
  test_job *j = (test_job *)(void *)post;
  (void)sched;
  CHECK(j->ran != j->job.queued);
  told++;
  if (j->job.queued) told_unrun++;
  kio_job_unref(&j->job);
}

static void drop(kio_post *post) {
  arrive(post, NULL);
}

static test_job *new_job(kio_lane lane, int wait_fd) {
  test_job *j = kio_memory_new(sizeof *j);
  CHECK(j);
  kio_job_init(&j->job, inbox);
  j->job.post = (kio_post){NULL, arrive, drop};
  j->job.work = work;
  j->job.free = free_job;
  j->job.name = "job";
  j->job.lane = (uint8_t)lane;
  j->wait_fd = wait_fd;
  made++;
  return j;
}

/* Makes a job and hands it over; what the pool says. */
static int submit(kio_lane lane, int wait_fd) {
  test_job *j = new_job(lane, wait_fd);
  int err = kio_pool_submit(pool, &j->job);
  kio_job_unref(&j->job);
  return err;
}

/* ---- the owner ---- */

static void take_told(void) {
  kio_post *post = kio_inbox_take(inbox);
  while (post) {
    kio_post *next = post->next;
    post->arrive(post, NULL);
    post = next;
  }
}

static void until_told(long count) {
  uint64_t wakes;
  for (take_told(); told < count; take_told()) {
    struct pollfd look = {kio_inbox_fd(inbox), POLLIN, 0};
    if (!kio_inbox_sleep(inbox)) continue;
    CHECK(poll(&look, 1, PATIENCE_MS) == 1);
    CHECK(read(look.fd, &wakes, sizeof wakes) == sizeof wakes);
  }
  CHECK(told == count);
}

static void until(atomic_int *value, int wanted) {
  while (atomic_load(value) != wanted) sched_yield();
}

static void open_pool(unsigned user, unsigned internal, unsigned queue) {
  int err;
  kio_pool_config config = {0};
  config.threads[KIO_LANE_USER] = user;
  for (int i = KIO_LANE_USER + 1; i < KIO_LANE_COUNT; i++) config.threads[i] = internal;
  for (int i = 0; i < KIO_LANE_COUNT; i++) config.queue[i] = queue;
  memset(busy, 0, sizeof busy);
  memset(most_busy, 0, sizeof most_busy);
  ran = freed = locals = locals_freed = made = told = told_unrun = 0;
  inbox = kio_inbox_new(&err);
  pool = kio_pool_new(&config);
  CHECK(inbox && pool);
}

/* Ends it; how many patient jobs were late. */
static size_t end_pool(int64_t time_ns, char *late, size_t size) {
  size_t count = kio_pool_end(pool, kio_real_now_ns() + time_ns, late, size);
  kio_pool_unref(pool);
  kio_inbox_close(inbox);
  kio_inbox_unref(inbox);
  return count;
}

static void check_clean(void) {
  char late[8];
  CHECK(end_pool(PATIENCE_MS * 1000000LL, late, sizeof late) == 0 && late[0] == '\0');
  CHECK(freed == made && locals == locals_freed);
  CHECK(kio_memory_live() == 0);
}

static void make_pipe(int fds[2]) {
  CHECK(pipe(fds) == 0);
}

static void release(int fd, int count) {
  while (count-- > 0) CHECK(write(fd, "x", 1) == 1);
}

static void close_pipe(const int fds[2]) {
  close(fds[0]);
  close(fds[1]);
}

/* ---- the tests ---- */

static void all_run_once(void) {
  open_pool(SHARE_USER, SHARE_INTERNAL, MANY);
  for (int i = 0; i < MANY; i++) CHECK(submit((kio_lane)check_below(KIO_LANE_COUNT), -1) == 0);
  until_told(MANY);
  CHECK(ran == MANY && told_unrun == 0);
  CHECK(most_busy[KIO_LANE_USER] <= SHARE_USER);
  CHECK(most_busy[KIO_LANE_LOOKUP] <= SHARE_INTERNAL);
  CHECK(most_busy[KIO_LANE_INTERNAL] <= SHARE_INTERNAL);
  check_clean();
}

static void lanes_keep_their_shares(void) {
  int user[2], internal[2];
  kio_pool_stats stats;
  make_pipe(user);
  make_pipe(internal);
  open_pool(SHARE_USER, SHARE_INTERNAL, 2);
  for (int i = 0; i < SHARE_USER; i++) CHECK(submit(KIO_LANE_USER, user[0]) == 0);
  until(&busy[KIO_LANE_USER], SHARE_USER);
  for (int i = 0; i < 2; i++) CHECK(submit(KIO_LANE_USER, user[0]) == 0); /* queued */
  CHECK(submit(KIO_LANE_USER, user[0]) == -EAGAIN);
  for (int i = 0; i < SHARE_INTERNAL; i++) CHECK(submit(KIO_LANE_INTERNAL, internal[0]) == 0);
  until(&busy[KIO_LANE_INTERNAL], SHARE_INTERNAL); /* the others do not keep them waiting */
  kio_pool_stats_read(pool, &stats);
  CHECK(stats.threads == SHARE_USER + SHARE_INTERNAL && stats.queued[KIO_LANE_USER] == 2);
  CHECK(stats.running[KIO_LANE_USER] == SHARE_USER && stats.queued[KIO_LANE_INTERNAL] == 0);
  release(internal[1], SHARE_INTERNAL);
  until_told(SHARE_INTERNAL);
  CHECK(atomic_load(&busy[KIO_LANE_USER]) == SHARE_USER); /* idle threads do not exceed the share */
  release(user[1], SHARE_USER + 2);
  until_told(SHARE_INTERNAL + SHARE_USER + 2);
  CHECK(most_busy[KIO_LANE_USER] == SHARE_USER);
  check_clean();
  close_pipe(user);
  close_pipe(internal);
}

static void withdrawn_never_run(void) {
  int fds[2];
  make_pipe(fds);
  open_pool(1, 0, 10);
  test_job *running = new_job(KIO_LANE_USER, fds[0]), *queued = new_job(KIO_LANE_USER, -1);
  CHECK(kio_pool_submit(pool, &running->job) == 0);
  until(&busy[KIO_LANE_USER], 1);
  CHECK(kio_pool_submit(pool, &queued->job) == 0);
  CHECK(!kio_job_withdraw(&running->job));
  CHECK(kio_job_withdraw(&queued->job));
  CHECK(!kio_job_withdraw(&queued->job)); /* once */
  release(fds[1], 1);
  until_told(1);
  CHECK(!kio_job_withdraw(&running->job)); /* over */
  CHECK(!queued->ran && running->ran);
  kio_job_unref(&running->job);
  kio_job_unref(&queued->job);
  check_clean();
  close_pipe(fds);
}

/* Who has asked for a place and is gone when it becomes free: the place is given up with the last
   reference, by the thread that had just found it. */
static void places_for_nobody(void) {
  int fds[2];
  make_pipe(fds);
  open_pool(1, 0, 0);
  CHECK(submit(KIO_LANE_USER, fds[0]) == 0);
  until(&busy[KIO_LANE_USER], 1);
  for (int i = 0; i < 2; i++) {
    test_job *asking = new_job(KIO_LANE_USER, -1);
    CHECK(kio_pool_reserve(pool, &asking->job) == -EAGAIN);
    CHECK(kio_pool_reserve_later(pool, &asking->job) == 0);
    kio_job_unref(&asking->job);
  }
  kio_inbox_close(inbox);
  release(fds[1], 1);
  while (freed < made) sched_yield();
  CHECK(ran == 1 && told == 0);
  check_clean();
  close_pipe(fds);
}

static void without_threads(void) {
  int fds[2];
  make_pipe(fds);
  open_pool(2, 0, 10);
  kio_thread_fail_at(1);
  CHECK(submit(KIO_LANE_USER, -1) == -EAGAIN); /* nobody is there to run it */
  CHECK(freed == 1);
  CHECK(submit(KIO_LANE_USER, fds[0]) == 0);
  until(&busy[KIO_LANE_USER], 1);
  kio_thread_fail_at(1);
  CHECK(submit(KIO_LANE_USER, -1) == 0); /* the one that is there will */
  CHECK(told == 0);
  release(fds[1], 1);
  until_told(2);
  CHECK(ran == 2);
  check_clean();
  close_pipe(fds);
}

static void stuck_at_the_end(bool patient) {
  int fds[2];
  char late[32];
  make_pipe(fds);
  open_pool(1, 1, 10);
  test_job *j = new_job(KIO_LANE_USER, fds[0]);
  j->job.patient = patient;
  j->job.name = "stuck";
  CHECK(kio_pool_submit(pool, &j->job) == 0);
  until(&busy[KIO_LANE_USER], 1);
  CHECK(submit(KIO_LANE_USER, -1) == 0); /* behind it: will never run */
  kio_job_unref(&j->job);
  int64_t before = kio_real_now_ns();
  CHECK(end_pool(patient ? 20000000 : PATIENCE_MS * 1000000LL, late, sizeof late) == patient);
  CHECK(strcmp(late, patient ? "stuck" : "") == 0);
  CHECK(patient || kio_real_now_ns() - before < PATIENCE_MS * 1000000LL / 2);
  CHECK(told == 1 && told_unrun == 1 && freed == 1);
  release(fds[1], 1); /* pool and inbox have no owner any more */
  while (freed < 2 || locals_freed < locals || kio_memory_live() > 0) sched_yield();
  close_pipe(fds);
}

static void waits_for_the_patient(void) {
  int fds[2];
  char late[32];
  make_pipe(fds);
  open_pool(1, 1, 10);
  test_job *j = new_job(KIO_LANE_USER, fds[0]);
  j->job.patient = true;
  CHECK(kio_pool_submit(pool, &j->job) == 0);
  until(&busy[KIO_LANE_USER], 1);
  kio_job_unref(&j->job);
  release(fds[1], 1);
  CHECK(end_pool(PATIENCE_MS * 1000000LL, late, sizeof late) == 0);
  CHECK(told == 1 && told_unrun == 0 && freed == 1 && kio_memory_live() == 0);
  close_pipe(fds);
}

/* ---- the end while others submit ---- */

static atomic_long accepted, submitted;

static void *submit_until_refused(void *arg) {
  const struct timespec full_pause = {0, 100000};
  int err = 0;
  (void)arg;
  while (err != -ECANCELED) {
    test_job *j = kio_memory_new(sizeof *j);
    kio_job_init(&j->job, inbox);
    j->job.post = (kio_post){NULL, arrive, drop};
    j->job.work = work;
    j->job.free = free_job;
    j->job.name = "job";
    j->wait_fd = -1;
    err = kio_pool_submit(pool, &j->job);
    CHECK(err == 0 || err == -EAGAIN || err == -ECANCELED);
    atomic_fetch_add(&submitted, 1);
    if (err == 0) atomic_fetch_add(&accepted, 1);
    if (err == 0 && atomic_load(&submitted) % 3 == 0) kio_job_withdraw(&j->job);
    kio_job_unref(&j->job);
    if (err == -EAGAIN) nanosleep(&full_pause, NULL); /* the processor is for who makes room */
  }
  kio_pool_unref(pool);
  kio_inbox_unref(inbox);
  return NULL;
}

static void end_while_others_submit(void) {
  pthread_t threads[SUBMITTERS];
  char late[8];
  open_pool(2, 1, 20);
  accepted = submitted = 0;
  for (int i = 0; i < SUBMITTERS; i++) {
    kio_pool_ref(pool);
    kio_inbox_ref(inbox);
    CHECK(pthread_create(&threads[i], NULL, submit_until_refused, NULL) == 0);
  }
  for (size_t turns = check_below(50); turns > 0; turns--) {
    take_told();
    sched_yield();
  }
  CHECK(kio_pool_end(pool, kio_real_now_ns() + PATIENCE_MS * 1000000LL, late, sizeof late) == 0);
  for (int i = 0; i < SUBMITTERS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  kio_pool_unref(pool);
  kio_inbox_close(inbox);
  kio_inbox_unref(inbox);
  CHECK(freed == submitted && told <= accepted && ran == told - told_unrun);
  CHECK(locals == locals_freed && kio_memory_live() == 0);
}

int main(void) {
  all_run_once();
  lanes_keep_their_shares();
  withdrawn_never_run();
  places_for_nobody();
  without_threads();
  stuck_at_the_end(true);
  stuck_at_the_end(false);
  waits_for_the_patient();
  for (int i = 0; i < ENDS; i++) end_while_others_submit();
  return 0;
}
