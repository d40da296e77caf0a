/* cancel.h - keeps pthread_cancel out: no thread ends in the middle of a call of posse.
 *
 * Runs in: program, supervisor, worker.
 * Each function of os/ whose system call is a cancellation point begins with PI_OS_NO_CANCEL. So a
 * cancel waits for a cancellation point of the program. A function of the program that posse calls
 * runs with the cancel state of the caller. syscall(), of a futex, is no cancellation point.
 */
#pragma once

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

/* Until the end of the block that it stands in. */
#define PI_OS_NO_CANCEL                                                                            \
    int cancel_before __attribute__((cleanup(pi_os_cancel_let), unused)) = pi_os_cancel_hold()
