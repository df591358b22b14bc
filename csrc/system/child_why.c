/* Owns nothing. execve(2) has one errno for several things that may be missing: what it was is
   found out here by looking again, for words only. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errname.h"
#include "base/escape.h"
#include "system/child_exec.h"

enum { LINE_MAX_SIZE = 256, ARGUMENT_MAX = 131072 /* the kernel's MAX_ARG_STRLEN */ };

static int at_of(const kio_child_plan *plan) {
  return plan->cwd >= 0 ? plan->cwd : AT_FDCWD;
}

/* The file that was tried: the first one of that name. */
static const char *find(const kio_child_plan *plan, kio_child_search *search) {
  const char *name;
  if (!plan->path) return plan->file;
  kio_child_search_begin(search, plan);
  do name = kio_child_search_next(search, plan->file);
  while (name && faccessat(at_of(plan), name, F_OK, 0) != 0);
  return name;
}

/* The interpreter that its first line names, as one would read it; false: it names none. */
static bool read_interpreter(int at, const char *name, char *interpreter, size_t size) {
  char line[LINE_MAX_SIZE];
  int fd = openat(at, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  ssize_t count = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
  if (fd >= 0) close(fd);
  if (count < 3 || line[0] != '#' || line[1] != '!') return false;
  line[count] = '\0';
  const char *word = line + 2 + strspn(line + 2, " \t");
  kio_escape(interpreter, size, word, strcspn(word, " \t\n"), KIO_ESCAPE_NAME);
  return true;
}

/* The file is there: so what it needs is not, or may not be used. */
static void say_needs(const kio_child_plan *plan, const char *name, const char *reason, char *text,
                      size_t size) {
  char interpreter[2 * LINE_MAX_SIZE];
  if (read_interpreter(at_of(plan), name, interpreter, sizeof interpreter)) {
    snprintf(text, size, "its interpreter %s: %s", interpreter, reason);
  } else {
    snprintf(text, size, "the loader that it names: %s", reason);
  }
}

static void say_missing(const kio_child_plan *plan, const char *reason, char *text, size_t size) {
  kio_child_search search;
  const char *name = find(plan, &search);
  if (!name || faccessat(at_of(plan), name, F_OK, 0) != 0) {
    bool relative = !plan->path && plan->folder && plan->file[0] != '/';
    snprintf(text, size, "%s%s%s", reason, relative ? " in " : "", relative ? plan->folder : "");
  } else {
    say_needs(plan, name, reason, text, size);
  }
}

static void say_denied(const kio_child_plan *plan, const char *reason, char *text, size_t size) {
  struct stat st;
  char interpreter[2 * LINE_MAX_SIZE];
  kio_child_search search;
  const char *name = find(plan, &search);
  bool seen = name && fstatat(at_of(plan), name, &st, 0) == 0;
  if (seen && S_ISDIR(st.st_mode)) {
    snprintf(text, size, "%s: it is a directory", reason);
  } else if (seen && S_ISREG(st.st_mode) && faccessat(at_of(plan), name, X_OK, AT_EACCESS) != 0) {
    snprintf(text, size, "%s: it is not executable", reason);
  } else if (seen && S_ISREG(st.st_mode) &&
             read_interpreter(at_of(plan), name, interpreter, sizeof interpreter)) {
    snprintf(text, size, "its interpreter %s: %s", interpreter, reason);
  } else {
    snprintf(text, size, "%s", reason);
  }
}

/* The bytes of all strings, and of the longest. */
static size_t measure(char *const *list, size_t *longest) {
  size_t sum = 0;
  for (; *list; list++) {
    size_t size = strlen(*list) + 1;
    if (size > *longest) *longest = size;
    sum += size;
  }
  return sum;
}

static void say_too_much(const kio_child_plan *plan, const char *reason, char *text, size_t size) {
  size_t longest = 0;
  size_t sum = measure(plan->argv, &longest) + measure(plan->envp, &longest);
  if (longest > ARGUMENT_MAX) {
    snprintf(text, size, "%s: one argument or variable has %zu bytes, of at most %d", reason,
             longest - 1, ARGUMENT_MAX - 1);
  } else {
    snprintf(text, size, "%s: arguments and variables are %zu bytes", reason, sum);
  }
}

static void say_exec(const kio_child_plan *plan, int err, char *text, size_t size) {
  char reason[64];
  kio_errname_text(err, reason, sizeof reason);
  switch (err) {
  case ENOENT: say_missing(plan, reason, text, size); return;
  case EACCES: say_denied(plan, reason, text, size); return;
  case E2BIG: say_too_much(plan, reason, text, size); return;
  case ENOEXEC:
    snprintf(text, size, "%s: no program for this machine, and no script with a line #!", reason);
    return;
  case ETXTBSY: snprintf(text, size, "%s: it is open for writing", reason); return;
  default: snprintf(text, size, "%s", reason);
  }
}

void kio_child_why(const kio_child_plan *plan, kio_child_step step, int err, char *text,
                   size_t size) {
  static const char *const whats[] = {
      [KIO_CHILD_MAKE] = "a new process",
      [KIO_CHILD_DETACH] = "a detached program needs pidfds, which came with Linux 5.4",
      [KIO_CHILD_SESSION] = "a new session",
      [KIO_CHILD_GIVE] = "stdin",
      [KIO_CHILD_GIVE + 1] = "stdout",
      [KIO_CHILD_GIVE + 2] = "stderr",
      [KIO_CHILD_FOLDER] = "cwd",
      [KIO_CHILD_CLOSE] = "the descriptors to be closed (/proc/self/fd, before Linux 5.9)",
      [KIO_CHILD_EXEC] = NULL,
  };
  char reason[64];
  if (step == KIO_CHILD_EXEC) {
    say_exec(plan, err, text, size);
    return;
  }
  kio_errname_text(err, reason, sizeof reason);
  snprintf(text, size, "%s: %s", whats[step], reason);
}
