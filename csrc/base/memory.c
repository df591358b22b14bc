/* Owns nothing in release builds. In test builds it counts the live blocks, and a thread may be
   told to fail its n-th allocation. What one thread allocates another may free: live blocks are
   counted for the process. */
#include "base/memory.h"

#include <string.h>

#ifdef KIO_TEST
static _Atomic long memory_live;
static _Thread_local long memory_fail_in;
static _Thread_local long memory_failures;

void kio_memory_fail_at(long n) {
  memory_fail_in = n;
  memory_failures = 0;
}

long kio_memory_failures(void) {
  return memory_failures;
}

long kio_memory_live(void) {
  return memory_live;
}

static bool refused(void) {
  if (memory_fail_in == 0 || --memory_fail_in > 0) return false;
  memory_failures++;
  return true;
}

static void counted(long change) {
  memory_live += change;
}
#else
static bool refused(void) {
  return false;
}

static void counted(long change) {
  (void)change;
}
#endif

void *kio_memory_new(size_t size) {
  void *ptr = refused() ? NULL : calloc(1, size);
  if (ptr) counted(1);
  return ptr;
}

void *kio_memory_resize(void *ptr, size_t size) {
  kio_assert(size > 0);
  void *grown = refused() ? NULL : realloc(ptr, size);
  if (grown && !ptr) counted(1);
  return grown;
}

void *kio_memory_pages(size_t size) {
  enum { PAGE = 4096 };
  if (size < PAGE) return kio_memory_new(size);
  void *ptr = refused() ? NULL : aligned_alloc(PAGE, (size + PAGE - 1) / PAGE * PAGE);
  if (!ptr) return NULL;
  counted(1);
  return memset(ptr, 0, size);
}

void kio_memory_free(void *ptr) {
  if (!ptr) return;
  counted(-1);
  free(ptr);
}

bool kio_memory_reserve(void *list, size_t *room, size_t used, size_t more, size_t each) {
  void *old;
  kio_assert(used <= *room);
  if (more <= *room - used) return true;
  size_t larger = *room * each < 64 ? 128 / each : *room * 2;
  if (larger < used + more) larger = used + more;
  memcpy(&old, list, sizeof old);
  void *grown = kio_memory_resize(old, larger * each);
  if (!grown) return false;
  memcpy(list, &grown, sizeof grown);
  *room = larger;
  return true;
}
