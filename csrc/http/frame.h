/* WebSocket frames (RFC 6455), read as they come: a frame may be cut anywhere, a message may come
   in fragments with control frames between them. Strict: what the RFC does not allow fails. Works
   on memory only. Text is checked while it comes, and a length that is only promised takes no
   memory. */
#ifndef KIO_HTTP_FRAME_H
#define KIO_HTTP_FRAME_H

#include "http/utf8.h"

#define KIO_WS_HEAD_MAX 14
#define KIO_WS_CONTROL_MAX 125

typedef enum kio_ws_opcode {
  KIO_WS_CONTINUATION = 0,
  KIO_WS_TEXT = 1,
  KIO_WS_BINARY = 2,
  KIO_WS_CLOSE = 8,
  KIO_WS_PING = 9,
  KIO_WS_PONG = 10
} kio_ws_opcode;

/* Why a connection fails: what its last frame tells the peer. */
typedef enum kio_ws_close {
  KIO_WS_PROTOCOL = 1002,
  KIO_WS_NO_TEXT = 1007,
  KIO_WS_TOO_BIG = 1009,
  KIO_WS_NO_MEMORY = 1011
} kio_ws_close;

/* One direction of a connection. All zero but for its first six fields before the first byte. */
typedef struct kio_ws_frames {
  void *(*resize)(void *data, size_t size); /* where its memory comes from, as realloc ... */
  void (*release)(void *data);              /* ... and goes to; NULL is allowed */
  size_t message_max;                       /* most bytes of a message's frames together */
  size_t fragments_max;                     /* most frames of a message */
  bool masked;                              /* the peer is a client, which masks */
  bool may_compress; /* RSV1 has a meaning: permessage-deflate was agreed upon */
  uint8_t head_size; /* so much of a frame's head has come */
  uint8_t head[KIO_WS_HEAD_MAX];
  uint8_t ready;        /* the kind of what is complete and not yet taken; 0: nothing is */
  uint8_t kind;         /* of the message under way; 0: none is */
  bool compressed;      /* that message */
  bool in_payload;      /* the frame's head is complete, its payload is not */
  uint8_t control_size; /* of a control frame's payload, as far as it has come */
  char control[KIO_WS_CONTROL_MAX];
  kio_http_utf8 text; /* where the message under way stands */
  uint64_t at;        /* payload bytes of the frame that have come */
  uint64_t left;      /* and those that have not */
  size_t fragments;   /* frames of the message that have begun */
  char *data;         /* what has come of the message */
  size_t size;        /* of it */
  size_t room;        /* at data */
  uint16_t status;    /* a kio_ws_close: the connection has failed; 0: it has not */
  const char *why;    /* and the words for that */
} kio_ws_frames;

/* Takes bytes up to the end of the first frame that completes something (`ready`), or fails
   (`status`); how many. Takes none before what is ready is dropped, and none after a failure. */
size_t kio_ws_feed(kio_ws_frames *frames, const char *bytes, size_t size);
/* What is ready: its payload. */
const char *kio_ws_payload(const kio_ws_frames *frames, size_t *size);
/* Frees what is ready, which was taken: what follows may come. */
void kio_ws_drop(kio_ws_frames *frames);
/* Frees what has come. */
void kio_ws_fini(kio_ws_frames *frames);
/* Whether a frame or a message is under way. */
static inline bool kio_ws_inside(const kio_ws_frames *frames) {
  return frames->head_size > 0 || frames->kind != 0;
}

/* What a frame with `size` bytes of payload begins with; its size. `mask` NULL: a server's. */
size_t kio_ws_head(uint8_t head[KIO_WS_HEAD_MAX], kio_ws_opcode opcode, bool compressed,
                   uint64_t size, const uint8_t *mask);
/* Whether a close frame may have this code. */
bool kio_ws_close_is_valid(unsigned code);

#endif
