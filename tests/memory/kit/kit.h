/* kit.h - what the tests of memory share: figures of the kernel, guards against too much, tasks
 * that take memory.
 *
 * All is seen from outside: through posse.h and /proc.
 */
#ifndef KIT_H
#define KIT_H

#include "support/support.h"

#define MB ((size_t)1 << 20)

/* ---- figures of the kernel, in bytes (measure.c) ---- */

size_t address_space(long pid); /* VmSize; 0: not known */
/* What the system must be able to give to a process: its mappings that are marked "ac" in smaps. */
size_t committed(long pid);
size_t machine_memory(void);
size_t available_memory(void);

/* What the pools of this process hold: the blocks of all shared memory that it maps (processes), or
 * its private memory (threads, inline). */
size_t held(void);
bool tells_held(void); /* false: the system does not show it to this user */
/* Whether held() comes down to `most` bytes, within a bound. */
bool comes_down_to(size_t most);

/* ---- guards (guard.c) ---- */

/* A child that runs the body, with limits that hold for it and all that it forks. */
struct guard {
    size_t limit;    /* of a memory cgroup of its own; 0: none */
    const char *shm; /* options of a /dev/shm of its own; NULL: none */
    long seconds;    /* until it is killed; 0: 200 */
    int (*body)(void *);
    void *context;
};

/* Gives the status as waitpid does, or -1 where a guard is not permitted. */
int run_guarded(struct guard guard);
/* Asserts that the body gave 0; skips the test, with a word, where a guard is not permitted. */
void assert_ended_well(int status);
void assert_guarded(struct guard guard);

/* ---- tasks that take memory (load.c); all for children too ---- */

enum { HELD_WORKERS = 2 };

/* A pool whose workers are held at a gate, so that what is submitted stays. */
struct load {
    posse_executor *pool;
    struct gate *gate;
    _Atomic long *counter; /* of the tasks that have run */
    posse_future holders[HELD_WORKERS];
    long accepted;       /* tasks */
    posse_status status; /* of the last submit */
};

/* 0 if it went well. */
int hold_workers(struct load *load, posse_options options);
/* Submits detached tasks with arguments of `size` bytes, until `most` are accepted or one is
 * refused. */
void submit_many(struct load *load, size_t size, long most);
/* Opens the gate, and waits until all that was accepted has run, once. */
int let_go(struct load *load);
/* Holds the workers of such a pool again. */
int hold_again(struct load *load);
int end_load(struct load *load); /* 0 if no task and no worker was lost */

/* Runs a task with a long as its argument, and gives how it ended; *value gets its result. */
posse_status run_task(posse_executor *pool, posse_fn *fn, long arg, long *value);

#endif
