/* Runs in: supervisor.
 *
 * The limits of running tasks, as the supervisor compares them: while a task with limits runs, in
 * rounds that are at most PI_LIMITS_CHECK_NS apart. core/details.h has the steps. Without such a
 * task the supervisor makes no round more.
 */
#include "supervisor/limit_check.h"
#include "base/tuning.h"
#include "core/details.h"
#include "os/usage.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "supervisor/grace.h"

/* What a task has used, and over which limit it is. */
struct look {
    uint64_t peak, cpu_ns;
    uint64_t rest_ns; /* until the next look */
    enum pi_over over;
};

static uint64_t gained(uint64_t now, uint64_t before) { return now > before ? now - before : 0; }

/* relaxed, in both: published with `turn` */
static void look_at_memory(struct look *look, struct pi_details *details, pid_t pid)
{
    struct pi_os_usage usage;
    if (!pi_os_usage_of(pid, &usage))
        return; /* it has just died */
    look->peak = gained(usage.peak, pi_load_relaxed(&details->resident_before)); /* as said */
    if (gained(usage.private, pi_load_relaxed(&details->private_before)) > details->max_memory)
        look->over = PI_OVER_MEMORY;
}

static void look_at_time(struct look *look, struct pi_details *details, pid_t pid)
{
    uint64_t now, most = details->max_cpu_ms * PI_MS;
    if (!pi_os_cpu_time(pid, &now))
        return;
    look->cpu_ns = gained(now, pi_load_relaxed(&details->cpu_before)); /* as said */
    if (most == 0)
        return;
    if (look->cpu_ns >= most)
        look->over = PI_OVER_CPU;
    else
        look->rest_ns = pi_earlier(look->rest_ns, most - look->cpu_ns);
}

/* RUNNING -> KILLING, as at a deadline. The worker cannot end the task any more, so its block stays
 * the task's. */
static void end_task(posse_executor *e, uint32_t index, uint64_t word, const struct look *look)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    if (!pi_slot_transition(slot, &word, PI_KILLING, PI_EXPIRED, 0))
        return;
    struct pi_details *details = pi_slot_details(e, slot);
    if (!details)
        return;
    if (look->peak > pi_load_relaxed(&details->peak)) /* relaxed, all: published with the state */
        pi_store_relaxed(&details->peak, look->peak); /* as said */
    pi_store_relaxed(&details->cpu_ns, look->cpu_ns); /* as said */
    pi_store_relaxed(&details->over, (uint32_t)look->over); /* as said */
}

void pi_check_limits(struct pi_supervisor *s, unsigned worker, uint32_t index)
{
    posse_executor *e = s->executor;
    struct pi_child *child = &s->children[worker];
    struct pi_slot *slot = &e->segment.slots.at[index];
    uint64_t word = pi_load_seq(&slot->word);       /* with pi_slot_transition */
    bool compares = e->backend->kills && !e->fresh; /* else the worker does */
    if (!compares || !pi_is_run_by(word, worker) || !pi_slot_is_limited(slot))
        return;
    struct look look = {.rest_ns = PI_LIMITS_CHECK_NS};
    struct pi_details *details = pi_slot_details(e, slot);
    uint32_t turn = details ? pi_load_seq(&details->turn) : 0; /* with begin_turn and suspend */
    if (turn) {
        look_at_time(&look, details, child->pid);
        if (details->max_memory && look.over == PI_OVER_NONE)
            look_at_memory(&look, details, child->pid);
    }
    bool over = look.over != PI_OVER_NONE && pi_load_seq(&details->turn) == turn; /* the same */
    if (over && pi_state(word) == PI_RUNNING)
        end_task(e, index, word, &look);
    else if (over)
        pi_end_grace(s, worker, index, word);
    else
        child->next_deadline =
            pi_earlier(child->next_deadline, s->checked_ns + look.rest_ns + PI_LIMITS_LEAST_NS);
}
