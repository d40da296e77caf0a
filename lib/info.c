/* Runs in: program, worker.
 *
 * The calls of posse_trace.h about times: of one task, and as the workers count them.
 */
#include "core/stamps.h"
#include "internal.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "posse_trace.h"

#include <string.h>

#define MAX_LOOKS 100 /* at a task that goes on meanwhile */

_Static_assert(sizeof(posse_histogram) / sizeof(uint64_t) == PI_TIME_CLASSES, "all are shown");

/* ---- of one task ---- */

/* The stamps of this life, as far as they are there. relaxed, all: the caller looks at the word
 * again. */
static void read_stamps(posse_future future, struct pi_slot *slot, posse_info *info)
{
    struct pi_stamps *stamps = &future.executor->segment.stamps[future.slot];
    uint64_t in_slot = pi_load_relaxed(&slot->result_size); /* as said */
    uint64_t life = pi_load_acquire(&stamps->life);         /* with pi_stamp_start */
    bool started = life == pi_stamps_life(future.generation, (uint32_t)life) && (uint32_t)life;
    if (started) {
        info->submitted_ns = pi_load_relaxed(&stamps->submitted); /* as said */
        info->started_ns = pi_load_relaxed(&stamps->started);     /* as said */
        info->pid = (long)(uint32_t)life;
    } else if (pi_stamps_in_slot(slot)) {
        info->submitted_ns = in_slot;
    }
    if (info->state != POSSE_STATE_ENDED)
        return;
    info->ended_ns = pi_load_relaxed(&stamps->ended); /* as said */
    /* A thread begins a task that was killed when it had just claimed it. */
    if (info->started_ns > info->ended_ns)
        info->started_ns = info->ended_ns;
}

static void read_details(posse_executor *e, struct pi_slot *slot, posse_info *info)
{
    struct pi_details *details = pi_slot_details(e, slot);
    if (!details)
        return;
    memcpy(info->name, details->name, sizeof info->name - 1);
    if (info->state != POSSE_STATE_ENDED)
        return;
    info->cpu_ns = pi_load_relaxed(&details->cpu_ns);    /* relaxed, both: published with the */
    info->peak_memory = pi_load_relaxed(&details->peak); /* state */
}

static long worker_of(uint64_t word)
{
    unsigned owner = pi_owner(word);
    return owner < PI_MAX_WORKERS ? (long)owner : owner == PI_OWNER_PROGRAM ? 0 : -1;
}

static void read_task(posse_future future, const struct pi_seen *seen, posse_info *info)
{
    struct pi_slot *slot = seen->slot;
    *info = (posse_info){.struct_size = sizeof *info, .status = POSSE_TIMEOUT};
    bool pending = pi_state(seen->word) == PI_PENDING, ended = pi_final(seen->word);
    info->state = ended ? POSSE_STATE_ENDED : pending ? POSSE_STATE_PENDING : POSSE_STATE_RUNNING;
    if (ended)
        info->status = pi_end_of(future.executor, seen);
    info->worker = worker_of(seen->word);
    info->attempt = pi_load_relaxed(&slot->attempt); /* relaxed: the word is looked at again */
    if (future.executor->stamps)
        read_stamps(future, slot, info);
    read_details(future.executor, slot, info);
    int64_t died = pi_state(seen->word) == PI_LOST ? pi_slot_death(slot, seen->word).pid : 0;
    if (died > 0)
        info->pid = (long)died;
}

/* Again if the task has gone on meanwhile, but not for ever: a task may overwrite the word. */
static posse_status read_info(posse_future future, posse_info *info)
{
    struct pi_seen seen;
    int looks = 0;
    bool same;
    *info = (posse_info){.struct_size = sizeof *info};
    do {
        posse_status status = pi_future_look(future, &seen);
        if (status != POSSE_OK)
            return status;
        pi_see_blocks(future.executor); /* the details may lie there */
        read_task(future, &seen, info);
        /* before the next look */
        same = pi_same_state(pi_load_again(&seen.slot->word), seen.word);
    } while (!same && ++looks < MAX_LOOKS);
    return POSSE_OK;
}

posse_status posse_get_info(posse_future future, posse_info *info)
{
    posse_info seen;
    posse_status status = pi_sized_check(info);
    if (status != POSSE_OK)
        return status;
    status = read_info(future, &seen);
    if (status != POSSE_OK)
        seen = (posse_info){.struct_size = sizeof seen};
    pi_sized_write(info, &seen, sizeof seen);
    return status;
}

/* ---- of all ---- */

/* relaxed, both: each count stands alone */
static void add_up(posse_executor *e, posse_times *times)
{
    unsigned workers = e->backend->spawn ? pi_workers_count(&e->segment) : 1;
    for (unsigned worker = 0; worker < workers; worker++) {
        struct pi_worker_times *of = &e->segment.times[worker];
        for (unsigned i = 0; i < PI_TIME_CLASSES; i++) {
            times->waiting.counts[i] += pi_load_relaxed(&of->waited[i]); /* as said */
            times->running.counts[i] += pi_load_relaxed(&of->ran[i]);    /* as said */
        }
    }
}

posse_status posse_get_times(posse_executor *e, posse_times *times)
{
    posse_times seen = {.struct_size = sizeof seen};
    posse_status status = pi_sized_check(times);
    if (status != POSSE_OK)
        return status;
    status = pi_check(e);
    if (status == POSSE_OK && !e->stamps)
        status = pi_refuse(POSSE_NOT_SUPPORTED, "the executor is without options.stamps");
    if (status == POSSE_OK)
        add_up(e, &seen);
    pi_sized_write(times, &seen, sizeof seen);
    return status;
}

/* Class i begins at 2^i, and the first at 0. */
static uint64_t begin_of(unsigned i) { return i ? (uint64_t)1 << i : 0; }

uint64_t posse_quantile(const posse_histogram *histogram, double q)
{
    double all = 0, below = 0;
    for (unsigned i = 0; histogram && i < PI_TIME_CLASSES; i++)
        all += (double)histogram->counts[i];
    double rank = all * (q > 1 ? 1 : q > 0 ? q : 0); /* a NaN counts as 0 */
    for (unsigned i = 0; histogram && all > 0 && i < PI_TIME_CLASSES; i++) {
        double here = (double)histogram->counts[i];
        uint64_t most = i ? begin_of(i) - 1 : 1; /* that a time there is over its begin */
        if (here > 0 && below + here >= rank) {
            double over = (double)most * (rank - below) / here;
            return begin_of(i) + (over < (double)most ? (uint64_t)over : most);
        }
        below += here;
    }
    return 0;
}
