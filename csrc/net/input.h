/* The input half of a stream: bytes that have arrived and are not yet read. Knows nothing of where
   they come from, nor of who reads them. */
#ifndef KIO_NET_INPUT_H
#define KIO_NET_INPUT_H

#include "ring/buffer.h"

typedef struct kio_input {
  kio_buffer buffer; /* bytes [at, end) are unread; without data while the kernel has it */
  size_t at;         /* the first unread one */
  size_t end;        /* behind the last one */
  int error;         /* how the last receive failed: negative errno, told to its reader once */
  uint8_t doubled;   /* so often, from KIO_BUFFER_MIN: the next receive; follows what arrives */
  bool ended;        /* the last byte has come */
  bool more;         /* the last receive left bytes where it took them: the next need not wait */
} kio_input;

/* How large the next receive is to be. */
static inline size_t kio_input_want(const kio_input *in) {
  return (size_t)KIO_BUFFER_MIN << in->doubled;
}
static inline size_t kio_input_unread(const kio_input *in) {
  return in->end - in->at;
}
/* Marks `size` unread bytes as read; an empty buffer is given back. */
static inline void kio_input_consume(kio_input *in, kio_buffers *buffers, size_t size) {
  if (!in->buffer.data) return;
  in->at += kio_min_size(size, kio_input_unread(in));
  if (in->at < in->end) return;
  kio_buffer_give(buffers, in->buffer);
  in->buffer = (kio_buffer){NULL, 0};
  in->at = in->end = 0;
}
/* Room at the end: a new buffer, or the unread bytes moved to the front, or a larger one. 0 or
   -ENOMEM. */
int kio_input_make_room(kio_input *in, kio_buffers *buffers);
/* Puts bytes in front of the unread ones. 0 or -ENOMEM. */
int kio_input_put_back(kio_input *in, kio_buffers *buffers, const char *data, size_t size);
/* `got` of `asked` bytes have come behind the others: the next receive is larger after one that
   filled its buffer, smaller after one that nearly did not. */
static inline void kio_input_grow(kio_input *in, size_t asked, size_t got) {
  in->end += got;
  kio_debug_assert(got <= asked && in->end <= in->buffer.size);
  if (got == asked && kio_input_want(in) < KIO_RECEIVE_MAX) in->doubled++;
  else if (in->doubled > 0 && got < kio_input_want(in) / 4) in->doubled--;
}
/* The kernel keeps the buffer, which lies at `data`: what is unread in it comes into another one,
   or is lost when memory is out. */
void kio_input_rescue(kio_input *in, kio_buffers *buffers, const char *data);
/* Gives the buffer back, with what is unread; `buffers` NULL: its set is gone. */
void kio_input_drop(kio_input *in, kio_buffers *buffers);
#ifdef KIO_TEST
/* An input has a buffer exactly while there are unread bytes; `lent`: the kernel has it. */
void kio_input_verify(const kio_input *in, bool lent);
#endif

#endif
