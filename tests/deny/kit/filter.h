/* filter.h - system calls that the kernel denies to a process and its children, for ever. */
#ifndef FILTER_H
#define FILTER_H

#include "support/support.h"

/* A system call, or only those with a certain first argument. */
struct denial {
    const char *name;
    long number;
    long first; /* ANY */
};
#define ANY (-1L)

/* False: this system has no filters. */
bool deny(const struct denial *denial, int error);

/* All that the library makes and that a program can do without, ended by one without a name. Left
 * out are:
 *   futex, brk, rt_sigreturn, exit, exit_group, restart_syscall   the C library cannot work without
 *   rt_sigprocmask, set_robust_list, rseq   ... nor fork or start a thread
 *   close, munmap   what cannot be given back stays
 *   getpid, gettid, geteuid, getegid, sched_yield, clock_gettime   never fail
 *   mmap, mprotect   denied at create only where nothing has been mapped yet: see mmap below */
extern const struct denial denials[];

#endif
