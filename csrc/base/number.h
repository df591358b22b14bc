/* Numbers of descriptors, which the whole process shares, whichever thread or Lua state uses them:
   which of them are kio's own, so that no script can name them, and who has one now, so that a
   handle notices that its number was closed behind its back. No Lua here; any thread may call. */
#ifndef KIO_BASE_NUMBER_H
#define KIO_BASE_NUMBER_H

#include "base/base.h"
#include "base/config.h"

/* What stands for a number that a script may not use: beyond every descriptor, so that whatever is
   done with it fails with EBADF; the number itself is in the lower bits. */
enum {
  KIO_NUMBER_OWN = 0x7b100000,  /* it is kio's own */
  KIO_NUMBER_GONE = 0x7b200000, /* its handle's number was closed */
  KIO_NUMBER_MASK = 0xfffff     /* below KIO_FD_MAX */
};

/* No name is below that, and no number beyond. */
#define KIO_NUMBER_NAMED ((int64_t)1 << 62)

/* What number.c keeps of each number; the functions below read it. */
typedef struct kio_numbers {
  _Atomic uint32_t changes;           /* how often any of them has changed hands */
  _Atomic uint32_t words[KIO_FD_MAX]; /* the count of its tenants above KIO_NUMBER_BITS others */
} kio_numbers;

enum { KIO_NUMBER_BITS = 2, KIO_NUMBER_COUNT = (1 << 28) - 1 };

extern kio_numbers kio_number_table __attribute__((visibility("hidden")));

/* Who has the number now: another one whenever kio has closed it. */
static inline uint32_t kio_number_tenant(int fd) {
  if (fd < 0 || fd >= KIO_FD_MAX) return 0;
  return kio_number_table.words[fd] >> KIO_NUMBER_BITS & KIO_NUMBER_COUNT;
}
/* Another value than before when any number has changed hands since. */
static inline uint32_t kio_number_changes(void) {
  return kio_number_table.changes;
}
/* Whether that is still so; a negative number has no tenants, and is always the same. */
static inline bool kio_number_same(int fd, uint32_t tenant) {
  return fd < 0 || kio_number_tenant(fd) == tenant;
}
/* From now on it is kio's own. Gives fd back, also a negative one. */
int kio_number_own(int fd);
/* From now on the number is anybody's. Gives fd back, also a negative one. */
int kio_number_share(int fd);
/* Its tenant has it no longer: it is about to be closed. */
void kio_number_vacate(int fd);
/* Vacates and closes it, as close(2) does: 0, or -1 with errno. 0, 1 and 2 become /dev/null: else
   they would be the numbers of what is opened next. */
int kio_number_close(int fd);
/* Makes /dev/null of those among 0, 1 and 2 that are closed. 0 or -errno. */
int kio_number_fill_standard(void);
/* Whether that has become of it. */
bool kio_number_is_filled(int fd);
/* The number with its tenant, as handles written in Lua keep it. */
int64_t kio_number_name(int fd);
/* What a script means by a number or name of 0 or more: the descriptor, one of the stand-ins above,
   or -1: it is neither. */
int kio_number_meant(int64_t name);

#endif
