/* map_block.c - functions that take a block of items, and what a map refuses. */
#include "support/maps.h"

#include <limits.h>
#include <string.h>

enum { N = 20 };

struct pair {
    int a;
    long in;
};

/* in -> first + in, if the block is as it should be. The second input is the item's number. */
static int sum_block(posse_task *task, const posse_block *block)
{
    long fail = -1;
    for (size_t i = 0; i < block->count; i++) {
        long in = *(const long *)(block->inputs[0] + i * block->strides[0]);
        short number = *(const short *)(block->inputs[1] + i * block->strides[1]);
        if (number != (short)(block->first + i))
            return WRONG_ARG;
        if (in < 0)
            fail = in;
        *(long *)(block->results + i * block->result_stride) = (long)block->first + in;
    }
    return fail == -1 ? 0 : posse_task_fail(task, (int)-fail, "block at %zu", block->first);
}

struct block_stage {
    struct pair pairs[N];
    short numbers[N];
    struct pair results[N];
    posse_input inputs[2];
    posse_map_job job;
};

static void make_blocks(struct block_stage *stage, long chunksize)
{
    memset(stage, 0x11, sizeof *stage);
    for (int i = 0; i < N; i++) {
        stage->pairs[i].in = 100 * i;
        stage->numbers[i] = (short)i;
    }
    stage->inputs[0] = (posse_input){&stage->pairs->in, sizeof(long), sizeof(struct pair)};
    stage->inputs[1] = (posse_input){stage->numbers, sizeof(short), 0};
    stage->job = map_job(NULL, stage->inputs, 2, N);
    stage->job.block_fn = sum_block;
    stage->job.results = &stage->results->in;
    stage->job.result_stride = sizeof(struct pair);
    stage->job.chunksize = chunksize;
}

POOL_TEST(blocks, ALL, 2)
{
    for (long chunksize = 1; chunksize < N + 3; chunksize++) {
        struct block_stage stage;
        make_blocks(&stage, chunksize);
        assert_ok(posse_map(pool, &stage.job, NULL));
        for (long i = 0; i < N; i++) {
            assert_int_equal(stage.results[i].in, i / chunksize * chunksize + 100 * i);
            assert_int_equal(stage.results[i].a, 0x11111111);
        }
    }
}

/* In shared memory, in place, and with results that the pool keeps. */
POOL_TEST(blocks_in_place, ALL, 2)
{
    void *memory;
    assert_ok(posse_alloc(pool, sizeof(struct block_stage), &memory));
    struct block_stage *stage = memory;
    make_blocks(stage, 4);
    assert_ok(posse_map(pool, &stage->job, NULL));
    for (long i = 0; i < N; i++) {
        assert_int_equal(stage->results[i].in, i / 4 * 4 + 100 * i);
        assert_int_equal(stage->results[i].a, 0x11111111);
    }
    stage->job.results = NULL;
    posse_map_iter *map = open_map(pool, stage->job);
    for (long i = 0; i < N; i++)
        assert_int_equal(next_value(map), i / 4 * 4 + 100 * i);
    assert_map_ends(map);
    assert_ok(posse_free(pool, memory));
}

/* A block's failure is that of all its items, and the others have their results. */
POOL_TEST(block_fails, ALL, 2)
{
    for (int own_results = 0; own_results < 2; own_results++) {
        struct block_stage stage;
        posse_status statuses[N];
        posse_error error = {.struct_size = sizeof error};
        make_blocks(&stage, 4);
        stage.pairs[9].in = -77;
        stage.job.results = own_results ? stage.job.results : NULL;
        assert_status(posse_map(pool, &stage.job, statuses), POSSE_TASK_FAILED);
        posse_map_iter *map = open_map(pool, stage.job);
        for (size_t i = 0; i < N; i++) {
            posse_item item = next_item(map);
            bool failed = i / 4 == 2;
            assert_status(statuses[i], failed ? POSSE_TASK_FAILED : POSSE_OK);
            assert_status(item.status, statuses[i]);
            assert_ok(posse_map_exception(map, &error));
            assert_int_equal(error.code, failed ? 77 : 0);
            assert_string_equal(error.message, failed ? "block at 8" : "");
        }
        assert_map_ends(map);
    }
}

/* Fails first, and writes its results then: into memory that is still its own. */
static int fails_early(posse_task *task, const posse_block *block)
{
    posse_executor *pool = posse_task_executor(task);
    void *other;
    int code = posse_task_fail(task, 3, "early");
    size_t size = block->count * block->result_stride;
    if (posse_alloc(pool, size, &other) != POSSE_OK)
        return GAVE_UP;
    memset(other, 1, size);
    memset(block->results, 2, size);
    bool alone = *(char *)other == 1 && block->results != other;
    (void)posse_free(pool, other);
    return posse_task_fail(task, alone ? code : WRONG_ARG, "late");
}

POOL_TEST(block_goes_on_after_its_failure, ALL, 1)
{
    posse_map_job job = map_job(NULL, NULL, 0, 10);
    posse_error error = {.struct_size = sizeof error};
    job.block_fn = fails_early;
    job.result_size = 1000;
    job.chunksize = 10;
    posse_map_iter *map = open_map(pool, job);
    for (int i = 0; i < 10; i++) {
        assert_status(next_item(map).status, POSSE_TASK_FAILED);
        assert_ok(posse_map_exception(map, &error));
        assert_int_equal(error.code, 3);
        assert_string_equal(error.message, "late");
    }
    assert_map_ends(map);
}

static int returning_block(posse_task *task, const posse_block *block)
{
    long *result = (long *)(void *)block->results;
    *result = posse_task_return(task, "no", 2);
    return posse_task_reserve(task, 100) == NULL ? 0 : WRONG_ARG;
}

/* The functions of a map write their results to where they are told. */
TEST(return_in_a_map, ALL)
{
    struct stage stage;
    make_stage(&stage, 1);
    stage.orders[0].deed = RETURN;
    stage.job.count = 1;
    posse_map_iter *map = open_map(stage.pool, stage.job);
    assert_int_equal(next_value(map), POSSE_INVALID);
    assert_map_ends(map);
    stage.job.fn = NULL;
    stage.job.block_fn = returning_block;
    map = open_map(stage.pool, stage.job);
    assert_int_equal(next_value(map), POSSE_INVALID);
    assert_map_ends(map);
    end_stage(&stage);
}

/* ---- what is refused ------------------------------------------------------------------------- */

struct refusal {
    posse_status status;
    void (*spoil)(posse_map_job *job, posse_input *input);
    const char *words; /* that posse_last_error then says */
};

#define SPOIL(name, change)                                                                        \
    static void name(posse_map_job *job, posse_input *input)                                       \
    {                                                                                              \
        (void)job;                                                                                 \
        (void)input;                                                                               \
        change;                                                                                    \
    }

SPOIL(wrong_size, job->struct_size = 8)
SPOIL(no_function, job->fn = NULL)
SPOIL(two_functions, job->block_fn = sum_block)
SPOIL(negative_chunksize, job->chunksize = -1)
SPOIL(negative_buffersize, job->buffersize = LONG_MIN)
SPOIL(negative_timeout, job->timeout_ms = -1)
SPOIL(negative_item_timeout, job->item_timeout_ms = -1)
SPOIL(unknown_priority, job->priority = 2)
SPOIL(long_item_timeout, job->item_timeout_ms = (long)UINT32_MAX + 1)
SPOIL(no_inputs, job->inputs = NULL)
SPOIL(many_inputs, job->n_inputs = POSSE_MAX_INPUTS + 1)
SPOIL(no_data, input->data = NULL)
SPOIL(no_size, input->size = 0)
SPOIL(huge_input, input->size = SIZE_MAX)
SPOIL(huge_stride, input->stride = SIZE_MAX)
SPOIL(huge_count, job->count = SIZE_MAX)
SPOIL(results_of_no_size, job->result_size = 0)
SPOIL(huge_results, job->result_size = SIZE_MAX; job->results = NULL)
SPOIL(results_that_overlap, job->result_stride = sizeof(long) - 1)
SPOIL(huge_result_stride, job->result_stride = SIZE_MAX)
SPOIL(results_of_a_source, job->source = give_numbers)
SPOIL(huge_chunk, job->results = NULL; job->result_size = (size_t)3 << 30; job->chunksize = 2)

POOL_TEST(bad_arguments, ALL, 1)
{
    static const struct refusal refusals[] = {
        {POSSE_INVALID, wrong_size, "struct_size"},
        {POSSE_INVALID, no_function, "fn"},
        {POSSE_INVALID, two_functions, "block_fn"},
        {POSSE_INVALID, negative_chunksize, "chunksize"},
        {POSSE_INVALID, negative_buffersize, "buffersize"},
        {POSSE_INVALID, negative_timeout, "timeout_ms"},
        {POSSE_INVALID, negative_item_timeout, "item_timeout_ms"},
        {POSSE_INVALID, unknown_priority, "priority"},
        {POSSE_TOO_LARGE, long_item_timeout, "item_timeout_ms"},
        {POSSE_INVALID, no_inputs, "inputs"},
        {POSSE_TOO_LARGE, many_inputs, "n_inputs"},
        {POSSE_INVALID, no_data, "data of an input"},
        {POSSE_INVALID, no_size, "size of an input"},
        {POSSE_TOO_LARGE, huge_input, "an input"},
        {POSSE_TOO_LARGE, huge_stride, "an input"},
        {POSSE_TOO_LARGE, huge_count, ""},
        {POSSE_INVALID, results_of_no_size, "result_size"},
        {POSSE_TOO_LARGE, huge_results, "the results"},
        {POSSE_INVALID, results_that_overlap, "result_stride"},
        {POSSE_TOO_LARGE, huge_result_stride, "the results"},
        {POSSE_INVALID, results_of_a_source, "source"},
        {POSSE_TOO_LARGE, huge_chunk, "chunk"},
    };
    long longs[3] = {1, 2, 3};
    long results[3] = {0};
    posse_status statuses[3] = {POSSE_FULL, POSSE_FULL, POSSE_FULL};
    for (size_t i = 0; i < COUNT(refusals); i++) {
        posse_map_iter *map = NULL;
        posse_input input = {.data = longs, .size = sizeof(long)};
        posse_map_job job = map_job(square_item, &input, 1, 3);
        job.results = results;
        refusals[i].spoil(&job, &input);
        assert_int_equal(posse_map(pool, &job, statuses), refusals[i].status);
        assert_non_null(strstr(posse_last_error(), refusals[i].words));
        assert_status(posse_release((posse_future){0}), POSSE_INVALID); /* has words of its own */
        assert_int_equal(posse_map_open(pool, &job, &map), refusals[i].status);
        assert_non_null(strstr(posse_last_error(), refusals[i].words));
        assert_null(map);
        assert_true(statuses[0] != POSSE_OK && results[0] == 0);
        assert_int_equal(stats_of(pool).done, 0);
    }
}

POOL_TEST(no_arguments, ALL, 1)
{
    long longs[1] = {3};
    posse_input input = {.data = longs, .size = sizeof(long)};
    posse_map_job job = map_job(square_item, &input, 1, 1);
    posse_map_iter *map = NULL;
    posse_item item = {.struct_size = sizeof item};
    struct numbers numbers = {.n_inputs = 1};
    assert_status(posse_map(NULL, &job, NULL), POSSE_INVALID);
    assert_status(posse_map(pool, NULL, NULL), POSSE_INVALID);
    assert_status(posse_map_open(NULL, &job, &map), POSSE_INVALID);
    assert_status(posse_map_open(pool, NULL, &map), POSSE_INVALID);
    assert_status(posse_map_open(pool, &job, NULL), POSSE_INVALID);
    assert_null(map);
    assert_status(posse_map_next(NULL, &item), POSSE_INVALID);
    assert_status(posse_map_exception(NULL, &(posse_error){.struct_size = sizeof(posse_error)}),
                  POSSE_INVALID);
    map = open_map(pool, job);
    assert_status(posse_map_next(map, NULL), POSSE_INVALID);
    assert_status(posse_map_exception(map, &(posse_error){.struct_size = sizeof(posse_error)}),
                  POSSE_INVALID);
    assert_int_equal(next_value(map), 9);
    assert_status(posse_map_exception(map, NULL), POSSE_INVALID);
    assert_map_ends(map);
    job = source_job(&numbers, &input);
    assert_status(posse_map(pool, &job, NULL), POSSE_INVALID);
    assert_int_equal(numbers.calls, 0);
}
