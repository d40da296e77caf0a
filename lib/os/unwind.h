/* unwind.h - what is to be undone if code of the program's that is called here does not return: it
 * throws a C++ exception, ends its thread by pthread_exit, or its thread is cancelled in it.
 *
 *     PI_OS_IF_LEFT(undo, context);
 *     call_the_program();
 *     PI_OS_END_IF_LEFT;
 *
 * Exceptions run what is bound to variables, if the library is compiled with -fexceptions (see
 * lib/CMakeLists.txt); the end of a thread does so in some C libraries, in others it runs what was
 * pushed. So it is both, and the first one acts. Nothing between the two may jump out (return,
 * break).
 */
#ifndef PI_OS_UNWIND_H
#define PI_OS_UNWIND_H

#include <pthread.h>
#include <stddef.h>

/* First in a function that does not return, and is not inlined: unwinding ends at this function, as
 * if it were the first on its stack. The stack of a process that was forked has the frames of the
 * program, too: an exception of a task would run their destructors, and be caught there. */
#if defined(__x86_64__) && defined(__GCC_HAVE_DWARF2_CFI_ASM)
#define PI_OS_STACK_BEGINS() __asm__ volatile(".cfi_undefined rip")
#elif defined(__aarch64__) && defined(__GCC_HAVE_DWARF2_CFI_ASM)
#define PI_OS_STACK_BEGINS() __asm__ volatile(".cfi_undefined x30")
#else
#define PI_OS_STACK_BEGINS() (void)0
#endif

struct pi_os_undo {
    void (*undo)(void *context); /* NULL: nothing is to be done any more */
    void *context;
};

static inline void pi_os_undo(struct pi_os_undo *u)
{
    void (*undo)(void *) = u->undo;
    u->undo = NULL;
    if (undo)
        undo(u->context);
}

static inline void pi_os_undo_pushed(void *u) { pi_os_undo(u); }

/* clang-format off */
#define PI_OS_IF_LEFT(what, whose)                                                                 \
    {                                                                                              \
        struct pi_os_undo undo_left __attribute__((cleanup(pi_os_undo))) = {what, whose};          \
        pthread_cleanup_push(pi_os_undo_pushed, &undo_left)
#define PI_OS_END_IF_LEFT                                                                          \
        undo_left.undo = NULL;                                                                     \
        pthread_cleanup_pop(0);                                                                    \
    }
/* clang-format on */

#endif
