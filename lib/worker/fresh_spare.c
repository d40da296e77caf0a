/* Runs in: worker.
 *
 * The processes of tasks, from their fork to their end (steps 1, 8 and 11 of fresh.c).
 */
#include "worker/fresh_spare.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "os/spare.h"
#include "pool/descriptors.h"
#include "pool/error.h"
#include "pool/task_memory.h"
#include "pool/worker_clock.h"
#include "worker/fresh.h"

#include <errno.h>

/* Of this process, which is the worker of one executor. */
static posse_executor *own;
static struct pi_spare ahead; /* the spare; without memory: there is none */
static int ruleset = -1;      /* as pi_os_seal_worker made it */
static bool adopts;           /* tasks may leave children: no process is forked ahead then */
static pid_t leaving;         /* a process that has said all and was killed; 0: there is none */

static size_t rounded(size_t size) { return (size + 63) & ~(size_t)63; }

void pi_spare_drop(struct pi_spare *s)
{
    pi_os_task_memory_free(s->memory, s->size);
    s->memory = NULL;
}

void pi_spare_count(uint64_t used) { pi_worker_clock_add(own, own->owner, used); }

void pi_spare_end(pid_t pid)
{
    if (pi_os_spare_kill(pid)) /* else it ends with the worker */
        pi_spare_count(pi_os_spare_reap(pid));
}

/* 0 or an errno. */
static int fork_spare(posse_executor *e, size_t arg_size, struct pi_spare *s)
{
    *s = (struct pi_spare){.executor = e,
                           .arg_room = rounded(arg_size > PI_SPARE_ARG ? arg_size : PI_SPARE_ARG),
                           .result_room = rounded(e->max_result) + PI_SPARE_RESULT,
                           .ruleset = ruleset};
    s->size = PI_TASK_HEAD + s->arg_room + s->result_room;
    s->memory = pi_os_task_memory_make(s->size);
    if (!s->memory)
        return errno;
    s->memory->arg_room = s->arg_room;
    s->memory->result_room = s->result_room;
    int error = pi_os_spare_fork(pi_fresh_main, s, &s->pid);
    if (error == 0 && pi_os_task_memory_keep(s->memory, s->size))
        return 0;
    if (error == 0) {
        error = errno;
        pi_spare_end(s->pid);
    }
    pi_spare_drop(s);
    return error;
}

/* The system may be short of processes for a moment. */
int pi_spare_fork(posse_executor *e, size_t arg_size, struct pi_spare *s)
{
    int error, tries = 0;
    while ((error = fork_spare(e, arg_size, s)) != 0 && ++tries < PI_MAX_RETRIES)
        pi_os_sleep(PI_RETRY_NS);
    return error;
}

void pi_spare_reap_leaving(void)
{
    if (leaving)
        pi_spare_count(pi_os_spare_reap(leaving));
    leaving = 0;
}

void pi_spare_leave(pid_t pid)
{
    (void)pi_os_spare_kill(pid);
    leaving = pid;
}

int pi_spare_take(posse_executor *e, size_t arg_size, struct pi_spare *s)
{
    if (!ahead.memory || arg_size > ahead.arg_room)
        return pi_spare_fork(e, arg_size, s);
    *s = ahead;
    ahead.memory = NULL;
    return 0;
}

bool pi_spare_adopts(void) { return adopts; }

/* While a task waits that could begin at once, the end of the last process can wait. */
void pi_fresh_prepare(posse_executor *e)
{
    if (ahead.memory && pi_lanes_any(&e->segment.lanes))
        return;
    pi_spare_reap_leaving();
    if (!ahead.memory && !adopts)
        (void)fork_spare(e, 0, &ahead);
}

bool pi_fresh_begin(posse_executor *e, unsigned worker, struct pi_error *why)
{
    own = e;
    adopts = e->seal->allow & PI_OS_ALLOW_PROCESSES;
    int error = pi_os_shm_leave_others(&e->memory, PI_MAGIC);
    if (error == 0)
        error = pi_descriptors_before_seal(e);
    if (error == 0)
        error = pi_os_spare_begin(adopts);
    if (error == 0)
        error = pi_os_seal_worker(e->seal, &e->segment.workers[worker].forbidden, &ruleset);
    if (error)
        *why = pi_error_from_errno("the processes of tasks cannot be sealed", error);
    else
        pi_fresh_prepare(e);
    return error == 0;
}
