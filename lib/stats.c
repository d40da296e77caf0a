/* Runs in: program, worker.
 *
 * What posse_get_stats counts: the counters that each worker and the supervisor keep, and one pass
 * over the slots and the blocks. All goes on meanwhile, so the numbers are those of no one moment.
 */
#include "internal.h"
#include "pool/block.h"
#include "pool/commit.h"
#include "pool/worker_clock.h"
#include "worker/end.h"

/* order: relaxed, because each value counts alone. */
static void count_workers(posse_executor *e, posse_stats *stats)
{
    struct pi_segment *s = &e->segment;
    unsigned workers = pi_workers_count(s);
    stats->workers = pi_load_relaxed(&s->header->workers);
    stats->workers_started = pi_load_relaxed(&s->header->workers_started);
    stats->workers_lost = pi_load_relaxed(&s->header->workers_lost);
    stats->done = pi_load_relaxed(&s->header->inline_ended[PI_END_DONE]);
    stats->failed = pi_load_relaxed(&s->header->inline_ended[PI_END_FAILED]);
    stats->cancelled = pi_load_relaxed(&s->header->cancelled);
    stats->timed_out = pi_load_relaxed(&s->header->timed_out) +
                       pi_load_relaxed(&s->header->inline_ended[PI_END_TIMED_OUT]);
    stats->lost = pi_load_relaxed(&s->header->lost);
    for (unsigned i = 0; i < workers; i++) {
        stats->done += pi_count_finished(e, i, PI_END_DONE);
        stats->failed += pi_count_finished(e, i, PI_END_FAILED);
        stats->timed_out += pi_count_finished(e, i, PI_END_TIMED_OUT);
        stats->lost += pi_count_finished(e, i, PI_END_LOST);
    }
    unsigned idle = pi_idle_count(&s->header->idle, workers);
    stats->workers_idle = idle < stats->workers ? idle : stats->workers;
}

/* A system call for each worker. */
static void count_cpu(posse_executor *e, posse_stats *stats)
{
    for (unsigned i = 0, n = pi_workers_count(&e->segment); i < n; i++)
        stats->cpu_ns += pi_worker_cpu_ns(e, i);
}

static void count_slots(posse_executor *e, posse_stats *stats)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t count = pi_slots_count(slots);
    for (uint32_t i = 0; pi_slots_next(slots, count, &i); i++) {
        uint64_t word = pi_load_relaxed(&slots->at[i].word); /* relaxed: as above */
        stats->queued += pi_state(word) == PI_PENDING;
        stats->running += pi_is_running(word);
        stats->futures += pi_in_use(word);
    }
    stats->memory_used += stats->futures * (pi_group_size(e) / PI_GROUP_SLOTS);
}

void pi_count_tasks(posse_executor *e, posse_stats *stats)
{
    count_workers(e, stats);
    count_slots(e, stats);
}

static void count_blocks(posse_executor *e, posse_stats *stats)
{
    uint64_t tag;
    for (pi_block_ref ref = 0; (ref = pi_arena_next(&e->segment.arena, ref, 0, &tag)) != 0;) {
        stats->memory_blocks++;
        stats->memory_used += pi_block_room(e, ref);
    }
}

static void count_memory(posse_executor *e, posse_stats *stats)
{
    uint64_t committed = pi_load_relaxed(&e->segment.header->committed); /* relaxed: as above */
    bool too_little = (int64_t)committed < (int64_t)stats->memory_used;  /* see commit.c */
    stats->memory_committed = too_little ? stats->memory_used : committed;
    stats->memory_reserved = e->segment.size;
}

posse_status posse_get_stats(posse_executor *e, posse_stats *stats)
{
    posse_stats seen = {.struct_size = sizeof seen};
    posse_status status = pi_sized_check(stats);
    if (status != POSSE_OK)
        return status;
    status = pi_check(e);
    if (status == POSSE_OK) {
        pi_count_tasks(e, &seen);
        count_cpu(e, &seen);
        count_blocks(e, &seen);
        count_memory(e, &seen);
    }
    pi_sized_write(stats, &seen, sizeof seen);
    return status;
}
