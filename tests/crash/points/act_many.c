/* act_many.c - maps, by the program and by a task, callbacks, and growth: more tasks and blocks
 * than there was memory for, which a task brings.
 */
#include "points.h"

#include <string.h>

/* ---- maps ---- */

#define ITEMS 24
#define CHUNK 4

static int square_item(posse_task *task, const void *const *items, void *result)
{
    long n = *(const long *)items[0], square = n * n;
    memcpy(result, &square, sizeof square);
    return n % 7 == 3 ? posse_task_fail(task, 3, "three") : 0;
}

struct sums {
    long right, lost, wrong;
};

/* Maps ITEMS numbers; false: it could not. */
static bool map_squares(posse_executor *pool, bool unordered, struct sums *sums)
{
    static const long zero;
    long numbers[ITEMS];
    posse_input input = {numbers, sizeof zero, 0};
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = square_item,
                         .inputs = &input,
                         .n_inputs = 1,
                         .count = ITEMS,
                         .result_size = sizeof zero,
                         .chunksize = CHUNK,
                         .buffersize = 3 * CHUNK,
                         .unordered = unordered};
    posse_map_iter *mapping = NULL;
    posse_item item = {.struct_size = sizeof item};
    for (long i = 0; i < ITEMS; i++)
        numbers[i] = i;
    if (posse_map_open(pool, &job, &mapping) != POSSE_OK)
        return false;
    while (posse_map_next(mapping, &item) == POSSE_OK) {
        long i = (long)item.index, value = 0;
        bool fails = i % 7 == 3;
        if (item.result)
            memcpy(&value, item.result, sizeof value);
        sums->lost += item.status == POSSE_WORKER_LOST;
        bool right =
            fails ? item.status == POSSE_TASK_FAILED : item.status == POSSE_OK && value == i * i;
        sums->right += right;
        sums->wrong += !right && item.status != POSSE_WORKER_LOST;
    }
    return posse_map_close(mapping) == POSSE_OK;
}

static int mapping_task(posse_task *task, const void *arg, size_t size)
{
    struct sums sums = {0};
    if (!map_squares(posse_task_executor(task), false, &sums) || sums.wrong)
        return INNER_FAILED;
    return return_long(task, sums.right + sums.lost == ITEMS ? sums.lost : -1);
}

/* Items are lost by chunks; those of the task's own map too. */
static int play_map(posse_executor *pool, int deaths)
{
    struct sums sums = {0};
    posse_future outer = submitted(pool, mapping_task, NULL, 0);
    assert_true(map_squares(pool, false, &sums));
    assert_true(map_squares(pool, true, &sums));
    assert_int_equal(sums.right + sums.lost, 2 * ITEMS);
    assert_int_equal(sums.wrong, 0);
    assert_int_equal(sums.lost % CHUNK, 0);
    posse_error error = error_of(outer);
    long inner = 0;
    assert_true(error.status == POSSE_OK || error.status == POSSE_WORKER_LOST);
    if (error.status == POSSE_OK) {
        assert_ok(posse_result_into(outer, 0, &inner, sizeof inner, NULL));
        assert_in_range(inner, 0, ITEMS);
    }
    assert_ok(posse_release(outer));
    return (int)(sums.lost + inner) / CHUNK + (error.status != POSSE_OK);
}

/* ---- callbacks ---- */

#define CALLS 6

struct calls {
    _Atomic int of[CALLS];
    _Atomic int all;
};

struct call {
    struct calls *calls;
    int number;
};

static int on_done(posse_future future, void *context)
{
    struct call *call = context;
    atomic_fetch_add(&call->calls->of[call->number], 1);
    atomic_fetch_add(&call->calls->all, 1);
    return 0;
}

/* Each is called once, in time, whatever became of its future. */
static int play_calls(posse_executor *pool, int deaths)
{
    struct calls calls = {.all = 0};
    struct call contexts[CALLS];
    posse_future futures[CALLS];
    int lost = 0;
    struct gate *gate = make_gate(pool);
    for (int i = 0; i < CALLS; i++) {
        contexts[i] = (struct call){&calls, i};
        futures[i] = i < 2 ? submitted_hold(pool, gate) : submitted_long(pool, fib_task, i);
        assert_ok(posse_add_done_callback(futures[i], on_done, &contexts[i]));
    }
    open_gate(gate);
    assert_eventually(atomic_load(&calls.all) == CALLS);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(atomic_load(&calls.of[i]), 1);
        posse_status status = error_of(futures[i]).status;
        assert_true(status == POSSE_OK || status == POSSE_WORKER_LOST ||
                    status == POSSE_TASK_FAILED);
        lost += status != POSSE_OK;
        assert_ok(posse_release(futures[i]));
    }
    free_gate(pool, gate);
    return lost;
}

/* ---- growth ---- */

#define CROWD 700 /* more than there are slots at first, and cells in the first ring */
#define LARGE ((size_t)3 << 20)
#define HUGE (((size_t)64 << 20) + 1) /* its memory goes back when it is freed */

static bool use_large_blocks(posse_executor *pool)
{
    void *memory[3];
    static const size_t sizes[] = {LARGE, LARGE, HUGE};
    bool good = true;
    for (int i = 0; i < 3; i++)
        good = good && posse_alloc(pool, sizes[i], &memory[i]) == POSSE_OK;
    for (int i = 0; i < 3; i++)
        good = good && posse_free(pool, memory[i]) == POSSE_OK;
    return good;
}

static int crowd_task(posse_task *task, const void *arg, size_t size)
{
    posse_executor *pool = posse_task_executor(task);
    posse_future *futures = posse_task_reserve(task, CROWD * sizeof *futures);
    bool good = futures != NULL;
    for (int i = 0; good && i < CROWD; i++)
        good = posse_submit(pool, count_task, arg, size, &futures[i]) == POSSE_OK;
    good = good && use_large_blocks(pool);
    for (int i = 0; good && i < CROWD; i++) {
        posse_status status = posse_result(futures[i], -1, NULL, NULL);
        good = (status == POSSE_OK || status == POSSE_WORKER_LOST) &&
               posse_release(futures[i]) == POSSE_OK;
    }
    return good ? return_long(task, 1) : GAVE_UP;
}

static int play_growth(posse_executor *pool, int deaths)
{
    _Atomic long *counter = make_counter(pool);
    posse_error error = take_either(SUBMIT_VALUE(pool, crowd_task, counter));
    assert_eventually(stats_of(pool).futures == 0);
    long counted = atomic_load(counter);
    assert_in_range(counted, error.status == POSSE_OK ? CROWD - deaths : 0, CROWD);
    assert_ok(posse_free(pool, (void *)counter));
    return error.status != POSSE_OK;
}

const struct act act_map = {.name = "maps", .play = play_map, .costs = 2};
const struct act act_calls = {.name = "callbacks", .play = play_calls, .costs = 2};
const struct act act_growth = {.name = "growth", .play = play_growth};
