/* usage.h - what memory and processor time a process uses, and the limit of its memory.
 *
 * Runs in: program, worker, supervisor.
 * Linux only: elsewhere each function says that it cannot. Of a process, 0 stands for this one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* In bytes. */
struct pi_os_usage {
    uint64_t data;     /* of address space that counts for RLIMIT_DATA: private and writable */
    uint64_t private;  /* memory of its own, in swap too */
    uint64_t resident; /* memory that it has, also shared and of files */
    uint64_t peak;     /* the most of that so far, since pi_os_reset_peak */
};

/* False: the system does not tell. Takes no memory. */
bool pi_os_usage_of(pid_t pid, struct pi_os_usage *usage);
/* Of a process of which it does not tell: whether that ends, as all of its threads do. False also
 * if its first thread alone has ended, or if nothing is known. */
bool pi_os_usage_ends(pid_t pid);
/* Whether it tells at all: both this and processor time. */
bool pi_os_usage_is_known(void);
/* Whether it does not show this one, which lives, to this process. */
bool pi_os_usage_is_hidden(pid_t pid);
/* Opens what tells of this process, for one that is about to lose the right to open it. */
void pi_os_usage_keep(void);
/* Does nothing where the system cannot. */
void pi_os_reset_peak(void);
/* Processor time of all its threads so far. False: there is no such process, or no such clock. */
bool pi_os_cpu_time(pid_t pid, uint64_t *ns);
/* The clock of the processor time of this process, or of this thread. Other processes can read the
 * first, too, until it was reaped; the process's threads the other. 0: there is none. */
int pi_os_process_clock(void);
int pi_os_thread_clock(void);
/* What such a clock shows. False: there is no process or thread of that clock. */
bool pi_os_cpu_clock(int clock, uint64_t *ns);

/* Lowers the soft limit of this process's data, unless it is that low already; *before is what it
 * was. False: it cannot be. */
bool pi_os_lower_data_limit(uint64_t bytes, uint64_t *before);
/* Sets it back. False: the process may not, as its hard limit was lowered meanwhile. */
bool pi_os_restore_data_limit(uint64_t before);

/* Notes what this process can do now for a task with a limit of memory. */
void pi_os_fitness_note(void);
/* Whether it can do all of that still. False: one of its limits is lower, or it cannot open what
 * tells of memory any more. */
bool pi_os_is_fit(void);

/* From now on this process calls note() before it dies of a crash or exits by exit(). errno is that
 * of the thread. The first call counts. Signals that the process handles or ignores stay so. note()
 * must be safe in a signal handler. */
void pi_os_before_crash(void (*note)(void));
/* For another handler of ours (crash_handler.c), which is there instead: calls note(). */
void pi_os_note_crash(void);
