/* unwind.h - undoes what posse has begun if a function of the program's does not return: by a C++
 * exception, by pthread_exit, or by a cancel of its thread.
 *
 * Runs in: program, worker.
 *
 *     PI_OS_IF_LEFT(undo, context);
 *     call_the_program();
 *     PI_OS_END_IF_LEFT;
 *
 * An exception runs the cleanup of variables, if the library is compiled with -fexceptions (see
 * lib/CMakeLists.txt). The end of a thread runs that in some C libraries, and in others what was
 * pushed. There are both, and the first one acts. Nothing between the two macros may jump out
 * (return, break).
 */
#pragma once

#include <pthread.h>
#include <stddef.h>

/* Stands first in a function that does not return and is not inlined: unwinding ends there. The
 * frames below are the program's, in a forked process: an exception of a task would run their
 * destructors, and be caught in them. */
#if defined(__x86_64__) && defined(__GCC_HAVE_DWARF2_CFI_ASM)
#define PI_OS_STACK_BEGINS() __asm__ volatile(".cfi_undefined rip")
#elif defined(__aarch64__) && defined(__GCC_HAVE_DWARF2_CFI_ASM)
#define PI_OS_STACK_BEGINS() __asm__ volatile(".cfi_undefined x30")
#else
#define PI_OS_STACK_BEGINS() (void)0
#endif

struct pi_os_undo {
    void (*undo)(void *context); /* NULL: it is done, or not needed */
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
