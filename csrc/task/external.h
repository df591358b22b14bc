/* Large results of reads become strings without a copy, where Lua takes memory that is not its own
   (task/version.h): the buffer leaves its set and is the string's, whatever becomes of the run. The
   collector is told how large it is. For smaller ones a copy is cheaper, and a string that fills
   less than half of its buffer would keep too much. */
#ifndef KIO_TASK_EXTERNAL_H
#define KIO_TASK_EXTERNAL_H

#include "task/here.h"
#include "task/version.h"

/* Whose buffer it is until the string is made: without memory for that it gets everything back. */
typedef struct kio_external {
  kio_buffer buffer;  /* taken from the running scheduler's set */
  void *giver;        /* what has named the buffer, and does so no more ... */
  const void *before; /* ... as it was */
  size_t giver_size;
  char replaced; /* the byte where the string's zero is */
} kio_external;

/* Whether `size` bytes of the buffer are worth it. */
static inline bool kio_external_suits(kio_buffer buffer, size_t size) {
  return KIO_LUA_TAKES_BYTES && size >= KIO_EXTERNAL_MIN && size > buffer.size / 2;
}
/* Pushes `size` bytes at `data`, which lies in the buffer; nothing behind them is needed any more.
   Finalizers may run. Raises when Lua has no memory, with everything as it was before. */
void kio_external_push(lua_State *L, kio_external *from, char *data, size_t size);

#endif
