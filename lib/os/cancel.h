/* cancel.h - keeps pthread_cancel out: no thread is ended in the middle of a call of posse.
 *
 * Each function of os/ that makes a system call which is a cancellation point begins with
 * PI_OS_NO_CANCEL, so none of os/ is one, and a cancel waits for one of the program's own.
 * Functions of the program that posse calls run with the cancel state of the caller. Waits on a
 * futex need nothing: syscall() is no cancellation point.
 */
#ifndef PI_OS_CANCEL_H
#define PI_OS_CANCEL_H

#include <pthread.h>

static inline int pi_os_cancel_hold(void)
{
    int before;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}

static inline void pi_os_cancel_let(const int *before)
{
    (void)pthread_setcancelstate(*before, NULL);
}

/* Until the end of the block that it is declared in. */
#define PI_OS_NO_CANCEL                                                                            \
    int cancel_before __attribute__((cleanup(pi_os_cancel_let), unused)) = pi_os_cancel_hold()

#endif
