/* Runs in: worker.
 *
 * A process of its own for each task, if options.isolation is POSSE_FRESH. The worker claims tasks
 * and ends them as ever, but runs none. It forks a process ahead (the spare), which shares no
 * memory with anyone but the task memory (pool/task_memory.h) with its worker. The process gives up
 * all else, is sealed, and waits. The worker waits until it has ended, or says that all is done.
 *
 *   step                                                  by        a death right after it
 *   1  makes task memory, forks the spare; children that  w         the kernel kills the spare with
 *      are forked later do not get the memory                       w, here and below
 *   2  unmaps the segment, closes what is the worker's    process   w takes another process when it
 *      but its file, is sealed, waits for `go`                      has a task; for one that has
 *                                                                   descriptors it counts as 10
 *   3  claims a task: RUNNING(w)                          w         LOST, or another attempt, here
 *                                                                   and below, when w dies
 *   4  copies the argument into the task memory, and      w
 *      says which blocks the task gets
 *   5  posts `go`                                         w         the process dies with w
 *   6  maps these blocks, closes the segment's file;      process   before: as 2; from here on: 10
 *      `begun`
 *   7  runs the task; writes the result, then `done`,     process   10; after `done` as 9
 *      and signals w
 *   8  reaps the process of the task before; forks the    w
 *      next spare, if a task is queued
 *   9  kills the process; copies the result, checked, to  w         a block that w holds is freed
 *      the slot or a block; frees the task memory
 *   10 the process died without `done`: LOST, or PENDING  w         between the two the supervisor
 *      with one retry less                                          finds the task by `touched`
 *   11 reaps the process; forks the next spare, unless    w
 *      there is one
 *
 * Step 10 is the only one that the supervisor does for other executors. In PENDING w may have
 * counted a retry that the supervisor counts again if w dies just before.
 *
 * The process may kill itself, write anything into the task memory at any time, also after `done`,
 * signal w at any time, and leave children behind that go on to write (if the seal allows them). So
 * w reads sizes once, and compares them with what w knows. Nothing that the process writes is
 * followed. A worker whose task has left a child exits, and its process group dies.
 *
 * The next task sees nothing of this one: its process was forked by a worker that copies arguments
 * and results only between the segment and task memory, never into memory of its own, and leaves
 * none of the bytes in registers (base/copy.h).
 *
 * A task with blocks of the program (job.memory) ends when its process is reaped: so after `done` w
 * waits for step 11 before step 9. If w dies, the supervisor waits for the end of `task_process`
 * before it recovers w. So once the task has ended, the program alone can write to the blocks.
 *
 * While the process runs, w looks now and then, and passes on what callers and the task say
 * (fresh_look.c). Deadlines and kills hit the worker's process group, with the worker. What a task
 * may use (memory, processor time) the worker compares itself, and kills the process alone: this
 * ends one task.
 *
 * A hostile task can hide `begun`, and end. Then the worker takes another process for it, so that
 * it runs up to PI_MAX_SPARES times in one attempt. The model is tests/model/fresh.pml.
 */
#include "worker/fresh.h"
#include "base/copy.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "pool/descriptors.h"
#include "pool/error.h"
#include "pool/stamp.h"
#include "pool/task_memory.h"
#include "worker/fresh_end.h"
#include "worker/fresh_look.h"
#include "worker/fresh_memory.h"
#include "worker/fresh_spare.h"
#include "worker/result.h"

#include <errno.h>

/* A task under way. */
struct run {
    struct posse_task *task;
    const struct pi_bytes *arg;
    struct pi_task_blocks blocks; /* that it gets */
    struct pi_spare spare;
    struct pi_os_end end;
    struct pi_fresh_use use;
};

/* Its descriptors are in the process that is forked now, and nowhere else. */
static int fork_with_descriptors(struct run *r)
{
    struct pi_os_fds own;
    int error = pi_descriptors_take(r->task, &own);
    if (error)
        return error;
    error = pi_spare_fork(r->task->executor, r->arg->size, &r->spare);
    if (r->spare.memory)
        r->spare.memory->descriptors = own;
    pi_os_fds_close(&own);
    return error;
}

/* 0 or an errno: there is no process for the task. */
static int take(struct run *r)
{
    if (pi_slot_has_descriptors(r->task->slot))
        return fork_with_descriptors(r);
    return pi_spare_take(r->task->executor, r->arg->size, &r->spare);
}

/* All that the process knows of its task. order: relaxed: before `go`. */
static void fill(const struct run *r)
{
    const struct posse_task *task = r->task;
    struct pi_task_memory *m = r->spare.memory;
    m->index = task->index;
    m->word = task->word;
    m->deadline = task->deadline;
    m->grace_ms = task->grace_ms;
    m->arg_size = r->arg->size;
    m->limited = r->use.max_memory != 0;
    m->has_descriptors = pi_slot_has_descriptors(task->slot);
    m->blocks = r->blocks;
    atomic_init(&m->slot.fn, pi_load_relaxed(&task->slot->fn));
    atomic_init(&m->slot.attempt, pi_load_relaxed(&task->slot->attempt));
    atomic_init(&m->slot.word, pi_load_relaxed(&task->slot->word));
    if (r->arg->size)
        pi_copy_only(pi_task_arg_room(m), r->arg->bytes, r->arg->size);
}

/* When the worker looks at the task next. */
static uint64_t next_look(const struct run *r)
{
    uint64_t pause = r->task->grace_ms ? PI_GRACED_LOOK_NS : PI_FRESH_LOOK_NS;
    return pi_os_now() + pi_fresh_pause(&r->use, pause);
}

/* The process need not be dead: what it does after `done` counts for nothing. But then are known
 * its use of memory and its children, and nothing writes to the task's blocks. */
static bool must_be_dead(const struct run *r)
{
    return r->use.details || r->blocks.n || pi_spare_adopts();
}

static void await_end(struct run *r)
{
    enum pi_os_spare_event event;
    _Atomic uint32_t *done = must_be_dead(r) ? NULL : &r->spare.memory->done;
    while ((event = pi_os_spare_await(r->spare.pid, next_look(r), done, &r->end)) ==
           PI_OS_SPARE_LIVES) {
        pi_fresh_look(r->task, r->spare.memory);
        if (pi_fresh_is_over(&r->use))
            (void)pi_os_spare_kill(r->spare.pid);
    }
    if (event == PI_OS_SPARE_SAYS) {
        pi_spare_leave(r->spare.pid);
        r->end = (struct pi_os_end){.death = {.signal = 0}};
    }
    pi_spare_count(r->end.cpu_ns);
}

/* Says which process the supervisor waits for if this worker dies. */
static void name_process(const struct run *r, pid_t pid)
{
    posse_executor *e = r->task->executor;
    /* release: with event() in supervisor/backend_process.c */
    pi_store_release(&e->segment.workers[r->task->worker].task_process, (int32_t)pid);
}

static bool has_begun(const struct run *r)
{
    /* over a limit it has, whatever it says; relaxed: it has ended, or said all */
    return r->use.over != PI_OVER_NONE || pi_load_relaxed(&r->spare.memory->begun);
}

/* False: the process died before it had begun the task. */
static bool run_once(struct run *r)
{
    posse_executor *e = r->task->executor;
    fill(r);
    pi_stamp_process(r->task, r->spare.pid);
    pi_fresh_look_begin(r->task);
    name_process(r, r->spare.pid);
    pi_os_semaphore_post(&r->spare.memory->go);
    pi_spare_reap_leaving();
    if (pi_lanes_any(&e->segment.lanes))
        pi_fresh_prepare(e);
    await_end(r);
    pi_fresh_look(r->task, r->spare.memory);
    name_process(r, 0);
    pi_fresh_note_end(&r->use, &r->end);
    return has_begun(r);
}

static int fail(struct posse_task *task, const char *what, int error)
{
    pi_task_fail(task, 0, pi_error_from_errno(what, error).message);
    return 0;
}

/* What a task has left goes on until the worker's group dies. */
static void leave_if_followed(const struct posse_task *task)
{
    if (pi_spare_adopts() && pi_os_has_children()) /* relaxed: this worker alone acts on it */
        pi_store_relaxed(&task->executor->segment.workers[task->worker].exit_requested,
                         PI_EXIT_AFTER_TASK);
}

static int end(struct run *r)
{
    struct posse_task *task = r->task;
    struct pi_fresh_end how = {&r->spare, &r->end, &r->use};
    int error = has_begun(r) ? 0 : pi_load_relaxed(&r->spare.memory->error); /* as there */
    int code = error ? fail(task, "the process of the task cannot begin", error)
                     : pi_fresh_end(task, &how);
    pi_spare_drop(&r->spare);
    leave_if_followed(task);
    return code;
}

/* The limits of its process cannot be set. False: it lives, for so long, and is killed. */
static bool has_died(struct run *r, uint64_t ns)
{
    if (pi_os_spare_await(r->spare.pid, pi_os_now() + ns, NULL, &r->end) != PI_OS_SPARE_ENDED) {
        pi_spare_end(r->spare.pid);
        return false;
    }
    pi_spare_count(r->end.cpu_ns);
    r->use = (struct pi_fresh_use){.pid = r->spare.pid}; /* it used nothing for the task */
    return true;
}

int pi_fresh_call(struct posse_task *task, const struct pi_bytes *arg)
{
    struct run r = {.task = task, .arg = arg};
    if (!pi_fresh_find_blocks(task, &r.blocks))
        return fail(task, "a block of job.memory was freed before the task began", EINVAL);
    for (int tries = 1;; tries++) {
        int error = take(&r);
        if (error)
            return fail(task, "no process for the task", error);
        bool last = tries == PI_MAX_SPARES || pi_slot_has_descriptors(task->slot);
        bool limited = pi_fresh_limit(&r.use, task, r.spare.pid);
        bool begun = limited && run_once(&r);
        bool ended = limited || has_died(&r, last ? PI_DEATH_MS * PI_MS : 0);
        if (begun || (last && ended))
            return end(&r);
        pi_spare_drop(&r.spare);
        if (last)
            return fail(task, "a limit of the task cannot be enforced", ENOSYS);
    }
}
