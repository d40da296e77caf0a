/* last_error.c - posse_last_error: which argument was wrong, thread by thread. */
#include "support/support.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>

#define assert_words(expected) assert_string_equal(posse_last_error(), expected)

static void assert_refused(posse_options options, posse_status status, const char *words)
{
    posse_executor *pool = NULL;
    assert_status(posse_create(&options, &pool), status);
    assert_words(words);
}

TEST(options, ALL)
{
    posse_options options = OPTIONS(2, .min_workers = 3);
    assert_refused(options, POSSE_INVALID, "options.min_workers is over options.max_workers");
    options.min_workers = -1;
    assert_refused(options, POSSE_INVALID, "options.min_workers is negative");
    options.min_workers = 0;
    options.retries = 256;
    assert_refused(options, POSSE_TOO_LARGE, "options.retries is over 255");
    options.struct_size = 0;
    assert_refused(options, POSSE_INVALID, "struct_size is not the size of the struct");
}

POOL_TEST(job, PARALLEL, 1)
{
    posse_job job = {.struct_size = sizeof job, .fn = square_task, .flags = 8};
    assert_status(posse_submit_with(pool, &job, NULL), POSSE_INVALID);
    assert_words("job.flags has an unknown bit");
    assert_status(posse_submit(pool, NULL, NULL, 0, NULL), POSSE_INVALID);
    assert_words("fn is NULL");
    assert_status(posse_resize(pool, 0), POSSE_INVALID);
    assert_words("max_workers is under 1");
}

/* By the names that the arguments have in posse.h. */
TEST(arguments_that_are_null, ALL)
{
    posse_map_job job = {.struct_size = sizeof job};
    posse_future none = {0};
    assert_status(posse_create(NULL, NULL), POSSE_INVALID);
    assert_words("executor is NULL");
    assert_status(posse_as_completed(NULL, 0, -1, NULL), POSSE_INVALID);
    assert_words("iter is NULL");
    assert_status(posse_completion_iter_next(NULL, &none, NULL), POSSE_INVALID);
    assert_words("iter is NULL");
    assert_status(posse_map_open(NULL, &job, NULL), POSSE_INVALID);
    assert_words("iter is NULL");
    assert_status(posse_completion_queue_create(NULL), POSSE_INVALID);
    assert_words("queue is NULL");
    assert_status(posse_completion_queue_add(NULL, none, NULL), POSSE_INVALID);
    assert_words("queue is NULL");
}

static posse_status sees_its_own(void *context)
{
    if (posse_last_error()[0] != '\0')
        return POSSE_SYSTEM;
    posse_status status = posse_resize(NULL, 1);
    return strcmp(posse_last_error(), "executor is NULL") == 0 ? status : POSSE_SYSTEM;
}

/* It stays until another call of this thread is refused. */
TEST(each_thread_has_its_own, ALL)
{
    struct caller caller;
    posse_executor *pool = make_pool(1);
    assert_status(posse_alloc(pool, 0, &(void *){NULL}), POSSE_INVALID);
    assert_words("size is 0");
    start_call(&caller, sees_its_own, NULL);
    assert_status(end_call(&caller), POSSE_INVALID);
    assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    assert_words("size is 0");
    end_pool(pool);
    assert_words("size is 0");
}

static int greedy_task(posse_task *task, const void *arg, size_t size)
{
    if (posse_task_reserve(task, SIZE_MAX) != NULL)
        return WRONG_ARG;
    return posse_task_fail(task, 1, "%s", posse_last_error());
}

POOL_TEST(in_a_task, ALL, 1)
{
    posse_error error = take_error(submitted(pool, greedy_task, NULL, 0), POSSE_TASK_FAILED);
    assert_string_equal(error.message, "size is over the largest block of shared memory");
}

/* errno tells of the system what the words do not. */
TEST(the_system, ALL)
{
#ifdef POSSE_TEST_VALGRIND
    skip(); /* it has a limit of descriptors of its own */
#endif
    struct rlimit before, none;
    posse_completion_queue *completions;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    posse_status status = posse_completion_queue_create(&completions);
    int error = errno;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_status(status, POSSE_SYSTEM);
    assert_int_equal(error, EMFILE);
    assert_null(completions);
    assert_words("the descriptor cannot be made");
}
