/* Where errors came from. An error value goes its way unchanged; its traceback is kept beside it,
   in the task it was raised in, and grows by each task that awaited that one, and by the errors
   that gave way to it. */
#ifndef KIO_TASK_TRACEBACK_H
#define KIO_TASK_TRACEBACK_H

#include <lua.h>

#include "base/escape.h"
#include "base/list.h"
#include "task/task.h"

/* The message handler of protected calls in tasks: takes the traceback where the error is
   raised. */
int kio_traceback_on_error(lua_State *L);
/* Raises the error on top of L again, as caught by kio itself: its traceback stays as it is. */
int kio_traceback_raise_kept(lua_State *L);
/* Raises, in the running task if there is one, the error of the ended task whose userdata is at
   `index`. */
int kio_traceback_raise_of(lua_State *L, int index);

/* Raises, in the running task if there is one, the error on top of L, which another worker has sent
   with its traceback at `traceback` (a string, or nil) and `where` it came from. */
int kio_traceback_raise_sent(lua_State *L, int traceback, const char *where);
/* Replaces the string on top by what can be printed of it: see escape.h. Returns it. */
const char *kio_traceback_escape(lua_State *L, kio_escape_kind kind);
/* Pushes the traceback of `co` from `level` on, fit to be printed: names in it may come from
   anywhere. */
void kio_traceback_push(lua_State *L, lua_State *co, int level);
/* Pushes the text of the value at `index`, whatever its __tostring does; of a table without one its
   message and code, or some of its fields. */
const char *kio_traceback_push_text(lua_State *L, int index);

/* Pushes the userdata of the running task, whose caught error is the one at `err` from now on. */
void kio_traceback_push_running(lua_State *L, int err);
/* Pushes the userdata of the first task in a list of failed ones, taken out of it. */
void kio_traceback_take(lua_State *L, kio_sched *sched, kio_list *failures);
/* The error at `err`, with its traceback (or nil) at `traceback`, gave way to that of the task at
   `task`, which has failed, or runs: it stands below that one's traceback as the failure of `who`,
   and in the field `suppressed` of an error that is a table. Calls __tostring, protected. */
void kio_traceback_attach(lua_State *L, int task, const char *who, int err, int traceback);
/* kio_traceback_attach for all of a list of failed tasks, which is empty then; the text names only
   the first few of many. */
void kio_traceback_attach_all(lua_State *L, kio_sched *sched, int task, kio_list *failures);

#endif
