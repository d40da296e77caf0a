/* Runs in: program, worker.
 *
 * Submitting a task: take a free slot, write the task into it, publish it as PENDING, push it into
 * the ring of its lane, wake a worker. With PENDING the task is accepted: whatever the submitter
 * does after that, the supervisor sees that a PENDING task is in its ring. So a submitter that
 * finds the queue full, or the executor closed, must take the task back first. It can do that as
 * long as no worker has claimed the task.
 *
 *   posse_submit > pi_submit > queue > pi_submit_enqueue > pi_slot_publish
 *                                                        > pi_lanes_push > pi_ring_push: the entry
 *                                    > pi_wake_or_grow > pi_wake_worker: its semaphore
 */
#include "submit.h"
#include "log.h"
#include "base/probe.h"
#include "os/clock.h"
#include "os/unwind.h"
#include "pool/await.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "pool/descriptors.h"
#include "pool/error.h"
#include "pool/finish.h"
#include "pool/grow.h"
#include "pool/park.h"
#include "pool/phase.h"
#include "pool/pool.h"
#include "pool/self.h"
#include "pool/stamp.h"
#include "pool/wake.h"

#include <errno.h>
#include <string.h>

/* ---- the slot -------------------------------------------------------------------------------- */

/* Takes one slot from the map. order: relaxed: `hint` need not be right. */
static unsigned take_from_map(struct pi_submission *s)
{
    posse_executor *e = s->executor;
    uint32_t hint = atomic_load_explicit(&e->hint, memory_order_relaxed);
    pi_mark_escaping(e, s->owner);
    pi_will_touch(e, s->owner);
    s->index = pi_slots_acquire(&e->segment.slots, s->owner, hint, &s->word);
    if (s->index == PI_NO_INDEX)
        return 0;
    atomic_store_explicit(&e->hint, s->index, memory_order_relaxed);
    return 1;
}

/* A worker takes slots one by one. order: as take_from_map */
static unsigned take_some(struct pi_submission *s, unsigned most, struct pi_filling *taken)
{
    posse_executor *e = s->executor;
    unsigned n = 1;
    if (s->owner == PI_OWNER_PROGRAM) {
        const struct pi_wish wish = {most, atomic_load_explicit(&e->hint, memory_order_relaxed)};
        n = pi_stash_acquire(&e->stashes, &e->segment.slots, &wish, taken);
        if (n > 0 && !pi_stash_here(&e->stashes))
            atomic_store_explicit(&e->hint, taken[n - 1].index, memory_order_relaxed);
    } else if ((n = take_from_map(s)) > 0) {
        *taken = (struct pi_filling){s->index, s->word};
    }
    return n;
}

/* Makes the table longer. If that fails, the map gets what stashes hold, once for each submit. A
 * worker leaves them alone: it might die as it sets bits. False: there is no slot. */
static bool find_more(const struct pi_submission *s, unsigned *failures)
{
    posse_executor *e = s->executor;
    if (pi_grow_slots(e))
        return true;
    int error = errno;
    bool may_give = pi_has_stash(e, s->owner) && (*failures)++ == 0;
    if (may_give)
        pi_stashes_give_all(&e->segment.slots);
    errno = error;
    return may_give;
}

unsigned pi_submit_take(struct pi_submission *s, unsigned most, struct pi_filling *taken)
{
    unsigned n, failures = 0;
    do
        n = take_some(s, most, taken);
    while (n == 0 && find_more(s, &failures));
    return n;
}

/* One slot, kept out of the path of those that have no stash. 0: there is none now. */
__attribute__((noinline)) static unsigned take_from_stash(struct pi_submission *s)
{
    struct pi_filling taken;
    unsigned n = take_some(s, 1, &taken);
    if (n > 0) {
        s->index = taken.index;
        s->word = taken.word;
    }
    return n;
}

static posse_status take_slot(struct pi_submission *s)
{
    posse_executor *e = s->executor;
    bool stash = pi_has_stash(e, s->owner);
    unsigned failures = 0;
    while ((stash ? take_from_stash(s) : take_from_map(s)) == 0)
        if (!find_more(s, &failures))
            return pi_failure(PI_NO_SHARED);
    pi_prefetch(&e->segment.slots.at[s->index] + 4);
    return POSSE_OK;
}

/* A block for this life of the slot. NULL: *status tells why. order: relaxed: PENDING publishes the
 * reference. */
static void *take_block(struct pi_submission *s, size_t size, _Atomic pi_block_ref *where,
                        posse_status *status)
{
    struct pi_bytes block;
    *status = pi_block_acquire(s->executor, s->owner, size, &block);
    if (*status != POSSE_OK)
        return NULL;
    pi_store_relaxed(where, block.ref);
    pi_block_attach(s->executor, block.ref, s->index, pi_generation(s->word));
    return block.bytes;
}

static posse_status fill_arg(struct pi_submission *s)
{
    struct pi_slot *slot = s->slot;
    posse_status status = POSSE_OK;
    size_t size = s->job->size;
    void *to = size <= PI_SMALL_ARG ? slot->small_arg : slot->inline_arg;
    if (size > PI_INLINE_ARG)
        to = take_block(s, size, &slot->arg, &status);
    if (size && to)
        s->write(to, s->job->arg, size);
    return status;
}

static posse_status fill_details(struct pi_submission *s)
{
    const posse_job *job = s->job;
    posse_status status;
    size_t size = pi_details_size(job->n_memory);
    struct pi_details *to = take_block(s, size, &s->slot->details, &status);
    if (!to)
        return status;
    memset(to, 0, sizeof *to);
    if (job->name)
        strncpy(to->name, job->name, sizeof to->name - 1);
    to->max_memory = job->max_memory;
    to->max_cpu_ms = (uint32_t)job->max_cpu_ms;
    to->grace_ms = (uint32_t)job->grace_ms;
    to->terminate = job->flags & POSSE_TERMINATE;
    to->group_end_ns = job->group ? pi_group_end_ns(job->group) : 0;
    pi_fill_memory(s->executor, job, to);
    return POSSE_OK;
}

/* What few tasks have: gives it for `arg_size`. */
static uint64_t fill_kind(const posse_job *job, struct pi_slot *slot)
{
    uint64_t kind = job->name || job->n_memory ? PI_DETAILED : 0;
    kind |= job->max_memory || job->max_cpu_ms ? PI_LIMITED | PI_DETAILED : 0;
    kind |= job->grace_ms ? PI_GRACED | PI_DETAILED : 0;
    kind |= job->group ? pi_group_kind(job->group) : 0;
    if (job->timeout_ms)
        slot->timeout_ms = (uint32_t)job->timeout_ms;
    return kind | (job->timeout_ms ? PI_TIMED : 0);
}

static posse_status keep_descriptors(const struct pi_submission *s)
{
    struct pi_life life = {s->index, pi_generation(s->word)};
    return pi_descriptors_keep(s->executor, &life, s->job->descriptors, s->job->n_descriptors);
}

/* Tasks of a batch share one. */
__attribute__((noinline)) static void stamp(struct pi_submission *s)
{
    if (s->now == 0)
        s->now = pi_os_now();
    pi_stamp_submit(s->slot, s->now);
}

/* Writes the task into its slot. order: relaxed: PENDING publishes all of it. */
static inline posse_status fill(struct pi_submission *s)
{
    const posse_job *job = s->job;
    struct pi_slot *slot = &s->executor->segment.slots.at[s->index];
    s->slot = slot;
    pi_store_relaxed(&slot->fn, (uintptr_t)job->fn);
    pi_store_relaxed(&slot->submitter, (uint16_t)s->owner);
    pi_store_relaxed(&slot->retries, job->retries == 0  ? s->executor->retries
                                     : job->retries < 0 ? 0
                                                        : (uint8_t)job->retries);
    pi_store_relaxed(&slot->attempt, (uint8_t)job->runs_before);
    if (s->executor->stamps)
        stamp(s);
    bool special = job->name || job->group || job->n_memory || pi_job_is_limited(job);
    uint64_t kind = special ? fill_kind(job, slot) : 0;
    if (job->n_descriptors)
        kind |= PI_DESCRIPTORS;
    pi_store_relaxed(&slot->arg_size, /* before the blocks, for pi_discard */
                     job->size | kind | (uint64_t)s->lane << PI_LANE_SHIFT);
    posse_status status = fill_arg(s);
    if (status == POSSE_OK && (kind & PI_DETAILED))
        status = fill_details(s);
    if (status == POSSE_OK && job->n_descriptors)
        status = keep_descriptors(s);
    if (status != POSSE_OK)
        (void)pi_discard(s->executor, s->index, s->word);
    return status;
}

posse_status pi_submit_fill(struct pi_submission *s) { return fill(s); }

/* ---- the queue ------------------------------------------------------------------------------- */

posse_status pi_submit_enqueue(struct pi_submission *s)
{
    if (s->limit && pi_submit_is_full(s))
        return POSSE_FULL;
    PI_PROBE(submit, s->executor, s->index, pi_generation(s->word), s->job->fn);
    if (!pi_slot_publish(s->slot, s->word, s->flags | pi_in_ring(s->lane)))
        return POSSE_OK; /* an entry of an earlier life serves it */
    struct pi_lanes *lanes = &s->executor->segment.lanes;
    enum pi_push pushed = pi_lanes_push(lanes, s->lane, s->index, s->limit);
    return pushed == PI_PUSHED ? POSSE_OK : pi_submit_push_again(s, pushed);
}

/* The executor closed while the task was on its way: takes it back, if no worker has begun it. */
static posse_status undo_if_closed(struct pi_submission *s)
{
    /* after the push: the last worker looks the other way */
    posse_status status = pi_accepts(s->executor);
    return status == POSSE_OK || pi_submit_undo(s) ? status : POSSE_OK;
}

static posse_status queue(struct pi_submission *s)
{
    posse_executor *e = s->executor;
    posse_status status;
    while ((status = pi_submit_enqueue(s)) == POSSE_FULL &&
           (status = pi_submit_await_room(s)) == POSSE_OK) {
    }
    if (status != POSSE_OK) {
        (void)pi_discard(e, s->index, s->word);
        return status;
    }
    if (pi_wake_or_grow(e)) /* all workers may sleep because they are dead */
        (void)pi_check_supervisor(e);
    return undo_if_closed(s);
}

/* With a limit a submit may sleep: posse_destroy waits until it has left. */
static posse_status queue_limited(struct pi_submission *s)
{
    pi_call_enter(s->executor);
    posse_status status = queue(s);
    pi_call_exit(s->executor);
    return status;
}

/* POSSE_OK: the task runs, or will. Otherwise its slot is free. */
static posse_status enter(struct pi_submission *s)
{
    posse_executor *e = s->executor;
    if (!e->backend->spawn)
        return pi_submit_inline(e, s->index, s->word, s->flags);
    return e->queue_limit ? queue_limited(s) : queue(s);
}

static void refuse_member(void *member) { (void)pi_member_joined(member, POSSE_CANCELLED); }

/* Inline a task whose future nobody has is the log's when its group lets it go. */
static void tell_log(posse_executor *e)
{
    if (!e->log_parker)
        return;
    pi_call_enter(e);
    PI_OS_IF_LEFT(pi_call_exit_unwound, e); /* by options.log */
    pi_log_deliver(e);
    PI_OS_END_IF_LEFT;
    pi_call_exit(e);
}

/* The task of a job with a group. Inline its function may leave the call. */
__attribute__((noinline)) static posse_status enter_group(struct pi_submission *s)
{
    posse_executor *e = s->executor;
    struct pi_member *member;
    posse_status status = pi_member_enter(s, &member);
    if (!member)
        return status;
    PI_OS_IF_LEFT(refuse_member, member);
    status = enter(s);
    PI_OS_END_IF_LEFT;
    status = pi_member_joined(member, status);
    if (status == POSSE_OK && !e->backend->spawn)
        tell_log(e);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static posse_status check(struct pi_submission *s, const posse_job *given, posse_job *copy)
{
    posse_executor *e = s->executor;
    posse_status status = pi_check(e);
    if (status == POSSE_OK && !(given = pi_sized_read(given, copy, sizeof *copy)))
        status = POSSE_INVALID; /* pi_sized_read has said why */
    if (status == POSSE_OK)
        status = pi_check_job(e, given);
    if (status == POSSE_OK && given->group)
        status = pi_check_job_group(e, given->group);
    if (status != POSSE_OK)
        return status;
    pi_submit_set_job(s, given);
    return pi_poll_supervisor(e) ? pi_accepts(e) : pi_phase_status(pi_phase_of(e));
}

posse_status pi_submit(posse_executor *e, const posse_job *job, pi_writer *write,
                       posse_future *future)
{
    posse_job copy;
    struct pi_submission s = {.executor = e, .write = write, .flags = future ? 0 : PI_DETACHED};
    posse_status status = check(&s, job, &copy);
    if (status == POSSE_OK) {
        s.owner = pi_owner_here(e);
        s.limit = s.owner == PI_OWNER_PROGRAM ? e->queue_limit : 0;
        status = take_slot(&s);
    }
    uint32_t generation = pi_generation(s.word);
    if (status == POSSE_OK)
        status = fill(&s);
    if (future) /* not before: arg may be read from there */
        *future = (posse_future){.executor = NULL};
    if (status == POSSE_OK)
        status = s.job->group ? enter_group(&s) : enter(&s);
    if (future && status == POSSE_OK)
        *future = (posse_future){e, s.index, generation};
    return status;
}

posse_status posse_submit_with(posse_executor *e, const posse_job *job, posse_future *future)
{
    return pi_submit(e, job, memcpy, future);
}

posse_status posse_submit(posse_executor *e, posse_fn *fn, const void *arg, size_t size,
                          posse_future *future)
{
    posse_job job = {.struct_size = sizeof job, .fn = fn, .arg = arg, .size = size};
    return pi_submit(e, &job, memcpy, future);
}
