/* tasks.c - tasks are submitted, run and waited for while calls fail: small and large arguments and
 * results, tables that grow, locks and queues, shutdown. */
#include "fault/kit/fault.h"

#include <posse_group.h>

#include <poll.h>
#include <posse_progress.h>
#include <string.h>
#include <unistd.h>

static int one_small(void)
{
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL);
    fault_begin();
    REQUIRE(use_pool(pool) == 0);
    return leave_pool(pool);
}

static const char large[300000] = "large";

/* The argument and the result each need a block of their own. */
static int one_large(void)
{
    const void *bytes;
    size_t size;
    posse_future future;
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL);
    fault_begin();
    posse_status status = posse_submit(pool, echo_task, large, sizeof large, &future);
    ALLOW(status, ACCEPTED);
    if (status == POSSE_OK) {
        status = posse_result(future, -1, &bytes, &size);
        /* It had no memory for its result, or its worker could not open the argument's. */
        ALLOW(status, ENDED | AS(POSSE_TASK_FAILED) | AS(POSSE_WORKER_LOST));
        REQUIRE(status != POSSE_OK || (size == sizeof large && memcmp(bytes, large, size) == 0));
        REQUIRE(posse_release(future) == POSSE_OK);
    }
    return leave_pool(pool);
}

#define MANY 400 /* more than there are slots at first */

static int many_at_once(void)
{
    static posse_future futures[MANY];
    static posse_status accepted[MANY];
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL);
    fault_begin();
    for (long i = 0; i < MANY; i++) {
        accepted[i] = posse_submit(pool, square_task, &i, sizeof i, &futures[i]);
        ALLOW(accepted[i], ACCEPTED);
    }
    for (long i = 0; i < MANY; i++) {
        long square = i * i;
        posse_status status = accepted[i];
        if (status == POSSE_OK) {
            status = posse_result_into(futures[i], -1, &square, sizeof square, NULL);
            ALLOW(status, ENDED);
            REQUIRE(square == i * i);
            REQUIRE(posse_release(futures[i]) == POSSE_OK);
        }
    }
    return leave_pool(pool);
}

/* In one call: the first `accepted` are in, whatever failed, and the others have no future. */
static int many_in_one_call(void)
{
    static posse_future futures[MANY];
    static long numbers[MANY];
    static posse_job jobs[MANY];
    size_t accepted = MANY + 1;
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL);
    for (long i = 0; i < MANY; i++) {
        numbers[i] = i;
        jobs[i] = (posse_job){.struct_size = sizeof *jobs,
                              .fn = square_task,
                              .arg = &numbers[i],
                              .size = sizeof numbers[i],
                              .name = i % 50 == 7 ? "named" : NULL};
    }
    fault_begin();
    posse_status status = posse_submit_many(pool, jobs, MANY, futures, &accepted);
    ALLOW(status, ACCEPTED);
    REQUIRE((status == POSSE_OK) == (accepted == MANY) && accepted <= MANY);
    for (size_t i = 0; i < MANY; i++) {
        long square = (long)(i * i);
        REQUIRE((futures[i].executor != NULL) == (i < accepted));
        if (i >= accepted)
            continue;
        /* Its worker could not open the blocks of names that came after its claim. */
        ALLOW(posse_result_into(futures[i], -1, &square, sizeof square, NULL),
              ENDED | AS(POSSE_WORKER_LOST));
        REQUIRE(square == (long)(i * i));
        REQUIRE(posse_release(futures[i]) == POSSE_OK);
    }
    return leave_pool(pool);
}

static int use_queue(posse_executor *pool)
{
    posse_queue queue;
    long item = 5;
    posse_status status = posse_queue_create(pool, 4, 40000, &queue);
    ALLOW(status, CREATED);
    if (status != POSSE_OK)
        return 0;
    ALLOW(posse_queue_put(queue, &item, sizeof item, 1000), AS(POSSE_OK));
    ALLOW(posse_queue_get(queue, &item, sizeof item, NULL, 1000), AS(POSSE_OK));
    /* nothing is there: it sleeps */
    ALLOW(posse_queue_get(queue, &item, sizeof item, NULL, 1),
          AS(POSSE_TIMEOUT) | AS(POSSE_NO_MEMORY) | AS(POSSE_BROKEN));
    ALLOW(posse_queue_destroy(queue), AS(POSSE_OK));
    return 0;
}

static int shared_things(void)
{
    posse_lock lock;
    void *memory;
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL);
    fault_begin();
    posse_status status = posse_lock_create(pool, &lock);
    ALLOW(status, CREATED);
    if (status == POSSE_OK) {
        ALLOW(posse_lock_acquire(lock, -1), AS(POSSE_OK));
        ALLOW(posse_lock_release(lock), AS(POSSE_OK));
        ALLOW(posse_lock_destroy(lock), AS(POSSE_OK));
    }
    REQUIRE(use_queue(pool) == 0);
    status = posse_alloc(pool, 500000, &memory);
    ALLOW(status, CREATED);
    REQUIRE(status != POSSE_OK || posse_free(pool, memory) == POSSE_OK);
    return leave_pool(pool);
}

static int shut_down(void)
{
    long value = 3;
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL);
    fault_begin();
    for (int i = 0; i < 4; i++)
        ALLOW(posse_submit(pool, square_task, &value, sizeof value, NULL), ACCEPTED);
    posse_status status = posse_shutdown(pool, 0, -1);
    ALLOW(status, ENDED);
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    return 0;
}

static int read_task(posse_task *task, const void *arg, size_t size)
{
    long value = 0;
    if (read(posse_task_descriptor(task, 0), &value, sizeof value) != sizeof value)
        return WRONG_ARG;
    return return_long(task, value);
}

/* A copy that was on its way when its socket ended is closed by a thread of the kernel, which may
 * take a moment longer than the end of the process. */
static bool comes_to_have_no_reader(int fd)
{
    struct pollfd end = {.fd = fd};
    return poll(&end, 1, PATIENCE_MS) == 1 && (end.revents & POLLERR);
}

/* A task that cannot have its descriptor fails, and nobody keeps a copy. */
static int descriptors(void)
{
    int ends[2];
    long value = 3;
    REQUIRE(pipe(ends) == 0);
    posse_job job = {.struct_size = sizeof job,
                     .fn = read_task,
                     .retries = 1,
                     .descriptors = ends,
                     .n_descriptors = 1};
    posse_executor *pool = open_pool(1);
    REQUIRE(pool != NULL);
    fault_begin();
    for (int i = 0; i < 3; i++) {
        posse_future future;
        REQUIRE(write(ends[1], &value, sizeof value) == sizeof value);
        posse_status status = posse_submit_with(pool, &job, &future);
        ALLOW(status, ACCEPTED | AS(POSSE_NOT_SUPPORTED));
        if (status != POSSE_OK)
            continue;
        status = posse_result_into(future, -1, &value, sizeof value, NULL);
        ALLOW(status, ENDED | AS(POSSE_TASK_FAILED) | AS(POSSE_WORKER_LOST));
        REQUIRE(value == 3);
        REQUIRE(posse_release(future) == POSSE_OK);
    }
    REQUIRE(leave_pool(pool) == 0);
    REQUIRE(close(ends[0]) == 0);
    REQUIRE(comes_to_have_no_reader(ends[1]));
    return close(ends[1]);
}

#define MESSAGES 3

/* Without memory it goes on. */
static int telling_task(posse_task *task, const void *arg, size_t size)
{
    for (uint64_t i = 0; i < MESSAGES; i++) {
        posse_task_progress(task, i, MESSAGES);
        posse_status status = posse_task_emit(task, &i, sizeof i);
        if (status != POSSE_OK && status != POSSE_NO_MEMORY && status != POSSE_SYSTEM)
            return WRONG_ARG;
    }
    return 0;
}

/* Whatever of it could be told comes in order. */
static int telling(void)
{
    posse_future future;
    uint64_t number, next = 0, done, total;
    posse_executor *pool = open_pool(1);
    REQUIRE(pool != NULL);
    fault_begin();
    posse_status status = posse_submit(pool, telling_task, NULL, 0, &future);
    ALLOW(status, ACCEPTED);
    if (status != POSSE_OK)
        return leave_pool(pool);
    while ((status = posse_next_message(future, -1, &number, sizeof number, NULL)) == POSSE_OK) {
        REQUIRE(number >= next && number < MESSAGES);
        next = number + 1;
    }
    ALLOW(status, ENDED | AS(POSSE_END) | AS(POSSE_SYSTEM));
    REQUIRE(posse_progress(future, &done, &total) == POSSE_OK);
    REQUIRE(total == 0 || total == MESSAGES);
    status = posse_result(future, -1, NULL, NULL);
    ALLOW(status, ENDED | AS(POSSE_WORKER_LOST));
    REQUIRE(posse_release(future) == POSSE_OK);
    return leave_pool(pool);
}

/* The bar is a matter of the program alone. */
static int bar(void)
{
    int ends[2];
    posse_future future;
    posse_progress_bar *shown;
    REQUIRE(pipe(ends) == 0);
    posse_progress_bar_options options = {.struct_size = sizeof options, .fd = ends[1]};
    posse_executor *pool = open_pool(1);
    REQUIRE(pool != NULL);
    fault_begin();
    posse_status status = posse_submit(pool, square_task, &(long){3}, sizeof(long), &future);
    ALLOW(status, ACCEPTED);
    if (status == POSSE_OK) {
        status = posse_progress_bar_open(&options, &shown);
        ALLOW(status, AS(POSSE_OK) | AS(POSSE_NO_MEMORY));
        if (status == POSSE_OK)
            ALLOW(posse_progress_wait(shown, &future, 1, -1), ENDED | AS(POSSE_SYSTEM));
        posse_progress_bar_close(shown);
        REQUIRE(posse_release(future) == POSSE_OK);
    }
    REQUIRE(close(ends[0]) == 0 && close(ends[1]) == 0);
    return leave_pool(pool);
}

/* With and without later workers. A worker that has no memory for it at its start fails there. */
static int broadcasts(void)
{
    posse_status statuses[4];
    posse_broadcast_job job = {.struct_size = sizeof job,
                               .fn = echo_task,
                               .arg = large,
                               .size = sizeof large,
                               .statuses = statuses,
                               .capacity = COUNT(statuses)};
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL);
    fault_begin();
    for (int i = 0; i < 3; i++) {
        size_t n;
        job.also_later = i % 2;
        posse_status status = posse_broadcast(pool, &job, &n);
        ALLOW(status, ACCEPTED | AS(POSSE_TASK_FAILED) | AS(POSSE_WORKER_LOST));
        REQUIRE(n <= COUNT(statuses));
    }
    job = (posse_broadcast_job){.struct_size = sizeof job, .also_later = 1};
    ALLOW(posse_broadcast(pool, &job, NULL), ACCEPTED);
    return leave_pool(pool);
}

/* Tasks of a group, of which two run at a time. */
static int groups(void)
{
    posse_group *group;
    posse_group_options options = {.struct_size = sizeof options, .max_running = 2};
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL);
    fault_begin();
    posse_status status = posse_group_create(pool, &options, &group);
    ALLOW(status, ACCEPTED);
    if (status == POSSE_OK) {
        posse_job job = {.struct_size = sizeof job,
                         .fn = echo_task,
                         .arg = large,
                         .size = sizeof large / 100,
                         .group = group};
        for (int i = 0; i < 12; i++)
            ALLOW(posse_submit_with(pool, &job, NULL), ACCEPTED);
        ALLOW(posse_group_wait(group, -1), ENDED | AS(POSSE_TASK_FAILED) | AS(POSSE_WORKER_LOST));
        REQUIRE(posse_group_destroy(group) == POSSE_OK);
    }
    return leave_pool(pool);
}

TEST(small_tasks, PARALLEL_FORKED) { sweep_all("small task", one_small); }
TEST(large_arguments_and_results, FORKED) { sweep_all("large task", one_large); }
TEST(tables_grow, FORKED) { sweep_all("many tasks", many_at_once); }
TEST(tables_grow_in_one_call, FORKED) { sweep_all("many in one call", many_in_one_call); }
TEST(locks_queues_memory, FORKED) { sweep_all("shared things", shared_things); }
TEST(broadcasts_end, FORKED) { sweep_all("broadcasts", broadcasts); }
TEST(groups_end, FORKED) { sweep_all("groups", groups); }
TEST(shutdown, PROCESSES) { sweep_all("shutdown", shut_down); }
TEST(descriptors_are_passed, FORKED) { sweep_all("descriptors", descriptors); }
TEST(progress_and_messages, FORKED) { sweep_all("telling", telling); }
TEST(progress_bar, FORKED) { sweep_all("bar", bar); }
