/* crash_handler.h - writes down where a process crashes, while it dies of that.
 *
 * Runs in: worker process; the first call in the program.
 *
 *   signal                          handler
 *   SIGSEGV SIGBUS SIGFPE SIGILL    installed if the signal is at its default; on a stack of its
 *   SIGABRT                         own, so that it also runs when the stack is full
 *
 * The handler writes the signal, the address and the first frame, then the other frames one by one.
 * Then it sets the signal to its default and sends it again with all that the kernel said of it. So
 * the process dies of it where it was: exit status and core dump are as without a handler.
 *
 * Frames come from the C library's backtrace, where it has one, which reads the tables of the
 * unwinder; else, or if that finds nothing, from frame pointers. Both may read a damaged stack, and
 * backtrace may wait for a lock that another thread holds. So a crash in the handler, and a timer
 * after PI_CRASH_SECONDS, jump out: what was found until then stays.
 *
 * A child that the process forks dies without writing. So does a thread that crashes while another
 * one writes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PI_OS_MAX_FRAMES 48

/* What the handler writes. Others may read it at any time: what `found` says is complete. */
struct pi_os_crash {
    _Atomic uint32_t found; /* 0: no crash; 1 + the number of frames. release */
    int32_t signal;
    int32_t code; /* si_code: over 0, the kernel sent the signal */
    uint64_t
        address; /* that was accessed, or of the instruction; 0 if the kernel did not send it */
    uint64_t frames[PI_OS_MAX_FRAMES]; /* the first is where it crashed; then return addresses */
};

/* Whether this system and this processor have such a handler. */
bool pi_os_crash_is_known(void);
/* In the program, before its workers are forked: loads the unwinder, which takes memory and locks.
 */
void pi_os_crash_prepare(void);
/* In a process with one thread: installs the handler. It writes to *to, which must stay, and whose
 * `found` is 0. */
void pi_os_crash_watch(struct pi_os_crash *to);
/* Whether it is one of the five. */
bool pi_os_crash_is_signal(int signal);
