/* Runs in: program; posse_shutdown with POSSE_NO_WAIT and posse_resize in workers, too.
 *
 * The life of an executor. posse_create builds it part by part, and tears down what it has built if
 * one fails. posse_shutdown raises the phase and waits until the last task has ended.
 * posse_terminate_workers and posse_kill_workers end the workers by force. posse_destroy does both:
 * it lets all callers go, ends what is left, and waits until no worker lives.
 */
#include "internal.h"
#include "log.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "os/cpus.h"
#include "os/limits.h"
#include "os/thread.h"
#include "os/unwind.h"
#include "pool/await.h"
#include "pool/backend.h"
#include "pool/grow.h"
#include "pool/dispatch.h"
#include "pool/finish.h"
#include "pool/park.h"
#include "pool/phase.h"
#include "pool/self.h"
#include "pool/wake.h"

#include <errno.h>
#include <stdlib.h>

/* The memory that the executor may have: by default half of what the machine or the control group
 * has. Its address space must leave room for everything else. */
static size_t memory_of(size_t given)
{
    uint64_t half = pi_os_memory_of_machine() / 2;
    uint64_t memory = given ? given : half < PI_MAX_DEFAULT_BYTES ? half : PI_MAX_DEFAULT_BYTES;
    uint64_t space = pi_os_address_space_left() / 8;
    memory = memory < space ? memory : space;
    memory = memory < PI_MAX_MEMORY ? memory : PI_MAX_MEMORY;
    return memory > PI_MIN_MEMORY ? (size_t)memory : PI_MIN_MEMORY;
}

/* How many rings the lane NORMAL has. See lanes.h. */
static unsigned rings_of(const posse_executor *e)
{
    unsigned rings = 1;
    while (!e->queue_limit && rings < PI_NORMAL_RINGS &&
           2 * rings * PI_WORKERS_PER_RING <= e->workers)
        rings *= 2;
    return rings;
}

/* Reserves the address space; less if this process may not have so much. */
static posse_status make_segment(posse_executor *e)
{
    int error = ENOMEM;
    for (e->max_memory = memory_of(e->max_memory); e->max_memory >= PI_MIN_MEMORY;
         e->max_memory /= 2) {
        struct pi_segment_options options = {
            .memory = e->max_memory, .normal_rings = rings_of(e), .stamps = e->stamps};
        pi_trace_size(e, &options);
        size_t size = pi_segment_size(&options);
        error = pi_os_shm_create(&e->memory, size, e->backend->shared);
        if (error == 0) {
            pi_segment_layout(&e->segment, e->memory.base, &options);
            pi_stashes_init(&e->stashes, &e->segment.slots, e->workers);
            return pi_memory_begin(e) ? POSSE_OK : pi_failure(PI_NO_SHARED);
        }
        if (error != ENOMEM && error != EINVAL && error != EFBIG && error != EAGAIN)
            break;
    }
    return pi_refuse_errno(error, "the shared memory cannot be made");
}

/* Before a fork: see POSSE_LOG_THREADS. */
static void log_threads(posse_executor *e)
{
    unsigned others = e->log ? pi_os_other_threads() : 0;
    if (others > 0)
        pi_log_say(e, POSSE_LOG_THREADS,
                   "threads beside the caller of posse_create: %u; a lock that one of them holds "
                   "now stays locked in the workers",
                   others);
}

static void raise_phase(posse_executor *e, enum pi_phase phase)
{
    (void)pi_raise_phase(e, phase);
    e->backend->notify(e);
    pi_wake_room(e);
}

/* Ends all workers. */
static void stop(posse_executor *e, enum pi_stop how)
{
    (void)pi_monotonic_raise(&e->segment.stop, how);
    raise_phase(e, PI_STOPPING);
}

static void stop_now(posse_executor *e)
{
    stop(e, e->backend->kills ? PI_STOP_KILL : PI_STOP_TASKS_END);
}

/* The workers first, as a process is forked without threads of ours. */
static posse_status start(posse_executor *e)
{
    posse_status status = e->backend->start(e);
    if (status != POSSE_OK)
        return status;
    status = pi_log_start(e);
    int error = errno;
    if (status != POSSE_OK)
        stop_now(e); /* tear_down waits for them */
    errno = error;
    return status;
}

static posse_status build(posse_executor *e)
{
    posse_status status =
        pi_refuse_errno(pi_os_fork_detect_init(&e->guard), "forks cannot be detected");
    if (status == POSSE_OK && e->backend->kills)
        status = pi_refuse_errno(pi_os_code_init(&e->functions.code),
                                 "the map of memory cannot be read");
    if (status == POSSE_OK)
        status = make_segment(e);
    if (status != POSSE_OK)
        return status;
    /* relaxed: no other process is there yet */
    pi_store_relaxed(&e->segment.header->max_workers, pi_monotonic_word(e->workers));
    (void)pi_raise_phase(e, PI_OPEN);
    if (e->backend->kills)
        log_threads(e);
    status = pi_log_open(e);
    if (status == POSSE_OK)
        status = start(e);
    (void)pi_workers_count(&e->segment); /* before any task runs: read once, it stays */
    return status;
}

/* Frees an executor, half-built or whole, that no call uses any more. */
static void tear_down(void *context)
{
    posse_executor *e = context;
    int error = errno;
    if (e->backend)
        e->backend->join(e);
    pi_dispatch_close(e);
    pi_close_callbacks(e); /* callbacks are called until then, and may notify the supervisor */
    pi_log_destroy(e);
    pi_dispatch_join(e);
    pi_dispatch_fini(e);
    pi_trace_drop(e);
    if (e->backend)
        e->backend->fini(e);
    pi_holder_fini(&e->holder);
    pi_os_shm_clear(&e->memory);
    (void)pi_os_shm_destroy(&e->memory);
    pi_os_code_fini(&e->functions.code);
    pi_os_fork_detect_fini(&e->guard);
    free(e->hooks.initializer.arg);
    free(e->hooks.finalizer.arg);
    free(e->seal);
    free(e->runner);
    free(e);
    errno = error;
}

/* With wait_at_exit. */
static void shut_down_all(void)
{
    posse_executor *e;
    while ((e = pi_at_exit_next())) {
        (void)posse_shutdown(e, 0, -1);
        pi_call_exit(e);
    }
}

posse_status posse_create(const posse_options *given, posse_executor **executor)
{
    posse_options options;
    if (!executor)
        return pi_refuse(POSSE_INVALID, "executor is NULL");
    *executor = NULL;
    if (pi_own_memory)
        return pi_elsewhere();
    posse_status status = pi_options_read(given, &options);
    if (status != POSSE_OK)
        return status;
    posse_executor *e = calloc(1, sizeof *e);
    if (!e)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    pi_dispatch_init(&e->dispatcher);
    e->cpus = pi_os_cpus("");
    e->owner = PI_OWNER_PROGRAM;
    pi_holder_init(&e->holder);
    e->link.socket.number = e->link.descriptors.number = e->memory.fd.number = -1;
    e->memory.readable.number = -1;
    status = pi_options_apply(e, &options);
    if (status == POSSE_OK && options.wait_at_exit)
        status = pi_at_exit_begin(shut_down_all);
    if (status == POSSE_OK) {
        PI_OS_IF_LEFT(tear_down, e); /* by an initializer that runs here */
        status = build(e);
        PI_OS_END_IF_LEFT;
    }
    if (status != POSSE_OK) {
        tear_down(e);
        return status;
    }
    if (options.wait_at_exit)
        pi_at_exit_add(e);
    *executor = e;
    return POSSE_OK;
}

/* ---- how many workers ---- */

posse_status posse_resize(posse_executor *e, long max_workers)
{
    posse_status status = pi_check(e);
    if (status != POSSE_OK)
        return status;
    if (max_workers < 1)
        return pi_refuse(POSSE_INVALID, "max_workers is under 1");
    if (max_workers < (long)e->min_workers)
        return pi_refuse(POSSE_INVALID, "max_workers is under options.min_workers");
    if (max_workers > POSSE_MAX_WORKERS)
        return pi_refuse(POSSE_TOO_LARGE, "max_workers is over POSSE_MAX_WORKERS");
    if (!e->backend->spawn)
        return pi_refuse(POSSE_NOT_SUPPORTED, "an inline executor has no workers");
    (void)pi_check_supervisor(e);
    enum pi_phase phase = pi_phase_of(e);
    if (phase != PI_OPEN)
        return pi_phase_status(phase);
    uint64_t word = pi_monotonic_word((uint32_t)max_workers);
    pi_store_seq(&e->segment.header->max_workers, word); /* with pi_max_workers, after notify */
    e->backend->notify(e);
    return POSSE_OK;
}

/* ---- the end ---- */

posse_status pi_shutdown_status(posse_executor *e)
{
    if (pi_phase_of(e) == PI_DEAD)
        return POSSE_BROKEN;
    return pi_destroying(e) ? POSSE_SHUT_DOWN : POSSE_OK;
}

static bool is_closed(void *executor, uint32_t parker)
{
    posse_executor *e = executor;
    (void)parker;
    return pi_phase_of(e) >= PI_CLOSED || pi_destroying(e);
}

static posse_status await_shutdown(posse_executor *e, uint64_t until)
{
    (void)pi_check_supervisor(e);
    bool called;
    posse_status status = pi_await_event(e, is_closed, e, until);
    if (status == POSSE_OK)
        status = pi_finish_callbacks(e, until, &called);
    return status == POSSE_OK ? pi_shutdown_status(e) : status;
}

posse_status posse_shutdown(posse_executor *e, unsigned flags, long timeout_ms)
{
    posse_status status = pi_check(e);
    if (status != POSSE_OK)
        return status;
    if (flags & ~(POSSE_NO_WAIT | POSSE_CANCEL_FUTURES))
        return pi_refuse(POSSE_INVALID, "flags has an unknown bit");
    if (timeout_ms < -1)
        return pi_refuse(POSSE_INVALID, PI_WRONG_TIMEOUT);
    bool wait = !(flags & POSSE_NO_WAIT);
    if (wait && (pi_self_in(e) || e->owner != PI_OWNER_PROGRAM))
        return POSSE_DEADLOCK;
    raise_phase(e, PI_DRAINING);
    if (flags & POSSE_CANCEL_FUTURES)
        pi_cancel_all(e);
    if (!wait)
        return pi_shutdown_status(e);
    pi_call_enter(e);
    PI_OS_IF_LEFT(pi_call_exit_unwound, e); /* by a finalizer that runs here */
    status = await_shutdown(e, pi_os_after_ms(timeout_ms));
    PI_OS_END_IF_LEFT;
    pi_call_exit(e);
    return status;
}

static posse_status force(posse_executor *e, enum pi_stop how)
{
    posse_status status = pi_check(e);
    if (status != POSSE_OK)
        return status;
    if (!e->backend->kills)
        return pi_refuse(POSSE_NOT_SUPPORTED, "only worker processes can be killed");
    if (e->owner != PI_OWNER_PROGRAM)
        return POSSE_WRONG_PROCESS;
    stop(e, how);
    return POSSE_OK;
}

posse_status posse_terminate_workers(posse_executor *e) { return force(e, PI_STOP_TERMINATE); }

posse_status posse_kill_workers(posse_executor *e) { return force(e, PI_STOP_KILL); }

/* No caller is inside, and all workers have been told to end. */
static void end(void *context)
{
    posse_executor *e = context;
    pi_cancel_all(e);
    e->backend->join(e);
    pi_await_callers(e); /* those that have come since */
    tear_down(e);
}

posse_status posse_destroy(posse_executor *e)
{
    if (!e)
        return POSSE_OK;
    posse_status status = pi_check(e);
    if (status != POSSE_OK)
        return status;
    if (pi_self_in(e) || e->owner != PI_OWNER_PROGRAM || pi_calls_back(e) || pi_log_calls(e))
        return POSSE_DEADLOCK;
    pi_at_exit_remove(e);
    pi_dispatch_flush(e); /* descriptors tell what has ended, but not what ends from now on */
    atomic_store(&e->destroying, 1); /* with pi_destroying */
    pi_await_callers(e);             /* those that sleep return before their tasks are ended */
    PI_OS_IF_LEFT(end, e);           /* by a finalizer or options.log that runs here */
    stop_now(e);
    if (!e->backend->spawn)
        pi_log_deliver(e); /* what is left; else its thread does that */
    PI_OS_END_IF_LEFT;
    end(e);
    return POSSE_OK;
}
