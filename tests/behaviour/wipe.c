/* wipe.c - options.wipe: what a task or the program gets to write in shows nothing of others. */
#include "support/support.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static const size_t sizes[] = {1, 8, 9, 32, 33, 64, 100, 5000, 70000, 1000000};

static posse_executor *make_wiping(long workers) { return POOL(workers, .wipe = true); }

static size_t count_bytes(const char *bytes, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += bytes[i] != 0;
    return count;
}

/* size_t * -> fills a result of that size, and tells how many bytes of it were not zero, as its
 * code. */
static int filling_task(posse_task *task, const void *arg, size_t size)
{
    size_t wanted;
    memcpy(&wanted, arg, sizeof wanted);
    char *result = posse_task_reserve(task, wanted);
    if (result == NULL || size != sizeof wanted)
        return WRONG_ARG;
    size_t count = count_bytes(result, wanted);
    memset(result, 's', wanted);
    return (int)count;
}

TEST(results, ALL)
{
    posse_executor *pool = make_wiping(1);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(sizes); i++) {
            posse_future future = SUBMIT_VALUE(pool, filling_task, sizes[i]);
            assert_ok(posse_result(future, -1, NULL, NULL));
            assert_ok(posse_release(future));
        }
    }
    end_pool(pool);
}

/* A result in the place of another of the same task. */
static int refilling_task(posse_task *task, const void *arg, size_t size)
{
    int code = filling_task(task, arg, size);
    return code != 0 ? code : filling_task(task, arg, size);
}

TEST(second_result, ALL)
{
    posse_executor *pool = make_wiping(1);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        posse_future future = SUBMIT_VALUE(pool, refilling_task, sizes[i]);
        assert_ok(posse_result(future, -1, NULL, NULL));
        assert_ok(posse_release(future));
    }
    end_pool(pool);
}

/* Arguments leave what they were where the next result may lie. */
TEST(arguments, ALL)
{
    static char secret[1000000];
    memset(secret, 's', sizeof secret);
    posse_executor *pool = make_wiping(1);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        take_error(submitted(pool, code_task, secret, sizes[i] < 8 ? 8 : sizes[i]),
                   POSSE_TASK_FAILED);
        assert_ok(posse_result(SUBMIT_VALUE(pool, filling_task, sizes[i]), -1, NULL, NULL));
    }
    assert_ok(posse_destroy(pool));
}

TEST(memory, ALL)
{
    posse_executor *pool = make_wiping(1);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(sizes); i++) {
            void *memory;
            assert_ok(posse_alloc(pool, sizes[i], &memory));
            assert_int_equal(count_bytes(memory, sizes[i]), 0);
            memset(memory, 's', sizes[i]);
            assert_ok(posse_free(pool, memory));
        }
    }
    end_pool(pool);
}

/* Dies with a result that it has written, and memory. */
static int dying_task(posse_task *task, const void *arg, size_t size)
{
    void *memory;
    size_t wanted;
    memcpy(&wanted, arg, sizeof wanted);
    if (filling_task(task, arg, size) == 0 &&
        posse_alloc(posse_task_executor(task), wanted, &memory) == POSSE_OK)
        memset(memory, 's', wanted);
    return raise(SIGKILL);
}

TEST(after_a_death, PROCESSES)
{
    posse_executor *pool = make_wiping(1);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        void *memory;
        take_error(SUBMIT_VALUE(pool, dying_task, sizes[i]), POSSE_WORKER_LOST);
        posse_future future = SUBMIT_VALUE(pool, filling_task, sizes[i]);
        assert_ok(posse_result(future, -1, NULL, NULL));
        assert_ok(posse_release(future));
        assert_ok(posse_alloc(pool, sizes[i], &memory));
        assert_int_equal(count_bytes(memory, sizes[i]), 0);
        assert_ok(posse_free(pool, memory));
    }
    end_pool(pool);
}
