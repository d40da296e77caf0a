/* Runs in: worker.
 *
 * The end of a task that had a process of its own. The process is dead or dies now, but may write
 * into its memory still, or have left children that do. So each number is read once, and compared
 * with what the worker knows, before it is used.
 */
#include "worker/fresh_end.h"
#include "base/copy.h"
#include "base/tuning.h"
#include "core/crash_record.h"
#include "os/clock.h"
#include "pool/block.h"
#include "pool/task_memory.h"
#include "worker/result.h"

#include <signal.h>

#define MAX_MESSAGE ((size_t)255) /* of posse_task_fail */

static uint64_t gained(uint64_t now, uint64_t before) { return now > before ? now - before : 0; }

/* ---- limits ---- */

bool pi_fresh_limit(struct pi_fresh_use *u, struct posse_task *task, pid_t pid)
{
    struct pi_details *details = pi_slot_details(task->executor, task->slot);
    *u = (struct pi_fresh_use){.pid = pid, .rest_ns = PI_LIMITS_CHECK_NS};
    if (!pi_slot_is_limited(task->slot))
        return true;
    if (!details || !pi_os_cpu_time(pid, &u->cpu_had))
        return false;
    u->details = details;
    u->max_memory = details->max_memory;
    u->max_cpu_ns = details->max_cpu_ms * PI_MS;
    if (u->max_memory && !pi_os_usage_of(pid, &u->had))
        return false;
    pi_store_relaxed(&details->over, PI_OVER_NONE); /* relaxed, all: published with the state */
    pi_store_relaxed(&details->peak, 0);            /* as said */
    pi_store_relaxed(&details->cpu_ns, 0);          /* as said */
    uint64_t most = u->had.data + u->max_memory;
    most = most > u->max_memory ? most : UINT64_MAX - 1;
    return !u->max_memory || pi_os_spare_limit_data(pid, most);
}

uint64_t pi_fresh_pause(const struct pi_fresh_use *u, uint64_t pause)
{
    uint64_t rest = u->rest_ns > PI_LIMITS_LEAST_NS ? u->rest_ns : PI_LIMITS_LEAST_NS;
    return u->details && rest < pause ? rest : pause;
}

/* The system does not tell it of a process whose first thread has ended. */
static void look_at_memory(struct pi_fresh_use *u)
{
    struct pi_os_usage now;
    if (!u->max_memory)
        return;
    if (!pi_os_usage_of(u->pid, &now)) {
        u->unread += !pi_os_usage_ends(u->pid);
        return;
    }
    u->unread = 0;
    u->peak = gained(now.peak, u->had.resident);
    if (gained(now.private, u->had.private) > u->max_memory)
        u->over = PI_OVER_MEMORY;
}

static void look_at_time(struct pi_fresh_use *u)
{
    uint64_t now;
    u->rest_ns = PI_LIMITS_CHECK_NS;
    if (!u->max_cpu_ns || !pi_os_cpu_time(u->pid, &now))
        return;
    uint64_t used = gained(now, u->cpu_had);
    if (used >= u->max_cpu_ns)
        u->over = PI_OVER_CPU;
    else if (u->max_cpu_ns - used < u->rest_ns)
        u->rest_ns = u->max_cpu_ns - used;
}

/* It lived after the first look that failed; or several threads of it were still ending. */
static bool is_hidden(const struct pi_fresh_use *u) { return u->unread >= 2; }

bool pi_fresh_is_over(struct pi_fresh_use *u)
{
    if (u->details && u->over == PI_OVER_NONE) {
        look_at_memory(u);
        look_at_time(u);
    }
    return u->over != PI_OVER_NONE || is_hidden(u);
}

/* A process that ends is hidden, too, for a moment. The signal comes too late for it. */
void pi_fresh_note_end(struct pi_fresh_use *u, const struct pi_os_end *how)
{
    if (is_hidden(u) && how->death.signal == SIGKILL && u->over == PI_OVER_NONE)
        u->over = PI_OVER_MEMORY;
    if (u->max_cpu_ns && gained(how->cpu_ns, u->cpu_had) >= u->max_cpu_ns)
        u->over = PI_OVER_CPU;
}

/* relaxed, all: published with the state */
static void note_use(struct posse_task *task, const struct pi_fresh_end *end, bool refused)
{
    struct pi_fresh_use *u = end->use;
    uint64_t peak = gained(end->how->peak, u->had.resident);
    uint64_t used = gained(end->how->cpu_ns, u->cpu_had);
    if (refused && u->max_memory && u->over == PI_OVER_NONE)
        u->over = PI_OVER_MEMORY;
    if (u->max_memory)
        pi_store_relaxed(&u->details->peak, peak > u->peak ? peak : u->peak); /* as said */
    pi_store_relaxed(&u->details->cpu_ns, used);                              /* as said */
    pi_store_relaxed(&u->details->over, (uint32_t)u->over);                   /* as said */
    task->over = u->over != PI_OVER_NONE;
}

/* ---- the death of its process ---- */

/* Where it crashed, and what it noted: as pi_crash_block_attach in the supervisor. Without memory
 * nothing is known. */
static void keep_record(struct posse_task *task, const struct pi_task_memory *m)
{
    struct pi_bytes block;
    size_t size = sizeof m->record;
    if (!task->executor->autopsy ||
        pi_block_acquire(task->executor, task->worker, size, &block) != POSSE_OK)
        return;
    struct pi_crash_record *record = block.bytes;
    pi_copy_only(record, &m->record, size);
    record->magic = PI_CRASH_MAGIC;
    task->block = block.ref;
    task->size = size;
}

static void lose(struct posse_task *task, const struct pi_fresh_end *end)
{
    const struct pi_os_death *how = &end->how->death;
    uint32_t call = pi_load_relaxed(&end->spare->memory->forbidden); /* relaxed: it is dead */
    struct pi_death *death = &task->slot->death;
    *death = (struct pi_death){
        .signal = how->signal, .exit_code = how->exit_code, .pid = end->spare->pid};
    if (how->signal == SIGSYS)
        death->forbidden = call ? call : PI_UNKNOWN_CALL;
    task->lost = true;
}

/* ---- the result ---- */

static void take_result(struct posse_task *task, const struct pi_bytes *result)
{
    struct pi_bytes room;
    if (pi_result_room(task, result->size, &room) != POSSE_OK) {
        pi_task_fail(task, 0, "no memory for the result of the task");
        return;
    }
    pi_copy_only(room.bytes, result->bytes, room.size);
    task->block = room.ref;
    task->size = room.size;
}

static size_t most_bytes(const struct posse_task *task, const struct pi_spare *spare, bool failed)
{
    bool of_map = task->slot->fn == (uintptr_t)task->executor->map_fn;
    return failed ? MAX_MESSAGE : of_map ? spare->result_room : task->executor->max_result;
}

/* relaxed, all: the worker has seen `done`, or the end of the process */
static int take_end(struct posse_task *task, const struct pi_spare *spare, bool failed)
{
    struct pi_task_memory *m = spare->memory;
    struct pi_bytes result = {.size = pi_load_relaxed(&m->size)}; /* as said */
    int code = pi_load_relaxed(&m->code);                         /* as said */
    result.bytes = result.size <= PI_INLINE_RESULT ? pi_slot_result_room(&m->slot, result.size)
                                                   : pi_task_result_room(m, spare->arg_room);
    if (result.size > most_bytes(task, spare, failed))
        pi_task_fail(task, 0, "the task has overwritten the size of its result");
    else if (failed)
        pi_task_fail_with(task, code, &result);
    else if (code == 0)
        take_result(task, &result);
    return code;
}

/* relaxed, all: as said above */
int pi_fresh_end(struct posse_task *task, const struct pi_fresh_end *end)
{
    struct pi_task_memory *m = end->spare->memory;
    const struct pi_os_death *how = &end->how->death;
    bool done = !how->signal && !how->exit_code && pi_load_relaxed(&m->done); /* as said */
    bool failed = pi_load_relaxed(&m->failed);                                /* as said */
    if (end->use->details)
        note_use(task, end, pi_load_relaxed(&m->refused)); /* as said */
    if (done && (failed || !task->over))
        return take_end(task, end->spare, failed);
    if (!done) {
        if (!task->over)
            lose(task, end);
        keep_record(task, m);
    }
    return 0;
}
