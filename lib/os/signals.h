/* signals.h - what signals do in our processes and threads.
 *
 * Runs in: program, supervisor, worker.
 *
 *   signal                  supervisor   worker process         our threads in the program
 *   SIGSEGV SIGBUS SIGFPE
 *   SIGILL SIGTRAP SIGSYS
 *   SIGABRT                 blocked      as the program         as their maker
 *   SIGPROF                 blocked      as the program         as their maker
 *   SIGINT SIGQUIT          blocked      ignored                blocked
 *   SIGTTIN SIGTTOU         blocked      ignored                blocked
 *   SIGCHLD SIGCONT         end a sleep  as the program         blocked
 *   all others              blocked      as the program         blocked
 *
 *   as the program   what the program ignores when the supervisor is forked is ignored; all else is
 *                    at its default. A task finds what it would find in the program: a write to a
 *                    closed socket fails with EPIPE, nohup holds, children of a program that
 *                    ignores SIGCHLD leave no zombies. Handlers are not kept: they would act for
 *                    the program in a process that is not the program. Nothing is blocked.
 *   as their maker   blocked only if it is blocked in the thread that makes the thread. These
 *                    signals are about the thread itself: the program's handler of crashes, its
 *                    profiler and a sanitizer must see them, and the kernel ends a process whose
 *                    thread blocks the signal of its own fault.
 *   ignored          SIGINT and SIGQUIT come from the terminal and are meant for the program.
 *                    Workers are in process groups of their own, so for the terminal they run in
 *                    the background: SIGTTIN and SIGTTOU would stop them for ever. As these are
 *                    ignored, reading from the terminal fails with EIO, and writing to it and
 *                    setting it work. A program that a task runs ignores these four as well.
 *   blocked          in our threads, so that the program's own threads take the signal. In the
 *                    supervisor, so that a signal sent by mistake does not end it: it ends with
 *                    the program and not before. A fault of its own ends it all the same.
 *   end a sleep      and do nothing else: the handler is empty. SIGCHLD is never ignored in the
 *                    supervisor, because the kernel would then reap its workers.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>

/* Blocks, in this thread, what is not about the thread itself, and SIGPROF, which would interrupt
 * the calls that this is for. *before is the mask before. */
void pi_os_signals_block(sigset_t *before);
/* The same without SIGPROF, for a thread that is about to be made and inherits the mask. */
void pi_os_signals_block_for_thread(sigset_t *before);
void pi_os_signals_restore(const sigset_t *before);

/* Around writes to a file that the program names: in this thread no SIGPIPE and no SIGXFSZ comes of
 * them. The write fails with EPIPE or EFBIG. errno stays. */
struct pi_os_write_signals {
    sigset_t mask, pending; /* before */
};
void pi_os_signals_begin_write(struct pi_os_write_signals *signals);
void pi_os_signals_end_write(const struct pi_os_write_signals *signals);

/* In the supervisor, just forked by the program with signals blocked; *ignored is what the program
 * ignores. */
void pi_os_signals_of_supervisor(sigset_t *ignored);
/* The mask with which the supervisor sleeps. Signals come at no other time, so it misses none
 * between a look and a sleep. */
void pi_os_signals_of_sleep(sigset_t *mask);
/* In a worker process, just forked by the supervisor. */
void pi_os_signals_of_worker(const sigset_t *ignored);
