/* The table for other rocks' C. Owns nothing. */
#include "net/guest.h"

#include <errno.h>

#include "base/memory.h"
#include "net/carrier_filter.h"
#include "net/stream_lua.h"
#include "net/write.h"
#include "op/misuse.h"
#include "op/offload.h"
#include "op/op.h"
#include "task/traceback.h"

static const kio_filter *stream_filter(lua_State *L, int index) {
  const kio_stream_handle *h = luaL_checkudata(L, index, KIO_STREAM_TYPE);
  return h->stream ? kio_filter_of(h->stream) : NULL;
}

/* ---- work for the pool ---- */

typedef struct guest_job {
  kio_offloaded offload;
  kio_guest_work work;
} guest_job;

static guest_job *job_of(kio_job *job) {
  return KIO_CONTAINER(job, guest_job, offload.job);
}

static void job_work(kio_job *job, kio_local *local) {
  const kio_guest_work *work = &job_of(job)->work;
  (void)local;
  work->work(work->data);
}

static void job_free(kio_job *job) {
  guest_job *g = job_of(job);
  if (g->work.release) g->work.release(g->work.data);
  kio_memory_free(g);
}

static const kio_offload_kind kind = {
    .name = "work of another rock",
    .subject = "pool",
    .size = sizeof(guest_job),
    .work = job_work,
    .free = job_free,
    .lane = KIO_LANE_USER,
};

static int l_offloadk(lua_State *L, int status, lua_KContext ctx) {
  guest_job *g = (guest_job *)ctx; /* NOLINT: it was one when it went down */
  const char *name = g->work.name;
  (void)status;
  int err = kio_offload_result(L, &g->offload);
  kio_offload_end(&g->offload);
  if (err) return kio_fail(L, err, name, "pool");
  lua_pushboolean(L, true);
  return 1;
}

static int offload(lua_State *L, const kio_guest_work *work) {
  kio_task *task = kio_op_task(L);
  guest_job *g = kio_offload_new(L, task, &kind);
  if (!g) return KIO_FAILED;
  g->work = *work;
  work->hold(work->data);
  return kio_offload_submit(L, task, &g->offload, KIO_NEVER, l_offloadk);
}

static const char *push_text(lua_State *L, int index) {
  kio_traceback_push_text(L, index);
  return kio_traceback_escape(L, KIO_ESCAPE_NAME);
}

/* ---- output ---- */

static int room(lua_State *L, size_t least, kio_guest_room *given) {
  kio_stream *stream = kio_stream_check(L)->stream;
  const kio_task *task = kio_op_task(L);
  int err = kio_stream_output_error(stream);
  if (!err) err = -kio_stream_attach(stream, task->sched);
  if (err) return kio_stream_fail(L, stream, "send", err);
  size_t mark = kio_output_mark(&stream->out), gathered = stream->out.size;
  size_t size = kio_min_size(given->size, mark > gathered ? mark - gathered : 0);
  *given = (kio_guest_room){NULL, 0};
  if (size < least || kio_stream_is_taken(stream)) return 0;
  given->data = kio_stream_reserve(stream, size);
  if (!given->data) return kio_stream_fail(L, stream, "send", ENOMEM);
  given->size = size;
  return 0;
}

/* ---- specs of streams, over another rock's filter ---- */

#ifdef KIO_TEST
static bool (*make_filter)(int fd, kio_filter *filter);

static void put_made(kio_stream *stream) {
  kio_filter filter;
  if (!make_filter(stream->fd, &filter)) return;
  if (kio_filter_put(stream, filter) != 0) filter.kind->free(filter.self);
}

static void put_under(bool (*make)(int fd, kio_filter *filter)) {
  make_filter = make;
  kio_stream_made = put_made;
}
#endif

const kio_guest kio_guest_table = {
    .abi = KIO_GUEST_ABI,
    .type_open = kio_type_open,
    .stream_filter = stream_filter,
    .offload = offload,
    .read = kio_read_by,
    .room = room,
    .put = kio_stream_put,
    .seconds = kio_check_seconds,
    .misuse = kio_misuse,
    .push_text = push_text,
    .memory_resize = kio_memory_resize,
    .memory_free = kio_memory_free,
#ifdef KIO_TEST
    .put_under = put_under,
#endif
};
