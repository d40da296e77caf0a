/* Runs in: program.
 *
 * Waiting until no task is pending or running, without the end of the executor. Nothing counts open
 * tasks, so no other call pays for this one. It goes through the slots, and sleeps on the first
 * task that is open, as posse_result does; when that has ended it goes on from there. So it looks
 * at each slot once in a pass, and sleeps at most once for each open task.
 *
 * A task may submit another into a slot that the pass is past, and end before the pass comes to it.
 * So a pass counts only if it found no open task, and no task ended meanwhile: then all that was
 * open when it began was open when it came there. A task is counted before it is final, but after
 * its function has returned. So what it has submitted was there before the count.
 */
#include "internal.h"
#include "os/clock.h"
#include "pool/await.h"
#include "pool/park.h"
#include "pool/self.h"
#include "worker/end.h"

#define FACTOR 0x100000001b3u /* a prime: see count_ends */

/* A number that differs if other tasks have ended. A counter may go back by one, as the end of a
 * task that another process was quicker to end is taken back. So this is no sum. */
static uint64_t count_ends(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    struct pi_header *header = s->header;
    /* seq, all: before the words of this pass, or after them */
    uint64_t ends = pi_load_seq(&header->cancelled);        /* as said */
    ends = ends * FACTOR + pi_load_seq(&header->timed_out); /* as said */
    ends = ends * FACTOR + pi_load_seq(&header->lost);      /* as said */
    unsigned workers = pi_workers_count(s);
    for (enum pi_end end = 0; end < PI_ENDS; end++) {
        ends = ends * FACTOR + pi_load_seq(&header->inline_ended[end]); /* as said */
        for (unsigned i = 0; i < workers; i++)
            ends = ends * FACTOR + pi_count_finished(e, i, end);
    }
    return ends;
}

/* A program waits, and has no worker's stack. */
static posse_status help_nobody(posse_future future)
{
    (void)future;
    return POSSE_TIMEOUT;
}

/* Once, up to a moment. */
static posse_status await_task(posse_executor *e, uint32_t index, uint64_t word, uint64_t until)
{
    struct pi_await wait = {
        .future = {e, index, pi_generation(word)}, .help = help_nobody, .unobserved = true};
    posse_status status = pi_await_final(&wait, until);
    if (wait.entered)
        pi_call_exit(e);
    return status;
}

/* When a wait should end at the latest, to look again. */
static uint64_t next_look(const struct pi_idle_wait *wait)
{
    return wait->look ? wait->look(wait->context, wait->until) : wait->until;
}

static bool goes_on(const struct pi_idle_wait *wait, posse_status status)
{
    return status == POSSE_TIMEOUT && wait->look && pi_os_now() < wait->until;
}

static posse_status await_open(const struct pi_idle_wait *wait, uint32_t index, uint64_t word)
{
    posse_status status;
    do
        status = await_task(wait->executor, index, word, next_look(wait));
    while (goes_on(wait, status));
    return status;
}

/* *called: there were some, which may have submitted tasks. */
static posse_status await_callbacks(const struct pi_idle_wait *wait, bool *called)
{
    posse_status status;
    bool now;
    *called = false;
    do {
        status = pi_finish_callbacks(wait->executor, next_look(wait), &now);
        *called |= now;
    } while (goes_on(wait, status));
    return status;
}

/* *quiet: the pass has found no open task. */
static posse_status pass(const struct pi_idle_wait *wait, bool *quiet)
{
    struct pi_slots *slots = &wait->executor->segment.slots;
    uint32_t count = pi_slots_count(slots);
    *quiet = true;
    for (uint32_t i = 0; pi_slots_next(slots, count, &i); i++) {
        uint64_t word = pi_load_seq(&slots->at[i].word); /* with pi_slot_publish */
        if (!pi_open(word))
            continue;
        *quiet = false;
        posse_status status = await_open(wait, i, word);
        if (status != POSSE_OK)
            return status;
    }
    return POSSE_OK;
}

static posse_status await_idle(const struct pi_idle_wait *wait)
{
    posse_executor *e = wait->executor;
    posse_status status;
    bool idle = false;
    (void)pi_check_supervisor(e);
    do {
        bool quiet, called = false;
        uint64_t ends = count_ends(e);
        status = pass(wait, &quiet);
        if (status == POSSE_OK && quiet)
            status = await_callbacks(wait, &called);
        idle = quiet && !called && count_ends(e) == ends;
        if (status == POSSE_OK && !idle && pi_os_now() >= wait->until)
            status = POSSE_TIMEOUT;
    } while (status == POSSE_OK && !idle);
    return status == POSSE_OK ? pi_shutdown_status(e) : status;
}

posse_status pi_wait_idle(struct pi_idle_wait *wait, long timeout_ms)
{
    posse_executor *e = wait->executor;
    posse_status status = pi_check(e);
    if (status != POSSE_OK)
        return status;
    if (timeout_ms < -1)
        return pi_refuse(POSSE_INVALID, PI_WRONG_TIMEOUT);
    if (pi_self_in(e) || e->owner != PI_OWNER_PROGRAM)
        return POSSE_DEADLOCK;
    wait->until = timeout_ms ? pi_os_after_ms(timeout_ms) : 0;
    pi_call_enter(e);
    status = await_idle(wait);
    pi_call_exit(e);
    return status;
}

posse_status posse_wait_idle(posse_executor *e, long timeout_ms)
{
    return pi_wait_idle(&(struct pi_idle_wait){.executor = e}, timeout_ms);
}
