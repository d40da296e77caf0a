/* seal_program.h - the kernel's program for a filter of system calls.
 *
 * Runs in: worker, and the process of a task. Used by seal_filter.c alone, which says what becomes
 * of each call.
 *
 * The program finds a call by halves. So it takes few steps for any call. That also
 * counts when a process is given a filter: the kernel runs the program once for each number, to
 * learn which calls are allowed whatever their arguments are. Those cost no more than without a
 * filter.
 */
#pragma once

#include "os/seal_checks.h"

#define PI_OS_CALLS 512 /* numbers of system calls that may have rules */
#define PI_OS_CHECKS 4  /* of one call */

enum pi_os_answer { PI_OS_CHECK, PI_OS_ALLOW, PI_OS_FORBID, PI_OS_NO_CALL };

/* What becomes of a call. If it is checked, one check must pass. Small, as each process of a task
 * fills a table of them. */
struct pi_os_verdict {
    uint8_t answer; /* enum pi_os_answer */
    uint8_t n_checks;
    uint8_t checks[PI_OS_CHECKS]; /* enum check */
};

/* Whether the kernel can forbid calls. 0 or an errno. */
int pi_os_program_denied(void);
/* For all threads of this process, and on top of the filters that it has: the strictest answer
 * counts. Numbers that have no verdict get the last one's. 0 or an errno. */
int pi_os_program_apply(const struct pi_os_verdict verdicts[PI_OS_CALLS]);
