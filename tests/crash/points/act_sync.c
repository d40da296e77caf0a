/* act_sync.c - two tasks use a lock and a queue beside each other and callers that sleep, and make
 * such objects of their own. */
#include "points.h"

#include <string.h>

#define WORKERS 2
#define EACH 3 /* items that a task puts */

/* What happens, in shared memory. */
struct stage {
    posse_lock lock;
    posse_queue queue; /* of one item: readers and writers wait */
    long plain;        /* guarded by the lock */
    _Atomic int told;
    _Atomic int wrong;               /* calls that said what they must not */
    _Atomic int came[WORKERS][EACH]; /* how often an item was taken */
    _Atomic int put[WORKERS][EACH];  /* ... and whether its put has returned */
    _Atomic int ended;               /* tasks that came to their end */
};

struct item {
    int task;
    int number;
};

static bool locked_step(struct stage *stage)
{
    posse_status status = posse_lock_acquire(stage->lock, -1);
    atomic_fetch_add(&stage->told, status == POSSE_OWNER_DIED);
    if (status != POSSE_OK && status != POSSE_OWNER_DIED)
        return false;
    stage->plain++;
    return posse_lock_release(stage->lock) == POSSE_OK;
}

/* Objects of its own, with which it may die. */
static bool own_lock(posse_executor *pool)
{
    posse_lock lock;
    return posse_lock_create(pool, &lock) == POSSE_OK && posse_lock_acquire(lock, 0) == POSSE_OK &&
           posse_lock_release(lock) == POSSE_OK && posse_lock_destroy(lock) == POSSE_OK;
}

static bool own_queue(posse_executor *pool)
{
    posse_queue queue;
    char byte = 1;
    return posse_queue_create(pool, 2, 1, &queue) == POSSE_OK &&
           posse_queue_get(queue, &byte, 1, NULL, 1) == POSSE_TIMEOUT && /* it has waited */
           posse_queue_put(queue, &byte, 1, 0) == POSSE_OK &&
           posse_queue_put(queue, &byte, 1, 0) == POSSE_OK &&
           posse_queue_get(queue, &byte, 1, NULL, 0) == POSSE_OK &&
           posse_queue_close(queue) == POSSE_OK && posse_queue_destroy(queue) == POSSE_OK;
}

struct part {
    struct stage *stage;
    int number;
};

/* Puts its items, and takes some that are there, its own or others'. */
static int use_task(posse_task *task, const void *arg, size_t size)
{
    const struct part *part = arg;
    struct stage *stage = part->stage;
    bool good = own_lock(posse_task_executor(task)) && own_queue(posse_task_executor(task));
    for (int i = 0; i < EACH; i++) {
        struct item item = {part->number, i};
        good = good && locked_step(stage) &&
               posse_queue_put(stage->queue, &item, sizeof item, -1) == POSSE_OK;
        atomic_store(&stage->put[part->number][i], 1);
        posse_status status = posse_queue_get(stage->queue, &item, sizeof item, NULL, 1);
        if (status == POSSE_OK)
            atomic_fetch_add(&stage->came[item.task][item.number], 1);
        good = good && (status == POSSE_OK || status == POSSE_TIMEOUT);
    }
    atomic_fetch_add(&stage->wrong, !good);
    atomic_fetch_add(&stage->ended, 1);
    return 0;
}

/* Takes items until the queue is closed. */
static posse_status read_all(void *context)
{
    struct stage *stage = context;
    struct item item;
    posse_status status;
    while ((status = posse_queue_get(stage->queue, &item, sizeof item, NULL, -1)) == POSSE_OK)
        atomic_fetch_add(&stage->came[item.task][item.number], 1);
    return status;
}

static posse_status lock_often(void *context)
{
    for (int i = 0; i < 3; i++)
        if (!locked_step(context))
            return POSSE_INVALID;
    return POSSE_OK;
}

static struct stage *set_stage(posse_executor *pool)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, sizeof(struct stage), &memory));
    struct stage *stage = memory;
    memset(memory, 0, sizeof *stage);
    assert_ok(posse_lock_create(pool, &stage->lock));
    assert_ok(posse_queue_create(pool, 1, sizeof(struct item), &stage->queue));
    return stage;
}

/* An item came once; at most one never did: of a task that died as it put or took it. */
static void check_items(struct stage *stage, int deaths)
{
    int missing = 0;
    for (int task = 0; task < WORKERS; task++) {
        for (int i = 0; i < EACH; i++) {
            int came = atomic_load(&stage->came[task][i]);
            assert_in_range(came, 0, 1);
            missing += atomic_load(&stage->put[task][i]) && !came;
        }
    }
    assert_in_range(missing, 0, deaths);
}

static void end_stage(posse_executor *pool, struct stage *stage, int deaths)
{
    check_items(stage, deaths);
    assert_int_equal(atomic_load(&stage->wrong), 0);
    assert_int_equal(posse_queue_length(stage->queue), 0);
    posse_status status = posse_lock_acquire(stage->lock, 0);
    assert_true(status == POSSE_OK || status == POSSE_OWNER_DIED);
    assert_in_range(atomic_load(&stage->told) + (status == POSSE_OWNER_DIED), 0, deaths);
    assert_ok(posse_lock_release(stage->lock));
    assert_ok(posse_lock_destroy(stage->lock));
    assert_ok(posse_queue_destroy(stage->queue));
    assert_ok(posse_free(pool, stage));
}

/* How many of its tasks were lost. The callers sleep until the tasks begin. */
static int play(posse_executor *pool, int deaths)
{
    struct stage *stage = set_stage(pool);
    struct caller reader;
    struct caller locker;
    posse_future futures[WORKERS];
    int lost = 0;
    assert_ok(posse_lock_acquire(stage->lock, -1));
    start_call(&reader, read_all, stage);
    start_call(&locker, lock_often, stage);
    await_parked(&reader);
    await_parked(&locker);
    for (int i = 0; i < WORKERS; i++) {
        struct part part = {stage, i};
        futures[i] = SUBMIT_VALUE(pool, use_task, part);
    }
    assert_ok(posse_lock_release(stage->lock));
    for (int i = 0; i < WORKERS; i++) {
        posse_error error = error_of(futures[i]);
        assert_true(error.status == POSSE_OK || error.status == POSSE_WORKER_LOST);
        lost += error.status == POSSE_WORKER_LOST;
        assert_ok(posse_release(futures[i]));
    }
    assert_ok(end_call(&locker));
    assert_ok(posse_queue_close(stage->queue));
    assert_status(end_call(&reader), POSSE_CLOSED);
    end_stage(pool, stage, deaths);
    return lost;
}

const struct act act_objects = {.name = "lock and queue", .play = play};
