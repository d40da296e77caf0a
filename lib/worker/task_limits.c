/* Runs in: worker.
 *
 * The limits of the task that this worker runs. A limit of memory is the process's RLIMIT_DATA. The
 * worker lowers its soft limit to what the worker has and the task may gain, so malloc returns
 * NULL, and sets it back after the task. The supervisor compares what that does not count (a stack,
 * memory of the program that the task changes), and processor time (supervisor/limit_check.c).
 *
 * A worker that an earlier task has made unfit for that gives the task back (loop.c). Only a task
 * that runs on top of another one fails then.
 *
 * A task was refused memory if errno is ENOMEM when it fails, crashes or calls exit.
 */
#include "worker/task_limits.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "pool/backend.h"
#include "pool/block.h"

#include <errno.h>

/* The task whose limits hold now: for a crash, which may be of a thread that the task has made.
 * relaxed, each: such a thread began after the store. */
static const struct posse_task *_Atomic limited;

static void set_limited(const struct posse_task *task)
{
    atomic_store_explicit(&limited, task, memory_order_relaxed); /* as said */
}

static uint64_t gained(uint64_t now, uint64_t before) { return now > before ? now - before : 0; }

/* ---- what it has used ---- */

/* relaxed, all: published with the state, or read when this worker was reaped */
static void note_peak(const struct pi_limits *l, const struct pi_os_usage *now)
{
    uint64_t peak = gained(now->peak, l->had.resident);
    if (peak > pi_load_relaxed(&l->details->peak)) /* as said */
        pi_store_relaxed(&l->details->peak, peak); /* as said */
}

/* In a signal handler, or in exit. */
static void note_crash(void)
{
    /* relaxed: as said */
    const struct posse_task *task = atomic_load_explicit(&limited, memory_order_relaxed);
    struct pi_os_usage now;
    uint64_t cpu_ns;
    if (!task || errno != ENOMEM || !task->limits->max_memory ||
        !pi_os_fork_detect_holds(&task->executor->guard))
        return;
    if (pi_os_usage_of(0, &now))
        note_peak(task->limits, &now);
    struct pi_details *details = task->limits->details;
    if (pi_os_cpu_time(0, &cpu_ns)) /* relaxed, both: read when this worker was reaped */
        pi_store_relaxed(&details->cpu_ns, gained(cpu_ns, task->limits->cpu_had)); /* as said */
    pi_store_relaxed(&details->over, PI_OVER_MEMORY);                              /* as said */
}

/* From now on the supervisor compares what the worker has with what it had without the task. */
static void begin_turn(struct pi_limits *l)
{
    struct pi_details *details = l->details;
    pi_store_relaxed(&details->private_before, l->had.private);   /* relaxed, all: published with */
    pi_store_relaxed(&details->resident_before, l->had.resident); /* `turn` */
    pi_store_relaxed(&details->cpu_before, l->cpu_had);           /* as said */
    pi_store_seq(&details->turn, ++l->turns);                     /* with pi_check_limits */
}

/* ---- a task on top of one with limits ---- */

/* The limits of a task that waits are not those of the task that it runs meanwhile. */
static void suspend(struct pi_limits *l)
{
    if (!l->begun)
        return;
    set_limited(NULL);
    pi_store_seq(&l->details->turn, 0); /* before the nested task takes memory: as above */
    (void)pi_os_cpu_time(0, &l->cpu_paused);
    if (!l->max_memory)
        return;
    l->measured = pi_os_usage_of(0, &l->paused);
    if (l->measured)
        note_peak(l, &l->paused);
    (void)pi_os_restore_data_limit(l->data_limit); /* else the nested task has less, but fails */
}

/* What the nested task has left in the worker counts as there before. */
static uint64_t shifted(uint64_t had, uint64_t paused, uint64_t now)
{
    return now > paused ? had + (now - paused) : gained(had, paused - now);
}

static void resume_memory(struct pi_limits *l)
{
    struct pi_os_usage now;
    uint64_t ignored;
    pi_os_reset_peak();
    if (l->measured && pi_os_usage_of(0, &now)) {
        l->had.data = shifted(l->had.data, l->paused.data, now.data);
        l->had.private = shifted(l->had.private, l->paused.private, now.private);
        l->had.resident = shifted(l->had.resident, l->paused.resident, now.resident);
    }
    (void)pi_os_lower_data_limit(l->had.data + l->max_memory, &ignored); /* it could be before */
}

static void resume(const struct posse_task *task)
{
    struct pi_limits *l = task->limits;
    uint64_t now;
    if (!l->begun)
        return;
    if (pi_os_cpu_time(0, &now))
        l->cpu_had = shifted(l->cpu_had, l->cpu_paused, now);
    if (l->max_memory)
        resume_memory(l);
    begin_turn(l);
    set_limited(task);
}

/* ---- begin ---- */

/* Limits of processor time can be enforced always. */
bool pi_limits_can_hold(posse_executor *e, struct pi_slot *slot)
{
    const struct pi_details *details = e->backend->kills ? pi_slot_details(e, slot) : NULL;
    return !details || !details->max_memory || pi_os_is_fit();
}

/* A caller may have asked the task to stop since the claim: as in pi_run. */
void pi_limits_grace(struct posse_task *task)
{
    posse_executor *e = task->executor;
    const struct pi_details *details = pi_slot_details(e, task->slot);
    if (details)
        task->grace_ms = details->grace_ms;
    if (pi_load_seq(&task->slot->word) & PI_CANCEL_REQUESTED) /* with posse_cancel */
        e->backend->notify(e);
}

bool pi_limits_may_end(const struct posse_task *task, uint64_t word)
{
    const struct pi_details *details =
        pi_slot_is_graced(task->slot) ? pi_slot_details(task->executor, task->slot) : NULL;
    return details && details->terminate && pi_has_state(word, PI_KILLING, task->worker) &&
           !(word & PI_EXPIRED);
}

uint64_t pi_limits_first_look(const struct posse_task *task)
{
    const struct pi_details *details = pi_slot_details(task->executor, task->slot);
    uint64_t cpu_ns = details && details->max_cpu_ms ? details->max_cpu_ms * PI_MS : PI_NEVER;
    return pi_os_now() + (cpu_ns < PI_LIMITS_CHECK_NS ? cpu_ns : PI_LIMITS_CHECK_NS);
}

static bool begin_memory(struct pi_limits *l)
{
    pi_os_reset_peak();
    if (!pi_os_usage_of(0, &l->had))
        return false;
    l->had.resident = l->had.peak; /* the same, or the peak could not be reset */
    uint64_t most = l->had.data + l->max_memory;
    return pi_os_lower_data_limit(most > l->max_memory ? most : UINT64_MAX - 1, &l->data_limit);
}

static bool begin(struct posse_task *task)
{
    struct pi_limits *l = task->limits;
    struct pi_details *details = pi_slot_details(task->executor, task->slot);
    *l = (struct pi_limits){.details = details};
    if (!details)
        return false;
    l->max_memory = details->max_memory;
    l->max_cpu_ns = details->max_cpu_ms * PI_MS;
    pi_store_relaxed(&details->over, PI_OVER_NONE); /* relaxed, all: published with the state */
    pi_store_relaxed(&details->peak, 0);            /* as said */
    pi_store_relaxed(&details->cpu_ns, 0);          /* as said */
    pi_os_before_crash(note_crash);
    if (!pi_os_cpu_time(0, &l->cpu_had) || (l->max_memory && !begin_memory(l)))
        return false;
    l->begun = true;
    begin_turn(l);
    set_limited(task);
    errno = 0;
    return true;
}

bool pi_limits_begin(struct posse_task *task)
{
    if (task->outer && task->outer->limits)
        suspend(task->outer->limits);
    return !task->limits || begin(task);
}

/* ---- end ---- */

/* A task has lowered the hard limit, too, so the next one would have less. */
static void wear_out(struct pi_worker *worker)
{
    pi_store_relaxed(&worker->exit_requested,
                     PI_EXIT_AFTER_TASK); /* relaxed: this worker alone acts on it */
}

/* Relaxed, all: published with the state. */
static void end(struct posse_task *task, int code)
{
    struct pi_limits *l = task->limits;
    struct pi_worker *worker = &task->executor->segment.workers[task->worker];
    struct pi_os_usage usage;
    uint64_t now;
    bool refused = (code != 0 || task->failed) && errno == ENOMEM && l->max_memory;
    enum pi_over over = refused ? PI_OVER_MEMORY : PI_OVER_NONE;
    set_limited(NULL);
    if (l->max_memory && pi_os_usage_of(0, &usage))
        note_peak(l, &usage);
    if (l->max_memory && !pi_os_restore_data_limit(l->data_limit))
        wear_out(worker);
    uint64_t used = pi_os_cpu_time(0, &now) ? gained(now, l->cpu_had) : 0;
    if (l->max_cpu_ns && used >= l->max_cpu_ns)
        over = PI_OVER_CPU;
    task->over = over != PI_OVER_NONE;
    pi_store_relaxed(&l->details->cpu_ns, used);            /* as said */
    pi_store_relaxed(&l->details->over, (uint32_t)over);    /* as said */
    pi_store_relaxed(&worker->deadline_ns, task->earliest); /* late, it costs a round */
}

void pi_limits_end(struct posse_task *task, int code)
{
    if (task->limits && task->limits->begun)
        end(task, code);
    if (task->outer && task->outer->limits)
        resume(task->outer);
}
