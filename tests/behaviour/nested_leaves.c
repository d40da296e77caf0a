/* nested_leaves.c - a task that ends its thread, on the stack of one that waits for it: both are
 * lost, and what the other had begun is undone. */
#include "support/maps.h"
#include "support/support.h"

static int leave_task(posse_task *task, const void *arg, size_t size) { pthread_exit(NULL); }

static int leave_item(posse_task *task, const void *const *items, void *result)
{
    pthread_exit(NULL);
}

enum way { RESULT, WAIT, NEXT, MAP, UNORDERED_MAP, WAYS };

static posse_completion_iter *completed; /* that nobody closes but the test */

static posse_status wait_in(enum way way, posse_executor *pool)
{
    posse_future future;
    long numbers[8] = {0};
    posse_input input = {.data = numbers, .size = sizeof *numbers};
    posse_map_job job = map_job(leave_item, &input, 1, COUNT(numbers));
    job.chunksize = 2;
    job.unordered = way == UNORDERED_MAP;
    if (way == MAP || way == UNORDERED_MAP)
        return posse_map(pool, &job, NULL);
    posse_status status = posse_submit(pool, leave_task, NULL, 0, &future);
    if (status == POSSE_OK && way == RESULT) {
        status = posse_result(future, -1, NULL, NULL);
    } else if (status == POSSE_OK && way == WAIT) {
        status = posse_wait(&future, 1, POSSE_ALL_COMPLETED, -1, NULL, NULL);
    } else if (status == POSSE_OK) {
        status = posse_as_completed(&future, 1, -1, &completed);
        status = status == POSSE_OK ? posse_completion_iter_next(completed, &future, NULL) : status;
    }
    return status;
}

static int waiting_task(posse_task *task, const void *arg, size_t size)
{
    return (int)wait_in(*(const enum way *)arg, posse_task_executor(task));
}

TEST(lost_with_the_inner_task, THREADS)
{
    for (enum way way = RESULT; way < WAYS; way++) {
        posse_executor *pool = make_pool(1);
        take_error(SUBMIT_VALUE(pool, waiting_task, way), POSSE_WORKER_LOST);
        assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
        assert_ok(posse_shutdown(pool, 0, -1));
        assert_ok(posse_destroy(pool)); /* waits for those who are inside */
        posse_completion_iter_close(completed);
        completed = NULL;
    }
}
