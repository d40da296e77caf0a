/* posse_seal.h - takes rights from worker processes: options.seal of posse_create.
 *
 * A sealed worker can compute, use memory and what is open, and make the calls of posse but
 * posse_create and posse_completion_queue_create. All else is forbidden unless the seal allows it:
 *
 *     posse_seal seal = {.struct_size = sizeof seal};
 *     posse_options options = {.struct_size = sizeof options, .seal = &seal};
 *
 * This seal allows nothing: no file can be opened, and no socket, program or process made.
 *
 * A task that makes a forbidden system call dies before the call does anything: its future ends as
 * POSSE_FORBIDDEN, and posse_exception names the call. A task with a handler of its own for SIGSYS
 * may go on, but the call is not made either. Other tasks go on. It counts as a lost task
 * everywhere else: it runs again if it has retries left, and options.on_worker_lost holds.
 *
 * The worker is sealed when its initializer has ended well, and before its first task. So the
 * initializer may open and load what tasks need. It runs no task of its executor itself: if it
 * waits for one that no worker has begun, it gets POSSE_DEADLOCK. Each worker that replaces another
 * one is sealed the same way. A worker that cannot be sealed runs no task; if that happens again
 * and again, the executor breaks.
 *
 * With options.isolation = POSSE_FRESH tasks are also protected from each other. Each task runs in
 * a process of its own, which has run no other one, and which its worker has forked ahead. It sees
 * its argument, room for its result, and what the program and the initializer had. It has no memory
 * of any executor, so it can neither read nor forge what belongs to other tasks. Its worker checks
 * the result before it takes it. So:
 *   - the process is sealed as options.seal says, without one as a seal that allows nothing. The
 *     seal may not allow signals, tracing or all descriptors (POSSE_INVALID). The worker runs the
 *     initializer and the finalizer, and no task
 *   - what a task changes in its process is gone after it; what the initializer makes is there
 *   - a task may call posse_task_return, _reserve, _fail, _cancelled, _time_left, _worker,
 *     _attempt, _executor, _descriptor, _take_descriptor, _note, _progress and posse_map_arg. Calls
 *     on an executor return POSSE_NOT_SUPPORTED: tasks submit none
 *   - of memory of posse_alloc a task has the blocks in job.memory, at their addresses, to read or
 *     to write: see posse_memory. Otherwise it gets copies, in arguments, also in a map. Files are
 *     passed by job.descriptors. A descriptor that was opened for reading lets no task write that
 *     may open no files
 *   - posse_task_cancelled turns true at most a tenth of a second after posse_cancel
 *   - a task is lost with its process, whose pid posse_error then has. Its worker goes on, and
 *     options.on_worker_lost holds
 *   - options.max_result is 1 MiB if it is 0. In a map it bounds the results of a chunk, which is
 *     made smaller if it must: 280 bytes more for each item that may fail
 *   - job.max_memory cannot be lifted by the task. What it does not count: shared memory and pipes
 *     that the task makes. As with any seal without POSSE_ALLOW_DUMPS, it is POSSE_NOT_SUPPORTED
 *     where /proc hides processes (hidepid), unless the program is root
 *   - options.keep_stderr, POSSE_TERMINATE in job.flags, posse_broadcast and posse_task_emit are
 *     POSSE_NOT_SUPPORTED
 *   - posse_task_progress is seen at most some tenth of a second later. Of a task that is killed at
 *     its deadline what it has noted for posse_autopsy since then may be missing, too
 *   - if the seal allows processes, none is forked ahead, and a worker whose task has left a child
 *     is replaced: that child dies
 * A task costs a fork and the end of a process, 0.1 to 2 milliseconds for a small program. Each
 * worker has one process more.
 *
 * posse_seal(7) has the list of all calls that are allowed, and what a seal does not protect. Linux
 * on x86-64 and 64-bit Arm only.
 */
#ifndef POSSE_SEAL_H
#define POSSE_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a seal may allow. */
#define POSSE_ALLOW_FILES 0x1u        /* to open, make, change and remove files everywhere */
#define POSSE_ALLOW_NETWORK 0x2u      /* to make sockets, local ones too */
#define POSSE_ALLOW_PROGRAMS 0x4u     /* to run other programs; they must be readable, too */
#define POSSE_ALLOW_PROCESSES 0x8u    /* to fork and to wait for children; all are sealed as well */
#define POSSE_ALLOW_SIGNALS 0x10u     /* to send signals to other processes */
#define POSSE_ALLOW_TRACING 0x20u     /* to read and write the memory of other processes */
#define POSSE_ALLOW_DESCRIPTORS 0x40u /* all descriptors that the program had open stay open */
#define POSSE_ALLOW_ENVIRONMENT 0x80u /* the environment stays */
#define POSSE_ALLOW_DUMPS 0x100u      /* core dumps, and debuggers that belong to the same user */

/* Zero is the default everywhere, and allows nothing. What pointers lead to is copied.
 * posse_create returns POSSE_INVALID: paths stand beside POSSE_ALLOW_FILES, or ports beside
 * POSSE_ALLOW_NETWORK; a path is NULL; a descriptor is not open; a number has no list; or a bit of
 * allow is unknown. POSSE_TOO_LARGE: a list has over 1000. */
typedef struct posse_seal {
    size_t struct_size; /* sizeof(posse_seal) */
    uint64_t allow;     /* POSSE_ALLOW_FILES and so on, together */
    /* Paths that tasks may open without POSSE_ALLOW_FILES: files, or directories with all that is
     * below them. Readable ones may be read (and run, with POSSE_ALLOW_PROGRAMS), writable ones
     * also changed, made and removed. Other paths give EACCES. Each must exist, at posse_create and
     * whenever a worker starts. At most 1000 of each. */
    const char *const *readable;
    size_t n_readable;
    const char *const *writable;
    size_t n_writable;
    /* Descriptors that stay open in the workers, beside stdin, stdout and stderr, and what posse
     * needs itself. All others are closed before the initializer. At most 1000. A socket that is
     * not connected reaches every address by sendmsg, because seccomp cannot see the address: keep
     * none where that matters. */
    const int *descriptors;
    size_t n_descriptors;
    /* TCP ports, of all addresses, that tasks may connect to or bind without POSSE_ALLOW_NETWORK.
     * So they may make TCP sockets, and no others. Other ports give EACCES. Port 0 to bind: any
     * free one, which a socket also gets that listens without bind. Names cannot be resolved. At
     * most 1000 of each. They need Landlock of Linux 6.7. */
    const uint16_t *connectable;
    size_t n_connectable;
    const uint16_t *bindable;
    size_t n_bindable;
} posse_seal;

#define POSSE_MAX_JOB_MEMORY 16

/* A block that one task gets, without a copy: job.memory lists them. An argument may hold pointers
 * into it.
 *
 *     posse_memory blocks[] = {{image, false}, {result, true}};
 *     posse_job job = {.struct_size = sizeof job, .fn = scale, .arg = &sizes, .size = sizeof sizes,
 *                      .memory = blocks, .n_memory = 2};
 *
 * With POSSE_FRESH posse_alloc gives whole blocks of 64 KiB, all cleared, so nothing else is beside
 * what the program writes there. A task has no other memory of the executor. To write to a block
 * that is not writable ends it (SIGSEGV), and it cannot change that. All tasks that have a block,
 * and the program, see at once what another one writes there.
 *
 * The program must not call posse_free for a block before the task has ended, as its future says,
 * so it must keep the future. If the block is gone when the task begins, the task fails. If it is
 * freed later, the task sees what follows there, of other tasks. Once the future has ended the
 * process of the task is dead, and does not write any more. After POSSE_BROKEN that may take a
 * moment longer. If the task runs again, it finds what the run before has written.
 *
 * Other executors check the list and go on as without: there tasks reach all memory anyway. So one
 * program works in each. A map has no such list. posse_submit_with returns
 * POSSE_INVALID: a block is not one of posse_alloc of this executor (the address that it gave; with
 * POSSE_FRESH, gave to the program), or is in the list twice; or the list is NULL.
 * POSSE_TOO_LARGE: there are more than POSSE_MAX_JOB_MEMORY.
 * POSSE_NOT_SUPPORTED: options.runner is set; or with POSSE_FRESH the seal has
 * POSSE_ALLOW_PROCESSES, as a child could outlive the task; or the system shares memory without a
 * descriptor. */
typedef struct posse_memory {
    void *block;
    bool writable;
} posse_memory;

#ifdef __cplusplus
}
#endif

#endif
