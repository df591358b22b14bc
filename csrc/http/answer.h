/* The head of a response, as a server sends it, and short bodies. */
#ifndef KIO_HTTP_ANSWER_H
#define KIO_HTTP_ANSWER_H

#include <lua.h>

#include "net/guest.h"

/* Sets `answer` and `reply` in the table on top: answer(stream, head | nil, status, headers | nil,
   body | size | nil, may_go_on, read, server | nil, handler | nil) -> simple, plain, text, rest,
   framing, left. It writes the head of a response, and a short body, to the request with that head;
   nil: it could not be read. reply is the same for what a handler has returned.
   lua/types/kio/http_own.d.lua tells what the values are. */
void kio_http_answer_open(lua_State *L, const kio_guest *guest);

#endif
