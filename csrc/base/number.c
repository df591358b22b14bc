/* Owns the table of numbers: the one piece of memory that all threads of the process share by
   itself, as they share the kernel's table (docs/rationale.md). Each entry is one word, so no lock
   is needed. Invariant: the count of an entry grows before its number is given back. */
#include "base/number.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

enum { OWN = 1, FILLED = 2, COUNT_ONE = 1 << KIO_NUMBER_BITS, STANDARD_LAST = 2 };

_Static_assert(KIO_NUMBER_MASK == KIO_FD_MAX - 1, "a stand-in has room for every descriptor");

/* By number: whether it is kio's own, whether /dev/null is there in place of what was closed, and
   above these bits how often it was given back. Pages of numbers that are never used cost
   nothing. */
kio_numbers kio_number_table;

static bool has_word(int fd) {
  return fd >= 0 && fd < KIO_FD_MAX;
}

static bool is_own(int fd) {
  return has_word(fd) && kio_number_table.words[fd] & OWN;
}

int kio_number_own(int fd) {
  if (has_word(fd)) kio_number_table.words[fd] |= (uint32_t)OWN;
  return fd;
}

int kio_number_share(int fd) {
  if (has_word(fd)) kio_number_table.words[fd] &= ~(uint32_t)OWN;
  return fd;
}

void kio_number_vacate(int fd) {
  kio_number_share(fd);
  if (has_word(fd)) kio_number_table.words[fd] += (uint32_t)COUNT_ONE;
  kio_number_table.changes++;
}

/* ---- closing ---- */

static int open_null(void) {
  return open("/dev/null", O_RDWR); /* children are to inherit it */
}

/* In one step, for another thread might open something in between. Only where no descriptor is left
   for that it takes two. */
static int close_standard(int fd) {
  if (fcntl(fd, F_GETFD) < 0) return -1;
  int null = open_null();
  if (null > STANDARD_LAST) {
    int result = dup2(null, fd) < 0 ? -1 : 0;
    kio_number_table.words[fd] |= (uint32_t)FILLED;
    close(null);
    return result;
  }
  int result = close(fd);
  if (null < 0) kio_number_fill_standard();
  return result;
}

int kio_number_close(int fd) {
  kio_number_vacate(fd);
  return fd >= 0 && fd <= STANDARD_LAST ? close_standard(fd) : close(fd);
}

bool kio_number_is_filled(int fd) {
  return has_word(fd) && kio_number_table.words[fd] & FILLED;
}

static bool standard_complete(void) {
  for (int fd = 0; fd <= STANDARD_LAST; fd++) {
    if (fcntl(fd, F_GETFD) < 0) return false;
  }
  return true;
}

/* The kernel gives the lowest number that is free: the first one beyond them is one too many. */
int kio_number_fill_standard(void) {
  int fd = -1;
  if (standard_complete()) return 0;
  while ((fd = open_null()) >= 0 && fd <= STANDARD_LAST)
    kio_number_table.words[fd] |= (uint32_t)FILLED;
  if (fd >= 0) close(fd);
  return fd >= 0 || standard_complete() ? 0 : -errno;
}

/* ---- names ---- */

int64_t kio_number_name(int fd) {
  return KIO_NUMBER_NAMED | ((int64_t)kio_number_tenant(fd) + 1) << 32 | fd;
}

static int meant_by_name(int64_t name) {
  int64_t tenant = ((name & ~KIO_NUMBER_NAMED) >> 32) - 1, fd = name & UINT32_MAX;
  if (tenant < 0 || fd > INT_MAX) return -1;
  if (kio_number_same((int)fd, (uint32_t)tenant)) return (int)fd;
  return KIO_NUMBER_GONE | ((int)fd & KIO_NUMBER_MASK);
}

int kio_number_meant(int64_t name) {
  if (name >= KIO_NUMBER_NAMED) return meant_by_name(name);
  if (name < 0 || name > INT_MAX) return -1;
  return is_own((int)name) ? KIO_NUMBER_OWN | (int)name : (int)name;
}
