/* Runs in: worker.
 *
 * A sealed worker, from its start to its end. The rules are in posse_seal.h, what enforces them in
 * os/seal.h.
 *
 *   step                        by                   if it fails, or the worker dies there
 *   descriptors are closed      the worker           a failed start: no task has run
 *   the initializer runs        the worker           as without a seal
 *   all else is sealed          the worker           a failed start: no task has run
 *   READY, tasks                the worker           as without a seal
 *   a task makes a forbidden    the kernel sends     the call is not made
 *   call                        SIGSYS
 *   `forbidden` in the worker's the handler of       the number stays unknown
 *   record                      SIGSYS (os/seal.c)
 *   death by SIGSYS             the worker
 *   reads `forbidden`, puts it  the supervisor,      as with any loss
 *   into the death, recovers    w reaped
 *
 * The supervisor calls a death forbidden only if SIGSYS ended a sealed worker: that signal a task
 * can only bring on itself. What a task writes into `forbidden` changes a number in a text.
 */
#include "worker/sealed.h"
#include "os/rss.h"
#include "os/seal.h"
#include "os/usage.h"
#include "pool/descriptors.h"
#include "pool/error.h"
#include "worker/fresh.h"

bool pi_seal_begin(posse_executor *e, struct pi_error *why)
{
    const int own[] = {e->memory.fd.number, e->link.descriptors.number,
                       e->keep_stderr ? e->output.before.number : -1};
    int error = e->seal ? pi_os_seal_descriptors(e->seal, own) : 0;
    if (error)
        *why = pi_error_from_errno("the descriptors of a sealed worker cannot be closed", error);
    else if (e->fresh && (error = pi_os_shm_open_readable(&e->memory)) != 0)
        *why = pi_error_from_errno("shared memory cannot be opened for reading", error);
    return error == 0;
}

bool pi_seal_worker(posse_executor *e, unsigned worker, struct pi_error *why)
{
    if (!e->seal)
        return true;
    if (e->fresh)
        return pi_fresh_begin(e, worker, why);
    pi_os_shm_detach(&e->memory); /* a task could make the program die of SIGBUS with it */
    pi_os_usage_keep();           /* without it a job that limits memory does not run */
    int error = e->max_rss ? pi_os_rss_keep() : 0; /* it cannot be opened later */
    if (error == 0) /* through it a task could reach workers that are not sealed */
        error = pi_os_shm_leave_others(&e->memory, PI_MAGIC);
    if (error == 0)
        error = pi_descriptors_before_seal(e);
    if (error == 0)
        error = pi_os_seal_apply(e->seal, &e->segment.workers[worker].forbidden);
    if (error)
        *why = pi_error_from_errno("the worker cannot be sealed", error);
    return error == 0;
}
