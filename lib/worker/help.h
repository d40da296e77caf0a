/* help.h - a task that waits for one which nobody has begun runs it itself.
 *
 * Runs in: program, worker.
 *
 * A waiting task runs no other task than the one that it waits for: an unrelated one might wait for
 * something that only this worker can do. So nested tasks come to their end with one worker, too.
 */
#pragma once

#include "pool/pool.h"

/* Runs a task that this thread's task waits for, if there is such a task. POSSE_OK: it did, or may
 * do so soon; the caller looks again, and calls again if the task is PENDING. POSSE_TIMEOUT: not
 * this one; the caller may wait for it. POSSE_NO_MEMORY: the stack has no room for that. The caller
 * must not wait then: all workers may have come so far, and none would run the task. */
posse_status pi_help(posse_future future);
