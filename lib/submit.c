#include "internal.h"
#include "os/clock.h"
#include "pool/await.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "pool/error.h"
#include "pool/finish.h"
#include "pool/grow.h"
#include "pool/park.h"
#include "pool/phase.h"
#include "pool/pool.h"
#include "pool/self.h"
#include "pool/wake.h"

#include <string.h>

#define MAX_BYTES (PI_SIZE_MASK / 2) /* of an argument: far more than there can be */

static bool nested(const posse_executor *e)
{
    return pi_self_in(e) || e->owner != PI_OWNER_PROGRAM;
}

/* ---- what is asked for ---- */

bool pi_loaded(posse_executor *e, uintptr_t address)
{
    if (atomic_load_explicit(&e->last_fn, memory_order_relaxed) == address)
        return true;
    if (!pi_os_code_has(&e->code, address))
        return false;
    atomic_store_explicit(&e->last_fn, address, memory_order_relaxed);
    return true;
}

/* What is wrong with a job, and its status; NULL: nothing. */
static const char *find_wrong(const posse_job *job, posse_status *status)
{
    *status = POSSE_INVALID;
    if (!job->fn)
        return "fn is NULL";
    if (job->size && !job->arg)
        return "arg is NULL, but size is not 0";
    if (job->flags & ~POSSE_NO_WAIT)
        return "job.flags has an unknown bit";
    if (job->timeout_ms < 0 || job->queue_timeout_ms < 0)
        return "job.timeout_ms or job.queue_timeout_ms is negative";
    if (job->retries < -1)
        return "job.retries is under -1";
    *status = POSSE_TOO_LARGE;
    if (job->size > MAX_BYTES)
        return "size is over the largest block of shared memory";
    if (job->retries > 255)
        return "job.retries is over 255";
    return job->timeout_ms > UINT32_MAX ? "job.timeout_ms is over 49 days" : NULL;
}

static posse_status check_job(posse_executor *e, const posse_job *job)
{
    posse_status status;
    const char *wrong = find_wrong(job, &status);
    if (wrong)
        return pi_refuse(status, wrong);
    return pi_loaded(e, (uintptr_t)job->fn) ? POSSE_OK : POSSE_NOT_LOADED;
}

/* A task may submit while the executor drains; the program may not. */
posse_status pi_accepts(posse_executor *e)
{
    enum pi_phase phase = pi_phase_of(e);
    if (phase == PI_OPEN || (phase == PI_DRAINING && nested(e)))
        return POSSE_OK;
    return pi_phase_status(phase);
}

/* ---- the slot ---- */

static posse_status take_slot(posse_executor *e, unsigned owner, uint32_t *index, uint64_t *word)
{
    uint32_t hint = atomic_load_explicit(&e->hint, memory_order_relaxed);
    pi_mark_escaping(e, owner);
    pi_will_touch(e, owner);
    while ((*index = pi_slots_acquire(&e->segment.slots, owner, hint, word)) == PI_NO_INDEX)
        if (!pi_grow_slots(e))
            return pi_failure(PI_NO_SHARED);
    atomic_store_explicit(&e->hint, *index, memory_order_relaxed);
    pi_prefetch(&e->segment.slots.at[*index + 4]);
    return POSSE_OK;
}

/* What is submitted, and how its argument is written: copied, or put together in place. */
struct request {
    const posse_job *job;
    pi_writer *write;
};

/* A block that belongs to this life of the slot; its reference is published with PENDING.
 * NULL: *status tells why. */
static void *take_block(posse_executor *e, uint32_t index, uint64_t word, size_t size,
                        _Atomic pi_block_ref *where, posse_status *status)
{
    pi_block_ref ref;
    *status = pi_block_acquire(e, pi_owner(word), size, &ref);
    if (*status != POSSE_OK)
        return NULL;
    pi_store_relaxed(where, ref);
    pi_block_attach(e, ref, index, pi_generation(word));
    return pi_block_bytes(e, ref, size);
}

static posse_status fill_name(posse_executor *e, uint32_t index, uint64_t word, const char *name)
{
    posse_status status;
    char *to = take_block(e, index, word, PI_NAME_SIZE, &e->segment.slots.at[index].name, &status);
    if (to)
        strncpy(to, name, PI_NAME_SIZE - 1)[PI_NAME_SIZE - 1] = '\0';
    return status;
}

static posse_status fill_arg(posse_executor *e, const struct request *request, uint32_t index,
                             uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    posse_status status = POSSE_OK;
    size_t size = request->job->size;
    void *to = size <= PI_SMALL_ARG ? slot->small_arg : slot->inline_arg;
    if (size > PI_INLINE_ARG)
        to = take_block(e, index, word, size, &slot->arg, &status);
    if (size && to)
        request->write(to, request->job->arg, size);
    return status;
}

/* Writes the task into its slot. All of it is published with PENDING, so relaxed is enough. */
static posse_status fill(posse_executor *e, const struct request *request, uint32_t index,
                         uint64_t word)
{
    const posse_job *job = request->job;
    struct pi_slot *slot = &e->segment.slots.at[index];
    uint64_t flags = (job->timeout_ms ? PI_TIMED : 0) | (job->name ? PI_NAMED : 0);
    slot->fn = (uintptr_t)job->fn;
    pi_store_relaxed(&slot->submitter, (uint16_t)pi_owner(word));
    slot->retries = job->retries == 0 ? e->retries : job->retries < 0 ? 0 : (uint8_t)job->retries;
    pi_store_relaxed(&slot->attempt, 0);
    if (job->timeout_ms)
        slot->timeout_ms = (uint32_t)job->timeout_ms;
    pi_store_relaxed(&slot->arg_size, job->size | flags); /* before the blocks, for pi_discard */
    posse_status status = fill_arg(e, request, index, word);
    if (status == POSSE_OK && job->name)
        status = fill_name(e, index, word, job->name);
    return status;
}

/* ---- the queue ---- */

/* Whether the task has this state, and nobody has ever claimed it: a claim leaves its owner in the
 * word, also when the task is PENDING again for another run. */
static bool is_untouched(uint64_t seen, enum pi_state state, uint64_t fill_word)
{
    return pi_has_state(seen, state, PI_OWNER_NONE) &&
           pi_generation(seen) == pi_generation(fill_word);
}

/* PENDING -> FILLING. `entry` says whether the ring has an entry of it. False: somebody has claimed or
 * cancelled the task meanwhile. */
static bool take_back(struct pi_slot *slot, uint64_t *fill_word, bool entry)
{
    uint64_t seen = pi_load_acquire(&slot->word);
    while (is_untouched(seen, PI_PENDING, *fill_word)) {
        uint64_t back = *fill_word & ~(uint64_t)PI_IN_RING;
        back |= entry ? seen & PI_IN_RING : 0;
        PI_ASSERT_ARROW(seen, back);
        if (pi_cas(&slot->word, &seen, back)) {
            *fill_word = back;
            return true;
        }
    }
    return false;
}

/* Pushes. At the limit entries whose task was cancelled do not count. */
static enum pi_push push(posse_executor *e, uint32_t index, uint64_t limit)
{
    enum pi_push pushed = pi_push(e, index, limit);
    if (pushed != PI_PUSH_LIMIT)
        return pushed;
    uint64_t stale = pi_slots_count_entries(&e->segment.slots, &e->segment.ring, UINT32_MAX).stale;
    return stale ? pi_push(e, index, limit + stale) : pushed;
}

/* Makes the task PENDING and puts it into the ring. POSSE_FULL: it is FILLING again, and *word says
 * so. */
static posse_status enqueue(posse_executor *e, uint32_t index, uint64_t *word, uint64_t flags,
                            uint64_t limit)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    if ((*word & PI_IN_RING) && limit && pi_is_full(e))
        return POSSE_FULL; /* no push would say so */
    if (!pi_slot_publish(slot, *word, flags))
        return POSSE_OK; /* an entry of an earlier life serves it */
    enum pi_push pushed = push(e, index, limit);
    if (pushed == PI_PUSH_BROKEN)
        pi_break_queue(e);
    /* If it cannot be taken back, the supervisor pushed it or it was cancelled: it was accepted. */
    if (pushed == PI_PUSHED || !take_back(slot, word, false))
        return POSSE_OK;
    return pushed == PI_PUSH_LIMIT     ? POSSE_FULL
           : pushed == PI_PUSH_NO_CELL ? pi_failure(PI_NO_SHARED)
                                       : POSSE_BROKEN;
}

/* Enqueues, and while the queue is full waits for room. */
static posse_status enqueue_patiently(posse_executor *e, const posse_job *job, uint32_t index,
                                      uint64_t *word, uint64_t flags)
{
    uint64_t limit = nested(e) ? 0 : e->queue_limit;
    uint64_t until =
        job->queue_timeout_ms && limit ? pi_os_after_ms(job->queue_timeout_ms) : PI_NEVER;
    for (;;) {
        posse_status status = enqueue(e, index, word, flags, limit);
        if (status != POSSE_FULL || (job->flags & POSSE_NO_WAIT))
            return status;
        status = pi_os_now() < until ? pi_await_room(e, until) : POSSE_TIMEOUT;
        if (status != POSSE_OK)
            return status;
    }
}

/* The executor closed while the task was on its way: takes it back, if nobody has begun it yet. */
static posse_status undo_if_closed(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    posse_status status = pi_accepts(e); /* after the push: the last worker looks the other way */
    if (status == POSSE_OK)
        return POSSE_OK;
    uint64_t seen = pi_load_acquire(&slot->word);
    bool cancelled = is_untouched(seen, PI_CANCELLED, word);
    if (!cancelled && !take_back(slot, &word, true))
        return POSSE_OK; /* it runs, has run, or was cancelled just now: it was accepted */
    if (pi_discard(e, index, cancelled ? seen : word) && cancelled)
        /* Whoever closed it has counted that before. It is refused, so it was no task.
         * Relaxed: only the value counts. */
        pi_add_relaxed(&e->segment.header->cancelled, (uint64_t)-1);
    return status;
}

static posse_status submit_queued(posse_executor *e, const posse_job *job, uint32_t index,
                                  uint64_t word, uint64_t flags)
{
    posse_status status = enqueue_patiently(e, job, index, &word, flags);
    if (status != POSSE_OK) {
        (void)pi_discard(e, index, word);
        return status;
    }
    if (pi_wake_or_grow(e)) /* worth a look: all workers may sleep because they are dead */
        (void)pi_check_supervisor(e);
    return undo_if_closed(e, index, word);
}

/* Submits by the program may sleep until there is room; destroy waits until they have left. */
static posse_status submit_by_program(posse_executor *e, const posse_job *job, uint32_t index,
                                      uint64_t word, uint64_t flags)
{
    if (e->queue_limit)
        pi_call_enter(e);
    posse_status status = submit_queued(e, job, index, word, flags);
    if (e->queue_limit)
        pi_call_exit(e);
    return status;
}

static posse_status submit(posse_executor *e, const struct request *request, posse_future *future)
{
    uint32_t index;
    uint64_t word, flags = future ? 0 : PI_DETACHED;
    unsigned owner = pi_owner_here(e);
    posse_status status = take_slot(e, owner, &index, &word);
    if (status != POSSE_OK)
        return status;
    uint32_t generation = pi_generation(word);
    status = fill(e, request, index, word);
    if (status != POSSE_OK)
        (void)pi_discard(e, index, pi_load_acquire(&e->segment.slots.at[index].word));
    else if (e->backend->spawn)
        status = submit_by_program(e, request->job, index, word, flags);
    else {
        if (future) /* the task may leave by an exception */
            *future = (posse_future){.executor = NULL};
        status = pi_submit_inline(e, index, word, flags);
    }
    if (future && status == POSSE_OK)
        *future = (posse_future){e, index, generation};
    return status;
}

posse_status pi_submit(posse_executor *e, const posse_job *job, pi_writer *write,
                       posse_future *future)
{
    posse_job copy;
    struct request request = {.write = write};
    posse_status status = pi_check(e);
    if (status == POSSE_OK && !(request.job = pi_sized_read(job, &copy, sizeof copy)))
        status = POSSE_INVALID; /* pi_sized_read has said why */
    if (status == POSSE_OK)
        status = check_job(e, request.job);
    if (status == POSSE_OK && !pi_poll_supervisor(e))
        status = pi_phase_status(pi_phase_of(e));
    if (status == POSSE_OK)
        status = pi_accepts(e);
    if (status == POSSE_OK)
        status = submit(e, &request, future);
    if (future && status != POSSE_OK) /* not before: arg may be read from there */
        *future = (posse_future){.executor = NULL};
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
    return posse_submit_with(e, &job, future);
}
