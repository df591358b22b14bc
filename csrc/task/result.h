/* What a task has ended with: its results, its error, or the Cancelled value. They lie on its
   coroutine's stack, above a mark that tells how it ended. */
#ifndef KIO_TASK_RESULT_H
#define KIO_TASK_RESULT_H

#include "task/task.h"

/* Pushes the mark of a task that has returned (`ok`), or failed. */
void kio_task_push_mark(lua_State *L, bool ok);
/* Whether a mark lies at the bottom of the coroutine, which is not suspended: its base function has
   returned then, and *ok tells whether it holds results and no error. */
bool kio_task_mark_of(lua_State *co, bool *ok);
/* Pushes result `i` (from 0) of a task that has ended; of a failed one, 0 is the error. */
void kio_task_push_result(lua_State *L, kio_task *task, int i);
/* Pushes all of them, and returns how many; raises when the stack has no room. */
int kio_task_push_results(lua_State *L, kio_task *task);
/* How many results it has. */
int kio_task_result_count(const kio_task *task);
/* Whether this is the coroutine of a task that has ended: dead, though its results lie there. */
bool kio_task_is_over(lua_State *co);
/* Pushes the Cancelled value. */
void kio_task_push_cancelled(lua_State *L);
/* Raises the Cancelled value. */
int kio_task_raise_cancelled(lua_State *L);
/* Makes the Cancelled value, which it leaves on the stack. */
void kio_task_open(lua_State *L);

#endif
