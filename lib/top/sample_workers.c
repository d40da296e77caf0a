/* Runs in: posse-top.
 *
 * The workers of one executor: what their records say, the task that runs, and their processes,
 * which are the supervisor's children of the name <its name>_<number>.
 */
#include "base/utf8.h"
#include "map_chunk.h"
#include "os/clock.h"
#include "top/sample.h"
#include "top/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the task ---- */

/* Where a block is that lasts as long as a task; NULL: nowhere. As pi_arena_find. */
static const char *find_block(const struct pi_top_view *view, pi_block_ref ref)
{
    const struct pi_arena *arena = &view->reader->segment.arena;
    uint32_t index = (uint32_t)((ref - 1) % PI_TAGS);
    struct pi_unit unit;
    if (ref == 0 || (ref - 1) / PI_TAGS >= arena->max)
        return NULL;
    const char *bytes = pi_unit_bytes(arena, (uint32_t)((ref - 1) / PI_TAGS));
    pi_top_read(view->reader, &arena->units[(ref - 1) / PI_TAGS], &unit, sizeof unit);
    uint64_t tag = PI_TOP_VALUE(unit.tag);
    if (pi_tag_kind(tag) != PI_TAG_SPAN)
        return index == 0 && pi_tag_in_use(tag) ? bytes : NULL;
    return index < pi_span_blocks(tag) ? bytes + index * pi_size_class_bytes(pi_tag_class(tag))
                                       : NULL;
}

static void take_name(const struct pi_top_view *view, const struct pi_slot *slot,
                      struct pi_top_task *task)
{
    struct pi_details details;
    const char *at = find_block(view, PI_TOP_VALUE(slot->details));
    if (!at)
        return;
    pi_top_read(view->reader, at, &details, sizeof details);
    pi_utf8_clean(task->name, sizeof task->name, details.name, sizeof details.name);
}

/* The task of a map is posse's own function, and its argument says which one it calls. */
static void take_function(const struct pi_top_view *view, const struct pi_slot *slot,
                          struct pi_top_task *task)
{
    struct pi_chunk chunk;
    /* relaxed: a copy */
    pi_top_function(view->program, pi_load_relaxed(&slot->fn), task->function);
    if (strcmp(task->function, "pi_chunk_run") != 0)
        return;
    const char *at = find_block(view, PI_TOP_VALUE(slot->arg));
    if (!at || (PI_TOP_VALUE(slot->arg_size) & PI_SIZE_MASK) <= PI_INLINE_ARG)
        return;
    pi_top_read(view->reader, at, &chunk, offsetof(struct pi_chunk, results));
    uint64_t fn = chunk.fn ? (uintptr_t)chunk.fn : (uintptr_t)chunk.block_fn;
    pi_top_function(view->program, fn, task->function);
}

/* When its run began, if the executor has stamps; else 0. */
static uint64_t stamp_of(const struct pi_top_view *view, uint32_t index, uint64_t word)
{
    const struct pi_stamps *table = view->reader->segment.stamps;
    struct pi_stamps stamps;
    if (!table)
        return 0;
    pi_top_read(view->reader, &table[index], &stamps, sizeof stamps);
    bool of_this = PI_TOP_VALUE(stamps.life) >> 32 == pi_generation(word);
    return of_this ? PI_TOP_VALUE(stamps.started) : 0;
}

/* By its stamp, or its time limit; else it is not known. */
static uint64_t time_of(const struct pi_top_view *view, uint32_t index, const struct pi_slot *slot)
{
    uint64_t started = stamp_of(view, index, PI_TOP_VALUE(slot->word));
    if (started)
        return started < view->now_ns ? view->now_ns - started : 1;
    uint64_t deadline = PI_TOP_VALUE(slot->deadline_ns), limit = slot->timeout_ms * PI_MS;
    uint64_t kind = PI_TOP_VALUE(slot->arg_size) & (PI_TIMED | PI_BOUNDED);
    bool timed = kind == PI_TIMED && deadline >= limit;
    return timed && deadline - limit < view->now_ns ? view->now_ns - (deadline - limit) : 0;
}

static enum pi_state look_at_task(const struct pi_top_view *view, unsigned worker, uint32_t current,
                                  struct pi_top_task *task)
{
    const struct pi_slots *slots = &view->reader->segment.slots;
    struct pi_slot slot;
    if (current == 0 || current > slots->max)
        return PI_FREE;
    pi_top_read(view->reader, &slots->at[current - 1], &slot, sizeof slot);
    uint64_t word = PI_TOP_VALUE(slot.word);
    if (!pi_is_run_by(word, worker))
        return PI_FREE;
    *task = (struct pi_top_task){.there = true,
                                 .slot = current - 1,
                                 .generation = pi_generation(word),
                                 .attempt = PI_TOP_VALUE(slot.attempt),
                                 .running_ns = time_of(view, current - 1, &slot)};
    if (PI_TOP_VALUE(slot.arg_size) & PI_DETAILED)
        take_name(view, &slot, task);
    take_function(view, &slot, task);
    return pi_state(word);
}

/* ---- the process ---- */

/* What ps shows of a worker: see pi_worker_name. */
static bool is_worker(const struct pi_top_process *process, const char *executor, unsigned number)
{
    char ending[12], name[16];
    int digits = snprintf(ending, sizeof ending, "_%u", number);
    snprintf(name, sizeof name, "%.*s%s", 15 - digits, executor, ending);
    return strcmp(process->name, name) == 0;
}

/* The processes of workers by their numbers. Returns how many children have other names: tasks may
 * give themselves one. */
static unsigned find_processes(const struct pi_top_view *view, const struct pi_top_sample *sample,
                               const struct pi_top_process **found)
{
    const struct pi_top_process *supervisor =
        sample->supervisor ? pi_top_process_find(view->processes, sample->supervisor) : NULL;
    unsigned unknown = 0;
    for (size_t i = 0; supervisor && i < view->processes->count; i++) {
        const struct pi_top_process *process = &view->processes->at[i];
        const char *number = strrchr(process->name, '_');
        unsigned n = number ? (unsigned)strtoul(number + 1, NULL, 10) : PI_MAX_WORKERS;
        if (process->parent != supervisor->pid)
            continue;
        if (n < sample->n_workers && is_worker(process, supervisor->name, n))
            found[n] = process;
        else
            unknown++;
    }
    return supervisor ? unknown : sample->n_workers;
}

/* ---- together ---- */

static enum pi_top_state state_of(const struct pi_top_worker *worker, uint32_t record,
                                  enum pi_state task)
{
    char process = worker->process.state;
    if (worker->process.pid && (process == 'Z' || process == 'X'))
        return PI_TOP_DEAD;
    if (worker->process.pid && (process == 'T' || process == 't'))
        return PI_TOP_STOPPED;
    if (task != PI_FREE)
        return task == PI_KILLING ? PI_TOP_KILLING : PI_TOP_BUSY;
    return record == PI_WORKER_STARTING                            ? PI_TOP_STARTING
           : record == PI_WORKER_FAILED                            ? PI_TOP_FAILED
           : record == PI_WORKER_READY || record == PI_WORKER_IDLE ? PI_TOP_IDLE
                                                                   : PI_TOP_LEAVING;
}

static void tally_ended(const struct pi_worker *record, struct pi_top_worker *worker,
                        posse_stats *stats)
{
    uint64_t ended[PI_ENDS];
    for (int i = 0; i < PI_ENDS; i++) {
        ended[i] = PI_TOP_VALUE(record->finished[i]) / 2; /* see worker_record.h */
        worker->ended += ended[i];
    }
    stats->done += ended[PI_END_DONE];
    stats->failed += ended[PI_END_FAILED];
    stats->timed_out += ended[PI_END_TIMED_OUT];
    /* of those that had its number before; bit 0 is a flag */
    stats->cpu_ns += PI_TOP_VALUE(record->cpu_ns) & ~(uint64_t)1;
}

/* With POSSE_FRESH a task runs in a child of its worker. In another PID namespace that has another
 * pid, and the worker stands for it. */
static const struct pi_top_process *process_of_task(const struct pi_top_view *view,
                                                    const struct pi_worker *record,
                                                    const struct pi_top_process *worker)
{
    pid_t pid = PI_TOP_VALUE(record->task_process);
    const struct pi_top_process *task = pid > 0 ? pi_top_process_find(view->processes, pid) : NULL;
    return task && task->parent == worker->pid ? task : worker;
}

/* False: it is not there. */
static bool look_at_worker(const struct pi_top_view *view, const struct pi_worker *record,
                           const struct pi_top_process *process, struct pi_top_worker *worker)
{
    uint32_t state = PI_TOP_VALUE(record->state), current = PI_TOP_VALUE(record->current);
    if (process)
        worker->process = *process;
    worker->state =
        state_of(worker, state, look_at_task(view, worker->number, current, &worker->task));
    if (process && worker->task.there)
        worker->process = *process_of_task(view, record, process);
    return process || (state != PI_WORKER_EXITED && state != PI_WORKER_FAILED);
}

static void look_at_records(const struct pi_top_view *view, const struct pi_worker *records,
                            const struct pi_top_process **found, struct pi_top_sample *sample)
{
    unsigned count = sample->n_workers, unknown = find_processes(view, sample, found);
    for (unsigned i = sample->n_workers = 0; i < count; i++) {
        struct pi_top_worker *worker = &sample->workers[sample->n_workers];
        *worker = (struct pi_top_worker){
            .number = i, .ended_per_s = PI_TOP_UNKNOWN, .cpu_percent = PI_TOP_UNKNOWN};
        tally_ended(&records[i], worker, &sample->stats);
        bool there = look_at_worker(view, &records[i], found[i], worker);
        sample->stats.cpu_ns += found[i] ? found[i]->cpu : 0;
        if (!there || (!found[i] && unknown == 0))
            continue;
        unknown -= !found[i];
        sample->n_workers++;
    }
}

bool pi_top_look_at_workers(const struct pi_top_view *view, struct pi_top_sample *sample)
{
    static struct pi_worker records[PI_MAX_WORKERS];
    static const struct pi_top_process *found[PI_MAX_WORKERS];
    unsigned count = pi_top_count(PI_TOP_VALUE(view->header->workers_count), PI_MAX_WORKERS);
    memset(found, 0, sizeof found);
    sample->workers = calloc(count + 1, sizeof *sample->workers);
    if (!sample->workers)
        return false;
    sample->n_workers = count;
    pi_top_read(view->reader, view->reader->segment.workers, records, count * sizeof *records);
    look_at_records(view, records, found, sample);
    return true;
}
