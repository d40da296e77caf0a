/* act_feed.c - tasks that say how far they are and send messages, to the program and to each other.
 * What is shown is whole, and in order; the program sleeps until a message comes, or the end.
 */
#include "points.h"

#include <poll.h>
#include <posse_progress.h>

#define MESSAGES 12
#define ROOM 128 /* bytes: for five messages */

struct told {
    long number, twice;
};

static int telling_task(posse_task *task, const void *arg, size_t size)
{
    long n = size ? *(const long *)arg : MESSAGES;
    for (long i = 0; i < n; i++) {
        struct told told = {i, 2 * i};
        posse_task_progress(task, (uint64_t)i, (uint64_t)(2 * i));
        if (posse_task_emit_wait(task, &told, sizeof told, -1) != POSSE_OK)
            return WRONG_ARG;
        if (size && i == 1)
            pause_ms(1);
    }
    return 0;
}

/* How many messages came until the task's end; -1: one of them is wrong. */
static long hear(posse_future future)
{
    struct told told;
    size_t size;
    long n = 0;
    posse_status status;
    while ((status = posse_next_message(future, -1, &told, sizeof told, &size)) == POSSE_OK)
        if (size != sizeof told || told.number != n++ || told.twice != 2 * told.number)
            return -1;
    return status == POSSE_END ? n : -1;
}

/* The same, as an event loop does. */
static long listen_to(posse_future future)
{
    struct told told;
    size_t size;
    long n = 0;
    posse_completion taken;
    posse_completion_queue *queue = NULL;
    posse_status status = posse_completion_queue_create(&queue);
    while (status == POSSE_OK &&
           (status = posse_completion_queue_listen(queue, future, NULL)) == POSSE_OK) {
        struct pollfd fd = {.fd = posse_completion_queue_fd(queue), .events = POLLIN};
        while (posse_completion_queue_take(queue, &taken, 1) == 0)
            (void)poll(&fd, 1, 1000);
        while ((status = posse_next_message(future, 0, &told, sizeof told, &size)) == POSSE_OK)
            if (told.number != n++)
                status = POSSE_BROKEN;
        status = status == POSSE_TIMEOUT ? POSSE_OK : status;
    }
    posse_completion_queue_destroy(queue);
    return status == POSSE_END ? n : -1;
}

/* It sleeps between the messages of a task that another worker runs. */
static int hearing_task(posse_task *task, const void *arg, size_t size)
{
    posse_future inner;
    long n = 8; /* more than there is room for */
    if (posse_submit(posse_task_executor(task), telling_task, &n, sizeof n, &inner) != POSSE_OK)
        return INNER_FAILED;
    for (long end = now_ms() + PATIENCE_MS; !posse_running(inner) && !posse_done(inner);)
        if (now_ms() > end)
            return GAVE_UP;
        else
            pause_ms(1);
    long heard = hear(inner);
    bool lost = posse_result(inner, -1, NULL, NULL) != POSSE_OK;
    return posse_release(inner) == POSSE_OK && !lost && heard == n ? 0 : INNER_FAILED;
}

/* Whether it was lost. */
static int heard_out(posse_future future, long (*listen)(posse_future))
{
    uint64_t done, total;
    long heard = listen(future);
    assert_in_range(heard, 0, MESSAGES);
    assert_ok(posse_progress(future, &done, &total));
    assert_int_equal(total, 2 * done);
    posse_error error = take_either(future);
    assert_true(error.status != POSSE_OK || (heard == MESSAGES && done == MESSAGES - 1));
    return error.status != POSSE_OK;
}

/* Whether it was lost, or the task that it waited for. */
static int ended(posse_future future)
{
    posse_error error = error_of(future);
    assert_true(error.status == POSSE_OK || error.status == POSSE_WORKER_LOST ||
                error.code == INNER_FAILED);
    assert_ok(posse_release(future));
    return error.status != POSSE_OK;
}

static int play(posse_executor *pool, int deaths)
{
    posse_future plain = submitted(pool, telling_task, NULL, 0);
    posse_future named = submitted_job(pool, (posse_job){.fn = telling_task, .name = "named"});
    posse_future hearing = submitted(pool, hearing_task, NULL, 0);
    posse_future again = submitted_job(
        pool,
        (posse_job){.fn = square_task, .arg = &(long){3}, .size = sizeof(long), .retries = 2});
    int lost = heard_out(plain, hear) + heard_out(named, listen_to) + ended(hearing);
    assert_int_equal(take_long(again), 9);
    return lost;
}

static void small(posse_options *options) { options->message_memory = ROOM; }

const struct act act_feed = {.name = "feed", .set = small, .play = play, .costs = 2};
