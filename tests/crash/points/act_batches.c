/* act_batches.c - a task submits many at once and dies on the way: each task that was accepted
 * runs once, and those are the first.
 */
#include "points.h"

#include <string.h>

#define JOBS 70 /* more than a batch */
#define LARGE 3000

/* In memory that the tasks share. */
struct ledger {
    _Atomic int submitted; /* the call has returned */
    _Atomic int runs[JOBS];
};

struct line {
    struct ledger *ledger;
    int number;
    char rest[LARGE]; /* of some */
};

static int line_task(posse_task *task, const void *arg, size_t size)
{
    struct ledger *ledger;
    int number;
    memcpy(&ledger, arg, sizeof ledger);
    memcpy(&number, (const char *)arg + offsetof(struct line, number), sizeof number);
    atomic_fetch_add(&ledger->runs[number], 1);
    return 0;
}

/* 1: a task of its own was lost; GAVE_UP: something is wrong. */
static long await_lines(const posse_future *futures)
{
    long lost = 0;
    for (int i = 0; i < JOBS; i++) {
        posse_status status = posse_result(futures[i], -1, NULL, NULL);
        if ((status != POSSE_OK && status != POSSE_WORKER_LOST) ||
            posse_release(futures[i]) != POSSE_OK)
            return GAVE_UP;
        lost += status != POSSE_OK;
    }
    return lost;
}

static posse_status submit_lines(posse_executor *pool, struct ledger *ledger, posse_future *futures)
{
    struct line lines[JOBS];
    posse_job jobs[JOBS];
    size_t accepted = 0;
    for (int i = 0; i < JOBS; i++) {
        lines[i].ledger = ledger;
        lines[i].number = i;
        jobs[i] = (posse_job){.struct_size = sizeof *jobs,
                              .fn = line_task,
                              .arg = &lines[i],
                              .size = i % 9 == 4 ? sizeof *lines : offsetof(struct line, rest),
                              .name = i % 9 == 5 ? "line" : NULL};
    }
    posse_status status = posse_submit_many(pool, jobs, JOBS, futures, &accepted);
    return status == POSSE_OK && accepted != JOBS ? POSSE_SYSTEM : status;
}

/* The lines of one ledger by a task, whose futures are its own; of the other unobserved. */
static int batch_task(posse_task *task, const void *arg, size_t size)
{
    struct ledger *const *ledgers = arg;
    posse_executor *pool = posse_task_executor(task);
    posse_future futures[JOBS];
    if (submit_lines(pool, ledgers[0], futures) != POSSE_OK)
        return GAVE_UP;
    atomic_store(&ledgers[0]->submitted, 1);
    long lost = await_lines(futures);
    if (lost == GAVE_UP || submit_lines(pool, ledgers[1], NULL) != POSSE_OK)
        return GAVE_UP;
    atomic_store(&ledgers[1]->submitted, 1);
    return return_long(task, lost);
}

static struct ledger *make_ledger(posse_executor *pool)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, sizeof(struct ledger), &memory));
    memset(memory, 0, sizeof(struct ledger));
    return memory;
}

/* A death that took a running line with it did not take the submitter in the midst of its call. */
static void check_ledger(posse_executor *pool, struct ledger *ledger, int deaths)
{
    int last = JOBS - 1, missing = 0;
    bool submitted = atomic_load(&ledger->submitted);
    while (!submitted && last >= 0 && atomic_load(&ledger->runs[last]) == 0)
        last--;
    for (int i = 0; i < JOBS; i++)
        assert_in_range(atomic_load(&ledger->runs[i]), 0, 1);
    for (int i = 0; i <= last; i++)
        missing += atomic_load(&ledger->runs[i]) == 0;
    assert_in_range(missing, 0, submitted || last < 0 ? deaths : deaths - 1);
    assert_ok(posse_free(pool, ledger));
}

static int play_batches(posse_executor *pool, int deaths)
{
    struct ledger *ledgers[2] = {make_ledger(pool), make_ledger(pool)};
    posse_future outer = SUBMIT_VALUE(pool, batch_task, ledgers);
    posse_status status = error_of(outer).status;
    long lost = 0;
    assert_true(status == POSSE_OK || status == POSSE_WORKER_LOST);
    if (status == POSSE_OK)
        assert_ok(posse_result_into(outer, 0, &lost, sizeof lost, NULL));
    assert_ok(posse_release(outer));
    assert_eventually(stats_of(pool).futures == 0);
    for (int i = 0; i < 2; i++)
        check_ledger(pool, ledgers[i], deaths);
    return (int)lost + (status != POSSE_OK);
}

const struct act act_batches = {.name = "batches", .play = play_batches, .costs = 2};
