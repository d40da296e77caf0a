/* act_unobserved.c - tasks fail, and nobody has their futures: the log is told of each once, and
 * their slots are freed. One is released while something waits for it. */
#include "points.h"

#include <posse_log.h>
#include <stdio.h>
#include <stdlib.h>

#define TASKS 6

static _Atomic int told[4 * TASKS]; /* of the task of that name: how often */
static int first;                   /* of this play */

static void count(void *context, const posse_log_record *record)
{
    if (record->event == POSSE_LOG_TASK_FAILED && *record->error->name)
        atomic_fetch_add(&told[strtol(record->error->name, NULL, 10)], 1);
}

static void set(posse_options *options)
{
    options->log = count;
    first = 0;
    for (size_t i = 0; i < COUNT(told); i++)
        atomic_store(&told[i], 0);
}

static void submit_failing(posse_executor *pool, int number)
{
    char name[12];
    long code = 5;
    snprintf(name, sizeof name, "%d", number);
    posse_job job = {.struct_size = sizeof job,
                     .fn = message_task,
                     .arg = &code,
                     .size = sizeof code,
                     .name = name};
    assert_ok(posse_submit_with(pool, &job, NULL));
}

static int play(posse_executor *pool, int deaths)
{
    posse_completion_queue *queue;
    assert_ok(posse_completion_queue_create(&queue));
    posse_future released = submitted_long(pool, message_task, 5);
    assert_ok(posse_completion_queue_add(queue, released, NULL));
    assert_ok(posse_release(released));
    for (int i = 0; i < TASKS; i++)
        submit_failing(pool, first + i);
    for (int i = 0; i < TASKS; i++)
        assert_eventually(atomic_load(&told[first + i]) == 1);
    posse_completion_queue_destroy(queue);
    first += TASKS;
    for (int i = 0; i < first; i++)
        assert_int_equal(atomic_load(&told[i]), 1);
    return 0;
}

const struct act act_unobserved = {.name = "unobserved", .set = set, .play = play};
