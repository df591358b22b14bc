/* What the epoll ring knows of each descriptor: who waits for it, and what the kernel watches for.
   A registration belongs to the open file and not to its number: it goes when the last descriptor
   of that file is closed, which may be in a child. So it is taken back before a descriptor is
   closed, an event names the row's generation, and every registration fires once for each change
   only: by EPOLLONESHOT, or by EPOLLET for what streams and listeners wait for, where that saves a
   call for each wait. Called by the ring's thread only. */
#ifndef KIO_RING_EPOLL_ROWS_H
#define KIO_RING_EPOLL_ROWS_H

#include "base/base.h"
#include "base/list.h"

typedef struct kio_row {
  kio_list waiting;    /* requests that wait for this descriptor, by link */
  kio_link change;     /* in `changes`: what the kernel watches for is to be brought up to date */
  int fd;              /* the descriptor */
  uint32_t tenant;     /* who had the number when it was last used */
  uint32_t generation; /* in the name of its events */
  uint32_t events;     /* what the kernel watches for; 0: nothing, or a one-shot has fired */
  bool registered;     /* the kernel has it */
  bool edge;           /* it stays registered, and tells of changes */
  bool tcp;            /* so a short read has read all there was */
  bool drained;        /* nothing is there to be read until the next event */
  bool ends;           /* that cannot be known any more: the peer has ended, or something worse */
  uint8_t in_vain;     /* events in a row that brought nothing */
} kio_row;

typedef struct kio_rows {
  int fd;           /* the epoll descriptor */
  kio_row **blocks; /* rows by descriptor; made when needed, never moved */
  size_t count;     /* blocks there is room for */
  kio_list changes; /* rows, by `change` */
} kio_rows;

/* An empty table, with an epoll descriptor. 0 or -errno. */
int kio_rows_init(kio_rows *rows);
/* Frees it; who waits is the caller's business. */
void kio_rows_fini(kio_rows *rows);
/* The row of a number; NULL: it has none. */
kio_row *kio_rows_find(const kio_rows *rows, int fd);
/* The row of a number from 0 to KIO_FD_MAX, made when needed; NULL: memory is out. */
kio_row *kio_rows_make(kio_rows *rows, int fd);
/* Nothing is known of the number any more but who waits. */
void kio_row_reset(kio_row *row);
/* The descriptor is about to be closed. `alive`: not in a forked child, which has the parent's
   set. */
void kio_rows_forget(kio_rows *rows, int fd, bool alive);
/* What it waits for has changed: it is among `changes` until it has been watched. */
void kio_row_change(kio_rows *rows, kio_row *row);
/* Lets the kernel watch for these events from now on: once, or for each edge. 0 or -errno: then
   nothing is watched for. */
int kio_row_watch(kio_rows *rows, kio_row *row, uint32_t events);
/* The row an event is about; NULL: of a file that is closed here, and that others have open. */
kio_row *kio_rows_named(const kio_rows *rows, uint64_t name);

#endif
