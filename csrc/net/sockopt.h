/* Socket options as Lua gives them: in option tables, and by the method `option`. */
#ifndef KIO_NET_SOCKOPT_H
#define KIO_NET_SOCKOPT_H

#include <lauxlib.h>
#include <lua.h>

#include "system/socket.h"

/* Reads the table at `index` (nil or none: nothing) into `out`: the socket options of that `use` (a
   KIO_SOCKOPT_FOR_ flag). `others` names the keys that the caller reads itself. Raises on any other
   key, and on a value that makes no sense. */
void kio_read_socket_options(lua_State *L, int index, int use, const char *const *others,
                             kio_socket_options *out);
/* Whether the table at `index` has a number of that name; raises when it is not from 0 to max. */
bool kio_read_number(lua_State *L, int index, const char *name, int max, int *out);
/* The descriptor that the value at `index` stands for: a number, or what its method `fd` gives. -1
   when it is closed; an argument error when it is neither. */
int kio_handle_fd(lua_State *L, int index);
/* Whether asking the handle at `index` for its descriptor runs no code but kio's. */
bool kio_handle_is_kios(lua_State *L, int index);
/* kio_handle_fd without an argument error: what is wrong with the value, NULL: it is in `fd`. May
   leave its words on the stack. */
const char *kio_handle_ask(lua_State *L, int index, int *fd);
/* The index of a network interface given by name or number at `index`; nil: 0, the kernel's choice;
   -1: there is none of that name. Raises on other values. */
int kio_check_interface(lua_State *L, int index);

/* What every socket object can do: option, credentials. */
extern const luaL_Reg kio_socket_methods[];

#endif
