/* What a descriptor is, and whether its calls wait. Any thread may call. */
#ifndef KIO_SYSTEM_FD_H
#define KIO_SYSTEM_FD_H

#include <stdbool.h>
#include <sys/stat.h>

/* The S_IFMT bits of what it is open on; 0: it is not open, or on something without a type. */
mode_t kio_fd_type(int fd);
/* Whether it is O_NONBLOCK, or not open. */
bool kio_fd_must_not_wait(int fd);
/* Whether poll(2) says one of these of it, or an end or an error. */
bool kio_fd_is_ready(int fd, short events);
/* Makes it O_NONBLOCK for a call that heeds nothing else; which flags it had, or -errno. */
int kio_fd_unblock(int fd);
/* Gives it the flags back that kio_fd_unblock has told; -errno is allowed. */
void kio_fd_reblock(int fd, int flags);

#endif
