/* Reading a stream: what has arrived, and by format. */
#ifndef KIO_NET_READ_H
#define KIO_NET_READ_H

#include <lauxlib.h>

#include "base/base.h"
#include "net/reader.h"

/* How far a read has come; nothing counts as read before the whole call succeeds. */
typedef struct kio_reading {
  size_t max;         /* at most so many bytes it wants */
  size_t taken;       /* unread bytes that its earlier formats have taken */
  size_t seen;        /* bytes behind them that were searched in vain */
  int64_t due_ns;     /* its deadline */
  int next;           /* the stack index of the format to be satisfied */
  int last;           /* and of the last one */
  uint8_t kind;       /* which of the calls it is: kio_read_kind */
  bool optional;      /* its task waits for the first byte of what may as well never come */
  kio_reader *reader; /* whose format it is; NULL: one of kio's own */
} kio_reading;

/* As the last thing of a C function that runs in a task: reads the stream at index 1 as the reader
   says. Its results | nil, message, code, what the reader adds. */
int kio_read_by(lua_State *L, kio_reader *reader);

extern const luaL_Reg kio_read_methods[]; /* the methods of streams that read */

#endif
