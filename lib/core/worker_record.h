/* worker_record.h - the workers' places in shared memory, and who of them is to be woken.
 *
 * A worker without work is SPINNING (it looks at the ring again and again for a few microseconds)
 * or SLEEPING (on its semaphore). Both are bits of one word for each 32 workers, so a change from one
 * to the other is one step:
 *
 *   who         step                                      then
 *   submitter   pushes (seq), reads the words (seq)       a spinner is there: it will find the
 *                                                         task, done; else turns one SLEEPING bit
 *                                                         into SPINNING by CAS, which claims that
 *                                                         sleeper, and posts its semaphore
 *   worker      sets SPINNING (seq), looks at the ring
 *               (seq)
 *   ... finds   clears SPINNING (seq), looks at the ring  not empty: wakes the next as a submitter
 *                                                         does
 *   ... gives   turns SPINNING into SLEEPING (seq),       finds a task after all: clears its bit;
 *       up      looks at the ring once more               if that was claimed meanwhile, the post
 *                                                         is left for its next sleep
 *
 * Push before reading the words, and bits before looking at the ring, all seq: either the submitter
 * sees the worker or the worker sees the task. A spinner that finds work passes the look-out on, so
 * one spinner suffices.
 *
 * A worker that dies leaves its bits, or has claimed a sleeper and not posted it. After it is
 * reaped the supervisor clears its bits and posts everyone once; so it does when one was stopped. A
 * post too many makes a worker look once more, whatever its bits are. The model is
 * tests/model/idle.pml.
 *
 * What a worker is (`state`), as it tells the supervisor, which does not answer but by `exit_requested`:
 *
 *   state      meaning                               who may change it      to
 *   STARTING   runs its initializer; counts as       the worker             READY, FAILED
 *              free for the next task
 *   READY      takes tasks                           the worker             IDLE, RETIRING, LEAVING
 *   IDLE       has slept for the idle timeout and    the worker: has taken  READY
 *              would leave; takes tasks as before    a task; is to leave    LEAVING
 *   RETIRING   has run its tasks: takes nothing      the worker: is told    LEAVING
 *              more, and waits to be told to leave   to leave
 *   LEAVING    runs its finalizer; takes nothing     the worker             LEFT
 *   FAILED     did not get through its initializer   the supervisor, when   STARTING
 *   LEFT       gone on purpose                       it was reaped, for
 *                                                    the next worker
 *
 * A worker that dies leaves any of these; the supervisor reads it once, when it sees the death.
 * From STARTING and FAILED it learns that the start came to nothing, from LEAVING and LEFT that no
 * task is lost, and from LEFT that nothing is to be recovered. A task gone wild may have written
 * any of them. So FAILED, LEAVING and LEFT are believed only of a worker that was in no task
 * (`current` is 0), LEFT only of one that has ended with 0, STARTING and FAILED only of one that
 * was not seen to be through. All others have died in the midst of their work: a recovery too many
 * does no harm but to what the worker has given away. A living worker that says LEAVING and does
 * not leave gets another one beside it, which does no harm either; nothing else is believed of it.
 */
#ifndef PI_WORKER_RECORD_H
#define PI_WORKER_RECORD_H

#include "base/atomic.h"
#include "core/bitmap.h"
#include "os/semaphore.h"

#define PI_MAX_WORKERS 1000
#define PI_IDLE_WORDS ((PI_MAX_WORKERS + 31) / 32)

enum pi_end { PI_END_DONE, PI_END_FAILED, PI_END_TIMED_OUT, PI_ENDS };

enum pi_worker_state {
    PI_WORKER_STARTING,
    PI_WORKER_READY,
    PI_WORKER_IDLE,
    PI_WORKER_RETIRING,
    PI_WORKER_EXITING,
    PI_WORKER_FAILED,
    PI_WORKER_EXITED
};

struct pi_worker {
    /* One sleeper: the worker. Posted by whoever claimed its SLEEPING bit, by callers that were
     * blocked for a second (pool/verify.c), and by the supervisor after `exit_requested`. Made anew after a
     * death. */
    _Alignas(128) struct pi_os_semaphore wake;
    /* The earliest deadline of the tasks on the worker's stack, 0: none. Worker stores (seq) before
     * it reads next_check; the supervisor stores next_check (seq) before it reads this. */
    _Atomic uint64_t deadline_ns;
    /* 1 + the slot that runs now, innermost; 0: none.
     * Worker writes, supervisor reads after a death or for a kill. */
    _Atomic uint32_t current;
    /* enum pi_worker_state: see the table. Release, with the acquire of the supervisor's look. */
    _Atomic uint32_t state;
    /* 1: the worker is to go when its task has ended. The supervisor writes it, release, before it
     * posts `wake`, and clears it before a start; the worker reads it, acquire, before each task. A
     * worker that dies leaves it to be cleared. */
    _Atomic uint32_t exit_requested;
    /* 1: the worker has, or had, what may outlive it: a handle, a block of posse_alloc, a lock or
     * a queue. Its threads set it, release, before they take the first; the supervisor reads it,
     * acquire, when the worker has left, and clears it before a start. 0: there is nothing to look
     * for. After a death all is looked through, whatever it says. */
    _Atomic uint32_t escaped;
    /* 1 + a slot whose word names this worker, and which it seems not to have; 0: none. Callers
     * that are blocked write it, seq, before they poke the supervisor, which takes it (deadline.c). */
    _Atomic uint32_t suspect;
    /* 1 + the slot that the worker has changed last, or was about to; 0: none. And PI_BITMAP_NOTED
     * while it clears or sets the slot's bit in the map: before and after, others may. Written by
     * the thread that runs its tasks alone, before it takes a slot from the map or claims one, and
     * before it ends, pushes or frees a task. So what a worker that dies has left half done is
     * there, on its stack (`current`), or is a task that it has submitted (groups.h). Read after it
     * was reaped. */
    _Atomic uint32_t touched;
    /* 1: another thread of the worker's process has done such a thing, so `touched` does not say
     * all, and each slot is looked at after a death. Set before the first time; cleared before a
     * start. */
    _Atomic uint32_t walk;
    /* Tasks that ended here, by how. The worker alone writes: twice the count, and 1 more while it
     * makes the task `current` final, so that a death in between is counted exactly. */
    _Atomic uint64_t finished[PI_ENDS];
};
_Static_assert(sizeof(struct pi_worker) == 128, "a worker is two cache lines");

struct pi_idle {
    _Atomic uint64_t word[PI_IDLE_WORDS]; /* bits 0-31: SLEEPING, bits 32-63: SPINNING */
};

void pi_idle_spin(struct pi_idle *idle, unsigned worker);
/* SPINNING -> SLEEPING */
void pi_idle_sleep(struct pi_idle *idle, unsigned worker);
/* Whether the worker is said to have no work. */
bool pi_idle_has(struct pi_idle *idle, unsigned worker);
/* Clears both bits. */
void pi_idle_leave(struct pi_idle *idle, unsigned worker);
bool pi_idle_is_spinning(struct pi_idle *idle, unsigned worker);

/* Whether any of the first n workers spins, or sleeps or spins, and how many do. */
bool pi_idle_any_spinner(struct pi_idle *idle, unsigned workers);
bool pi_idle_any(struct pi_idle *idle, unsigned workers);
unsigned pi_idle_count(struct pi_idle *idle, unsigned workers);

/* Claims one sleeper: SLEEPING -> SPINNING. Its worker, to be posted, or PI_NO_INDEX: nobody sleeps, or
 * (unless `force`) somebody spins already. */
uint32_t pi_idle_claim(struct pi_idle *idle, unsigned workers, bool force);

#endif
