/* Buffers: sizes, the cache, what is taken, and the quarantine, which must notice a byte that is
   written to a buffer after it was given back (R22). */
#include "ring/buffer.h"
#include "check.h"
#include "base/memory.h"

#include <string.h>

enum { HELD = 200, STEPS = 50000 };

static kio_buffers set;

/* Lent buffers never overlap: each is filled with its own byte, which must still be there. */
static void at_random(void) {
  static kio_buffer held[HELD];
  static unsigned char mark[HELD];
  size_t count = 0;
  for (int step = 0; step < STEPS; step++) {
    if (count < HELD && check_below(100) < 55) {
      size_t size = 1 + check_below(check_below(50) ? 20000 : 2 * KIO_BUFFER_MAX);
      kio_buffer b = kio_buffer_take(&set, size);
      CHECK(b.data && b.size >= size);
      mark[count] = (unsigned char)check_random();
      memset(b.data, mark[count], b.size);
      held[count++] = b;
    } else if (count > 0) {
      size_t at = check_below(count);
      kio_buffer b = held[at];
      CHECK((unsigned char)b.data[0] == mark[at] && (unsigned char)b.data[b.size - 1] == mark[at]);
      kio_buffer_give(&set, b);
      held[at] = held[--count];
      mark[at] = mark[count];
    }
    CHECK(set.taken == count);
  }
  while (count > 0) kio_buffer_give(&set, held[--count]);
  CHECK(set.taken == 0 && set.violations == 0);
}

static void sizes(void) {
  static const size_t asked[] = {1, KIO_BUFFER_MIN, KIO_BUFFER_MIN + 1, KIO_BUFFER_MAX,
                                 KIO_BUFFER_MAX + 1};
  static const size_t given[] = {KIO_BUFFER_MIN, KIO_BUFFER_MIN, KIO_BUFFER_MIN * 2, KIO_BUFFER_MAX,
                                 KIO_BUFFER_MAX + 1};
  for (size_t i = 0; i < KIO_COUNT(asked); i++) {
    kio_buffer b = kio_buffer_take(&set, asked[i]);
    CHECK(b.data && b.size == given[i]);
    kio_buffer_give(&set, b);
  }
}

/* What has left the quarantine is used again without asking for memory. */
static void cache(void) {
  for (int i = 0; i < KIO_QUARANTINE + KIO_BUFFER_CACHE; i++) {
    kio_buffer_give(&set, kio_buffer_take(&set, KIO_BUFFER_MIN));
  }
  long live = kio_memory_live();
  kio_memory_fail_at(1);
  for (int i = 0; i < 3 * KIO_QUARANTINE; i++) {
    kio_buffer b = kio_buffer_take(&set, 1);
    CHECK(b.data);
    kio_buffer_give(&set, b);
  }
  kio_memory_fail_at(0);
  CHECK(kio_memory_live() == live);
}

static void no_memory(void) {
  size_t taken = set.taken;
  kio_memory_fail_at(1);
  CHECK(!kio_buffer_take(&set, KIO_BUFFER_MAX + 1).data && set.taken == taken);
  kio_memory_fail_at(0);
}

/* Writes one byte to a buffer after giving it back; the check comes when it leaves. */
static void written_after(size_t size, size_t at) {
  unsigned long before = set.violations;
  kio_buffer late = kio_buffer_take(&set, size);
  kio_buffer_give(&set, late);
  late.data[at] = 'x';
  for (int i = 0; i < KIO_QUARANTINE; i++) {
    CHECK(set.violations == before);
    kio_buffer_give(&set, kio_buffer_take(&set, KIO_BUFFER_MAX));
  }
  CHECK(set.violations == before + 1);
}

/* One that is still in quarantine at the end is looked at there. */
static void written_before_the_end(void) {
  kio_buffers last;
  kio_buffers_init(&last);
  kio_buffer b = kio_buffer_take(&last, KIO_BUFFER_MIN);
  kio_buffer_give(&last, b);
  b.data[KIO_BUFFER_MIN / 2] = 'x';
  last.violations = (unsigned long)-1; /* the one to come makes it 0, which fini accepts */
  kio_buffers_fini(&last);
}

int main(void) {
  kio_buffers_init(&set);
  sizes();
  at_random();
  cache();
  no_memory();
  written_after(1, 0);
  written_after(KIO_BUFFER_MIN, KIO_BUFFER_MIN - 1);
  written_after(KIO_BUFFER_MAX, KIO_BUFFER_MAX / 2);
  CHECK(set.violations == 3);
  set.violations = 0; /* they were meant; fini would stop the program */
  kio_buffers_fini(&set);
  written_before_the_end();
  CHECK(kio_memory_live() == 0);
  return 0;
}
