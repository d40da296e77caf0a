/* tasks.c - what the program submits: tasks of all kinds, and those that go wild. None trusts its
 * argument, as that may have been scribbled on. */
#include "scribble.h"

#include <posse_progress.h>
#include <string.h>
#include <unistd.h>

static int nap_task(posse_task *task, const void *arg, size_t size)
{
    unsigned char ms = size > 0 ? *(const unsigned char *)arg : 0;
    pause_ms(ms % 8);
    return return_long(task, ms);
}

static int nest_task(posse_task *task, const void *arg, size_t size)
{
    posse_executor *pool = posse_task_executor(task);
    posse_future futures[2];
    long n = size > 0 ? *(const unsigned char *)arg : 0;
    for (size_t i = 0; i < COUNT(futures); i++)
        if (posse_submit(pool, square_task, &n, sizeof n, &futures[i]) != POSSE_OK)
            return INNER_FAILED;
    (void)posse_wait(futures, COUNT(futures), POSSE_ALL_COMPLETED, 20, NULL, NULL);
    for (size_t i = 0; i < COUNT(futures); i++) {
        (void)posse_result(futures[i], 20, NULL, NULL);
        (void)posse_release(futures[i]);
    }
    return 0;
}

struct tools {
    posse_lock lock;
    posse_queue queue;
};

static int tools_task(posse_task *task, const void *arg, size_t size)
{
    posse_executor *pool = posse_task_executor(task);
    struct tools tools = {0};
    void *memory;
    long n = 7;
    if (size == sizeof tools)
        memcpy(&tools, arg, sizeof tools);
    tools.lock.executor = tools.queue.executor = pool;
    posse_status status = posse_lock_acquire(tools.lock, 5);
    (void)posse_queue_put(tools.queue, &n, sizeof n, 3);
    if (status == POSSE_OK || status == POSSE_OWNER_DIED)
        (void)posse_lock_release(tools.lock);
    (void)posse_queue_get(tools.queue, &n, sizeof n, NULL, 3);
    if (posse_alloc(pool, 300, &memory) == POSSE_OK) {
        memset(memory, 1, 300);
        (void)posse_free(pool, memory);
    }
    return 0;
}

static int telling_task(posse_task *task, const void *arg, size_t size)
{
    for (uint64_t i = 0; i < 8; i++) {
        posse_task_progress(task, i, 8 + i / 4);
        (void)posse_task_emit(task, arg, size);
        (void)posse_task_emit_wait(task, &i, sizeof i, 2);
    }
    return 0;
}

static int wild_task(posse_task *task, const void *arg, size_t size)
{
    struct run run = {.steps = 0};
    if (size == sizeof run)
        memcpy(&run, arg, sizeof run);
    run.part = (unsigned)run.part < N_PARTS ? run.part : PART_ANY;
    run.kind = (unsigned)run.kind < N_KINDS ? run.kind : KIND_MIXED;
    struct dice dice = {run.seed};
    for (uint64_t n = 1 + below(&dice, 12); n > 0; n--) {
        scribble(posse_task_executor(task), &run, &dice);
        if (one_in(&dice, 3))
            pause_ms((long)below(&dice, 2));
    }
    if (run.part == PART_OWN && one_in(&dice, 2))
        _exit(0); /* so what it wrote stands */
    return 0;
}

/* ---- submitting ------------------------------------------------------------------------------ */

void submit_any(struct program *p)
{
    static char bytes[BIG_BYTES];
    static const size_t sizes[] = {0, 8, 16, 17, 64, 65, 700, 5000, BIG_BYTES};
    struct tools tools = {p->lock, p->queue};
    struct dice *dice = &p->dice;
    posse_job jobs[] = {
        {.fn = square_task, .arg = &(long){9}, .size = sizeof(long)},
        {.fn = echo_task, .arg = bytes, .size = sizes[below(dice, COUNT(sizes))]},
        {.fn = nap_task, .arg = &(char){(char)below(dice, 8)}, .size = 1},
        {.fn = nap_task, .arg = &(char){7}, .size = 1, .timeout_ms = 2, .name = "limited"},
        {.fn = message_task, .arg = &(long){5}, .size = sizeof(long), .name = "failing"},
        {.fn = nest_task, .arg = &(char){3}, .size = 1},
        {.fn = tools_task, .arg = &tools, .size = sizeof tools},
        {.fn = telling_task, .arg = bytes, .size = sizes[below(dice, COUNT(sizes))]},
    };
    posse_job job = jobs[below(dice, COUNT(jobs))];
    posse_future *future = a_future(p);
    job.struct_size = sizeof job;
    job.retries = one_in(dice, 3);
    job.queue_timeout_ms = 20;
    (void)CALL(p, 0, posse_release(*future));
    (void)CALL(p, 20, posse_submit_with(p->pool, &job, one_in(dice, 8) ? NULL : future));
}

static void submit_wild(struct program *p)
{
    struct run run = *p->run;
    run.seed = roll(&p->dice);
    posse_job job = {.struct_size = sizeof job,
                     .fn = wild_task,
                     .arg = &run,
                     .size = sizeof run,
                     .timeout_ms = run.part == PART_OWN ? 200 : 0, /* it may wait for itself */
                     .queue_timeout_ms = 20};
    posse_future *future = a_future(p);
    (void)CALL(p, 0, posse_release(*future));
    (void)CALL(p, 20, posse_submit_with(p->pool, &job, future));
}

bool innocents_are_right(struct program *p)
{
    static char bytes[3000];
    posse_future futures[4];
    const void *data;
    size_t size;
    bool right = true;
    memset(bytes, (int)below(&p->dice, 256), sizeof bytes);
    for (size_t i = 0; i < COUNT(futures); i++)
        if (posse_submit(p->pool, echo_task, bytes, 20 + 900 * i, &futures[i]) != POSSE_OK)
            return false;
    for (size_t i = 0; i < COUNT(futures); i++) {
        right &= posse_result(futures[i], PATIENCE_MS, &data, &size) == POSSE_OK &&
                 size == 20 + 900 * i && memcmp(data, bytes, size) == 0;
        right &= posse_release(futures[i]) == POSSE_OK;
    }
    return right;
}

/* Every second program writes itself, the others have tasks that do. */
void go_wild(struct program *p)
{
    if (p->run->seed % 2 == 0 || p->run->part == PART_OWN) {
        submit_wild(p);
        return;
    }
    for (uint64_t n = 1 + below(&p->dice, 3); n > 0; n--)
        scribble(p->pool, p->run, &p->dice);
}
