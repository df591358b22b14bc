/* For the ThreadSanitizer runs: Debian's Lua raises and yields by __longjmp_chk, which libtsan does
   not know: its shadow stack would grow with every yield until it overflows. It knows longjmp. */
#include <setjmp.h>

_Noreturn void __longjmp_chk(jmp_buf where, int value) {
  longjmp(where, value);
}
