/* Owns the table of names: signal(7). Any thread may call. */
#include "base/signame.h"

#include <signal.h>
#include <string.h>

#define NAME(name) [SIG##name] = #name
static const char *const names[] = {
    NAME(HUP),  NAME(INT),  NAME(QUIT),   NAME(ILL),    NAME(TRAP), NAME(ABRT),  NAME(BUS),
    NAME(FPE),  NAME(KILL), NAME(USR1),   NAME(SEGV),   NAME(USR2), NAME(PIPE),  NAME(ALRM),
    NAME(TERM), NAME(CHLD), NAME(CONT),   NAME(STOP),   NAME(TSTP), NAME(TTIN),  NAME(TTOU),
    NAME(URG),  NAME(XCPU), NAME(XFSZ),   NAME(VTALRM), NAME(PROF), NAME(WINCH), NAME(IO),
    NAME(PWR),  NAME(SYS),  NAME(STKFLT),
};
#undef NAME

static const char realtime[] = "RTMIN";

void kio_signame(int number, char text[16]) {
  if (number > 0 && (size_t)number < KIO_COUNT(names) && names[number]) {
    snprintf(text, 16, "%s", names[number]);
  } else if (number >= SIGRTMIN && number <= SIGRTMAX) {
    snprintf(text, 16, number == SIGRTMIN ? "%s" : "%s+%d", realtime, number - SIGRTMIN);
  } else {
    snprintf(text, 16, "%d?", number);
  }
}

/* "RTMIN+3": of the signals that queue, the fourth. */
static int find_realtime(const char *name) {
  char text[16];
  for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
    kio_signame(number, text);
    if (strcmp(text, name) == 0) return number;
  }
  return 0;
}

int kio_signame_find(const char *name) {
  for (size_t i = 0; i < KIO_COUNT(names); i++) {
    if (names[i] && strcmp(names[i], name) == 0) return (int)i;
  }
  return find_realtime(name);
}
