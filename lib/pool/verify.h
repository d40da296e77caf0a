/* verify.h - what a caller that has been blocked for a second checks.
 *
 * Runs in: program, worker. (pi_is_on_stack, pi_finish_ownerless: supervisor, too.)
 *
 * A caller relies on shared memory that a task may have overwritten, and that must never keep it
 * waiting for ever. Callers that are not blocked do not check. The pool as a whole is checked once
 * a second, however many callers are blocked.
 *
 *   what may be wrong                         how a caller sees it, and what it does
 *   the supervisor is dead                    see pi_check_supervisor
 *   a task waits and no worker was woken,     the queue is not empty: posts all workers, and
 *   or the woken worker is stopped            notifies the supervisor
 *   an entry is never taken; head, tail and   PI_STUCK_CHECKS looks found the head there, and
 *   cells contradict one another              workers or the supervisor awake: breaks the pool
 *   a task is PENDING, but in no entry        the head is past the end of its ring at an earlier
 *                                             look: pushes the task again; at PI_STUCK_CHECKS looks
 *                                             of the same attempt, breaks the pool
 *   a task is RUNNING or KILLING by a worker  there is no such worker: the task is LOST. Or
 *   that does not have it                     PI_STUCK_CHECKS looks did not find it on the stack:
 *                                             asks the supervisor, which kills the worker
 *   a task is late, or about to be killed,    notifies the supervisor
 *   and the supervisor was not notified
 *
 * A worker or supervisor that is only slow or stopped is never treated as damaged. One may be
 * stopped between the step that makes a task PENDING and the push: a caller cannot tell this from a
 * lost entry, so it pushes. A second entry is harmless. A worker may be stopped between its claim
 * and its next store: so only its death says that the task is lost.
 */
#pragma once

#include "core/lanes.h"
#include "posse.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What a caller has seen of a task that it is blocked on. */
struct pi_verify {
    uint64_t word;
    uint64_t since; /* the end of its ring when the caller saw that word first */
    uint32_t looks; /* that spoke against it */
    uint8_t retries;
};

/* The first entry of each ring, as blocked callers of this process have seen it. */
struct pi_stall {
    _Atomic uint64_t checked_ns, rounds;
    struct pi_stalled_ring {
        _Atomic uint64_t position;
        _Atomic uint32_t looks;
    } ring[PI_QUEUE_RINGS];
};

/* Checks the supervisor and the queue, and wakes workers for the tasks that wait. */
void pi_verify_pool(posse_executor *executor);
/* Checks whether a task can still end. The caller keeps `verify`, zero at first, between checks. */
void pi_verify_task(posse_executor *executor, uint32_t index, struct pi_verify *verify);

/* Whether a worker has this task on its stack, or its chain is too long to tell. */
bool pi_is_on_stack(posse_executor *executor, unsigned worker, uint32_t index);
/* Makes a task LOST whose worker does not exist, or that has no room in its ring. */
void pi_finish_ownerless(posse_executor *executor, uint32_t index, uint64_t word);
