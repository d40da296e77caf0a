/* act_listeners.c - callers wait for many tasks, in as_completed, by a descriptor, by callbacks;
 * and tasks do so for tasks of their own.
 *
 * Each future must come once to everyone, and no later than it must: all look at everything once a
 * second by themselves, so whoever comes only then was not told.
 */
#include "points.h"

#include <poll.h>
#include <string.h>

#define WORKERS 2
#define TASKS 5 /* besides those at the gate */
#define MOST (TASKS + WORKERS)
#define LONG_MS 20000 /* after that a listener gives up */

struct play {
    posse_executor *pool;
    size_t n;
    posse_future futures[MOST];
    posse_completion_iter *completed;
    posse_completion_queue *completions;
    int yielded[MOST], taken[MOST]; /* how often each came to whom */
    struct caller callers[2];
};

/* ---- a task that waits for many ---- */

static int inner_task(posse_task *task, const void *arg, size_t size)
{
    posse_future inner[3], future;
    posse_completion_iter *completed;
    long sum = 0, value;
    int given = 0;
    for (long i = 0; i < 3; i++)
        if (posse_submit(posse_task_executor(task), square_task, &i, sizeof i, &inner[i]) !=
            POSSE_OK)
            return INNER_FAILED;
    if (posse_as_completed(inner, 3, LONG_MS, &completed) != POSSE_OK)
        return INNER_FAILED;
    for (; posse_completion_iter_next(completed, &future, NULL) == POSSE_OK; given++) {
        if (posse_result_into(future, 0, &value, sizeof value, NULL) == POSSE_OK)
            sum += value;
        posse_release(future);
    }
    posse_completion_iter_close(completed);
    return given == 3 ? return_long(task, sum) : GAVE_UP;
}

/* ---- listeners ---- */

static posse_status iterate(void *context)
{
    struct play *play = context;
    posse_future future;
    posse_status status;
    size_t index = 0;
    while ((status = posse_completion_iter_next(play->completed, &future, &index)) == POSSE_OK)
        play->yielded[index]++;
    return status;
}

static posse_status poll_all(void *context)
{
    struct play *play = context;
    struct pollfd fd = {.fd = posse_completion_queue_fd(play->completions), .events = POLLIN};
    posse_completion taken[MOST];
    for (size_t all = 0; all < play->n;) {
        if (poll(&fd, 1, LONG_MS) != 1)
            return POSSE_TIMEOUT;
        size_t n = posse_completion_queue_take(play->completions, taken, MOST);
        for (size_t i = 0; i < n; i++)
            play->taken[*(size_t *)taken[i].context]++;
        all += n;
    }
    return POSSE_OK;
}

/* ---- one play ---- */

static int count_arrived(const struct play *play, struct gate *gate)
{
    int arrived = atomic_load(&gate->entered);
    for (size_t i = 0; i < WORKERS; i++)
        arrived += posse_done(play->futures[i]);
    return arrived;
}

static void submit_all(struct play *play, struct gate *gate)
{
    static const char large[3000] = "large";
    play->n = WORKERS + TASKS;
    for (size_t i = 0; i < WORKERS; i++)
        play->futures[i] = submitted_hold(play->pool, gate);
    assert_eventually(count_arrived(play, gate) >= (int)WORKERS);
    posse_future *rest = play->futures + WORKERS;
    rest[0] = submitted_long(play->pool, square_task, 3);
    rest[1] = submitted(play->pool, inner_task, NULL, 0);
    rest[2] = submitted(play->pool, echo_task, large, sizeof large);
    rest[3] = submitted_long(play->pool, message_task, 4);
    rest[4] = submitted_long(play->pool, square_task, 5);
}

static void start_listeners(struct play *play)
{
    static size_t numbers[MOST];
    assert_ok(posse_as_completed(play->futures, play->n, LONG_MS, &play->completed));
    assert_ok(posse_completion_queue_create(&play->completions));
    for (size_t i = 0; i < play->n; i++) {
        numbers[i] = i;
        assert_ok(posse_completion_queue_add(play->completions, play->futures[i], &numbers[i]));
    }
    start_call(&play->callers[0], iterate, play);
    start_call(&play->callers[1], poll_all, play);
    (void)comes_to_park(&play->callers[0]);
    (void)comes_to_park(&play->callers[1]);
}

/* How many tasks were lost; the inner one also if it has lost a task of its own. */
static int check_ends(struct play *play)
{
    int lost = 0;
    for (size_t i = 0; i < play->n; i++) {
        assert_int_equal(play->yielded[i], 1);
        assert_int_equal(play->taken[i], 1);
        posse_error error = error_of(play->futures[i]);
        bool expected = error.status == (i == WORKERS + 3 ? POSSE_TASK_FAILED : POSSE_OK);
        assert_true(expected || error.status == POSSE_WORKER_LOST);
        lost += !expected;
        long sum = 0;
        if (i == WORKERS + 1 && expected) {
            assert_ok(posse_result_into(play->futures[i], 0, &sum, sizeof sum, NULL));
            lost += sum != 0 + 1 + 4;
        }
        assert_ok(posse_release(play->futures[i]));
    }
    return lost;
}

static int play(posse_executor *pool, int deaths)
{
    static struct play play;
    memset(&play, 0, sizeof play);
    play.pool = pool;
    struct gate *gate = make_gate(pool);
    submit_all(&play, gate);
    start_listeners(&play);
    open_gate(gate);
    assert_status(end_call(&play.callers[0]), POSSE_END);
    assert_ok(end_call(&play.callers[1]));
    posse_completion_iter_close(play.completed);
    posse_completion_queue_destroy(play.completions);
    int lost = check_ends(&play);
    assert_eventually(stats_of(pool).futures == 0);
    free_gate(pool, gate);
    return lost;
}

const struct act act_listeners = {.name = "listeners", .play = play};
