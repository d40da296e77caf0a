/* worker_record.h - what shared memory says of one worker.
 *
 * Runs in: worker (writes), supervisor and callers (read). The worker states what it is; the
 * supervisor answers only with `exit_requested`.
 *
 *   state      meaning                               changed by                 to
 *   STARTING   runs its initializer; counts as       the worker                 READY, FAILED
 *              free for the next task
 *   READY      takes tasks                           the worker                 IDLE, RETIRING,
 *                                                                               EXITING
 *   IDLE       has slept for the idle timeout and    the worker: has taken a    READY
 *              may exit; takes tasks as before       task; must exit            EXITING
 *   RETIRING   has run its number of tasks; takes    the worker, on request     EXITING
 *              none, waits for `exit_requested`
 *   EXITING    runs its finalizer; takes no task     the worker                 EXITED
 *   FAILED     its initializer failed                the supervisor, when it    STARTING
 *   EXITED     ended on purpose                      starts the next worker
 *
 * The supervisor reads the state once, when it sees the death. STARTING and FAILED: the start came
 * to nothing. EXITING and EXITED: no task is lost. EXITED: nothing must be recovered. A task may
 * have written any of them here. So the supervisor believes FAILED, EXITING and EXITED only if
 * `current` is 0, and EXITED only if the exit code is 0. It believes STARTING and FAILED only if it
 * has not seen the worker initialized. Every other worker died at work. Recovering a worker that
 * exited cleanly is safe, but it frees what that worker had handed to others. A living worker that
 * claims EXITING and stays gets a second one beside it, which is harmless.
 */
#pragma once

#include "base/atomic.h"
#include "os/semaphore.h"

#define PI_MAX_WORKERS 1000

enum pi_end { PI_END_DONE, PI_END_FAILED, PI_END_TIMED_OUT, PI_END_LOST, PI_ENDS };

enum pi_worker_state {
    PI_WORKER_STARTING,
    PI_WORKER_READY,
    PI_WORKER_IDLE,
    PI_WORKER_RETIRING,
    PI_WORKER_EXITING,
    PI_WORKER_FAILED,
    PI_WORKER_EXITED
};

/* AT_ONCE: the worker ends itself, and tasks that wait on its stack are lost (worker/end.c). */
enum pi_exit { PI_EXIT_AFTER_TASK = 1, PI_EXIT_AT_ONCE };

struct pi_worker {
    /* The worker sleeps here. A process that claims its SLEEPING bit (idle.h) posts, as do callers
     * that were blocked for a second (pool/verify.c), and the supervisor after `exit_requested`.
     * The supervisor empties it before each start. */
    _Alignas(128) struct pi_os_semaphore wake;
    /* The earliest deadline of the tasks on the worker's stack; 0: none. order: the worker stores
     * it (seq) before it reads next_check_ns; the supervisor goes the other way round (seq). */
    _Atomic uint64_t deadline_ns;
    /* 1 + the slot of the innermost task that runs; 0: none. The worker writes it; the supervisor
     * reads it after a death, or for a kill. */
    _Atomic uint32_t current;
    /* enum pi_worker_state. order: release, with the supervisor's acquire. */
    _Atomic uint32_t state;
    /* An enum pi_exit: the worker must exit when its task has ended; 0: it goes on. order: the
     * supervisor stores it (release) before it posts `wake`; the worker reads it (acquire) before
     * each task. The worker stores it itself (relaxed) if a task has left it with less than it had
     * (worker/task_limits.c), if it may get a late SIGTERM (finish_killed in worker/end.c), or if a
     * task has left a process behind (worker/fresh.c). Cleared before a start. */
    _Atomic uint32_t exit_requested;
    /* 1: something of the worker may outlive it: a handle, a block of posse_alloc, a lock or a
     * queue. order: its threads set it (release) before they take the first; the supervisor reads
     * it (acquire) when the worker has exited, and clears it before a start. After a death the
     * supervisor looks everything through, whatever this says. */
    _Atomic uint32_t escaped;
    /* 1 + a slot whose word names this worker, though the task is not on its stack; 0: none.
     * order: blocked callers store it (seq) before they notify the supervisor, which takes it
     * (deadline.c). */
    _Atomic uint32_t suspect;
    /* 1 + the slot that the worker changed last, or is about to change; 0: none. With
     * PI_BITMAP_NOTED while it clears or sets the slot's bit in the map: before and after, others
     * may. The thread that runs its tasks writes it before it takes, claims, ends, pushes or frees
     * a slot. So what a dead worker has left half done is this slot, a task on its stack, or a task
     * that it has submitted (groups.h). */
    _Atomic uint32_t touched;
    /* 1: another thread of the worker's process did such a thing. So `touched` does not tell all,
     * and after a death the supervisor looks at each slot. Set before the first time. */
    _Atomic uint32_t walk;
    /* 1 + the system call that ended this sealed worker; 0: none, or unknown. order: its handler of
     * SIGSYS stores it (release); the supervisor reads it (acquire) when it has seen the death. */
    _Atomic uint32_t forbidden;
    /* A task that this worker alone runs: 1 + its slot, and above it the generation. 0: none; what
     * names no withheld task counts as none. order: posse_broadcast stores it (seq), then posts
     * `wake` and notifies. The worker reads it (acquire) before each task, and clears it by CAS. */
    _Atomic uint64_t assigned;
    /* Tasks that ended here, by how: twice the count, and 1 more while the worker makes `current`
     * final. So a death in between is counted exactly. The worker alone writes. */
    _Atomic uint64_t finished[PI_ENDS];
    /* Its clock of processor time, and that time of the workers before it: see worker_clock.c. */
    _Atomic uint64_t cpu_ns;
    _Atomic int32_t cpu_clock; /* 0: there is none */
    /* The process of its task (worker/fresh.c); 0: none. order: the worker stores it (release); the
     * supervisor reads it (acquire) when the worker has died. */
    _Atomic int32_t task_process;
};
_Static_assert(sizeof(struct pi_worker) == 128, "a worker is two cache lines");
