/* result.c - what comes out: results of all sizes, errors with code and message. */
#include "support/support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int empty_task(posse_task *task, const void *arg, size_t size)
{
    return size == 0 ? 0 : posse_task_return(task, NULL, 0) == POSSE_OK ? 0 : GAVE_UP;
}

/* Without posse_task_return, and with a return of nothing. */
POOL_TEST(empty, ALL, 1)
{
    for (size_t size = 0; size < 2; size++) {
        posse_future future = submitted(pool, empty_task, "x", size);
        const void *data = "unset";
        size_t result_size = 99;
        assert_ok(posse_result(future, -1, &data, &result_size));
        assert_null(data);
        assert_int_equal(result_size, 0);
        assert_ok(posse_result_into(future, -1, NULL, 0, &result_size));
        assert_ok(posse_result(future, -1, NULL, NULL));
        assert_ok(posse_release(future));
    }
}

/* Makes a result in place; arg is its size in bytes. */
static int reserve_task(posse_task *task, const void *arg, size_t size)
{
    long bytes = *(const long *)arg;
    unsigned char *room = posse_task_reserve(task, (size_t)bytes);
    if (room == NULL)
        return GAVE_UP;
    memset(room, (int)(bytes % 251), (size_t)bytes);
    return 0;
}

POOL_TEST(in_place, ALL, 1)
{
    static const long sizes[] = {1, 8, 64, 65, 4096, 100000, 5000000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        posse_future future = submitted_long(pool, reserve_task, sizes[i]);
        const unsigned char *data = NULL;
        size_t size = 0;
        assert_ok(posse_result(future, -1, (const void **)&data, &size));
        assert_int_equal(size, sizes[i]);
        assert_int_equal(
            (uintptr_t)data % (size < _Alignof(max_align_t) ? 8 : _Alignof(max_align_t)), 0);
        assert_int_equal(data[0], sizes[i] % 251);
        assert_int_equal(data[size - 1], sizes[i] % 251);
        assert_ok(posse_release(future));
    }
}

/* Returns several times, inline and large by turns; the order is the argument's. */
static int again_task(posse_task *task, const void *arg, size_t size)
{
    static const char large[5000] = "large";
    const char *order = arg;
    for (size_t i = 0; i < size; i++) {
        if (order[i] == 's' && posse_task_return(task, "small", 6) != POSSE_OK)
            return GAVE_UP;
        if (order[i] == 'l' && posse_task_return(task, large, sizeof large) != POSSE_OK)
            return GAVE_UP;
        if (order[i] == 'r') {
            char *room = posse_task_reserve(task, 3000);
            if (room == NULL)
                return GAVE_UP;
            strcpy(room, "reserved");
        }
    }
    return 0;
}

POOL_TEST(last_return_counts, ALL, 1)
{
    static const struct {
        const char *order;
        const char *expected;
        size_t size;
    } cases[] = {{"ss", "small", 6},    {"ls", "small", 6},       {"sl", "large", 5000},
                 {"ll", "large", 5000}, {"rs", "small", 6},       {"lr", "reserved", 3000},
                 {"rl", "large", 5000}, {"rr", "reserved", 3000}, {"srlrs", "small", 6}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        posse_future future = submitted(pool, again_task, cases[i].order, strlen(cases[i].order));
        const void *data = NULL;
        size_t size = 0;
        assert_ok(posse_result(future, -1, &data, &size));
        assert_int_equal(size, cases[i].size);
        assert_string_equal(data, cases[i].expected);
        assert_ok(posse_release(future));
    }
}

/* The bytes that posse_result shows stay as they are while other tasks come and go. */
POOL_TEST(stays_until_release, ALL, 2)
{
    const char text[100] = "stays";
    posse_future future = submitted(pool, echo_task, text, sizeof text);
    const void *data = NULL;
    assert_ok(posse_result(future, -1, &data, NULL));
    for (long i = 0; i < 300; i++)
        take_error(submitted_long(pool, reserve_task, 100 + i), POSSE_OK);
    const void *again = NULL;
    assert_ok(posse_result(future, -1, &again, NULL));
    assert_ptr_equal(again, data);
    assert_memory_equal(data, text, sizeof text);
    assert_ok(posse_release(future));
}

POOL_TEST(into_a_small_buffer, ALL, 1)
{
    char buffer[100] = "untouched";
    size_t size = 0;
    posse_future future = submitted_long(pool, reserve_task, 100);
    assert_status(posse_result_into(future, -1, buffer, 99, &size), POSSE_TOO_LARGE);
    assert_int_equal(size, 100);
    assert_string_equal(buffer, "untouched");
    assert_status(posse_result_into(future, -1, NULL, 0, NULL), POSSE_TOO_LARGE);
    assert_ok(posse_result_into(future, -1, buffer, 100, NULL));
    assert_int_equal(buffer[99], 100);
    assert_ok(posse_release(future));
}

static posse_error failed_with(posse_executor *pool, posse_fn *fn, long code)
{
    return take_error(submitted_long(pool, fn, code), POSSE_TASK_FAILED);
}

POOL_TEST(D07_error_during_run, ALL, 1)
{
    posse_error error = failed_with(pool, code_task, 7);
    assert_int_equal(error.code, 7);
    assert_int_equal(error.signal, 0);
    assert_int_equal(error.attempt, 1);
    assert_true(error.message[0] != '\0');
    assert_int_equal(failed_with(pool, code_task, -1).code, -1);
    assert_int_equal(failed_with(pool, code_task, INT32_MIN).code, INT32_MIN);
    assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
}

POOL_TEST(IP15_error_is_preserved, ALL, 1)
{
    posse_error error = failed_with(pool, message_task, 123);
    assert_int_equal(error.code, 123);
    assert_string_equal(error.message, "failed with 123");
}

/* Where it happened: FAIL_HERE writes it, and a task that waited for the one that failed adds its
 * own place. */
#define FAIL_HERE(task, code, text)                                                                \
    posse_task_fail(task, code, "%s\n  at %s:%d", text, strrchr("/" __FILE__, '/') + 1, __LINE__)

enum { INNER_LINE = __LINE__ + 4, OUTER_LINE = INNER_LINE + 11 };

static int inner_failing_task(posse_task *task, const void *arg, size_t size)
{
    return FAIL_HERE(task, (int)*(const long *)arg, "no such page");
}

static int outer_failing_task(posse_task *task, const void *arg, size_t size)
{
    posse_future inner;
    posse_error error = {.struct_size = sizeof error};
    if (posse_submit(posse_task_executor(task), inner_failing_task, arg, size, &inner) !=
            POSSE_OK ||
        posse_exception(inner, -1, &error) != POSSE_OK || posse_release(inner) != POSSE_OK)
        return GAVE_UP;
    return FAIL_HERE(task, error.code + 1, error.message);
}

POOL_TEST(P06_place_of_the_failure, ALL, 1)
{
    char text[256];
    int length = snprintf(text, sizeof text, "no such page\n  at result.c:%d", INNER_LINE);
    posse_error error = failed_with(pool, inner_failing_task, 123);
    assert_string_equal(error.message, text);
    assert_int_equal(error.code, 123);
    snprintf(text + length, sizeof text - (size_t)length, "\n  at result.c:%d", OUTER_LINE);
    error = failed_with(pool, outer_failing_task, 123);
    assert_string_equal(error.message, text);
    assert_int_equal(error.code, 124);
}

/* Fails with the code 0, and returns 0. */
POOL_TEST(E21_falsy_error, ALL, 1)
{
    posse_error error = failed_with(pool, message_task, 0);
    assert_int_equal(error.code, 0);
    assert_string_equal(error.message, "failed with 0");
}

static int empty_message_task(posse_task *task, const void *arg, size_t size)
{
    posse_task_fail(task, 0, "%s", (const char *)arg);
    return 0; /* it has failed all the same */
}

POOL_TEST(E21_empty_message, ALL, 1)
{
    posse_future future = submitted(pool, empty_message_task, "", 1);
    assert_int_equal(take_error(future, POSSE_TASK_FAILED).code, 0);
}

TEST(long_message, ALL)
{
    char text[1000];
    memset(text, 'm', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    posse_executor *pool = make_pool(1);
    posse_future future = submitted(pool, empty_message_task, text, sizeof text);
    posse_error error = take_error(future, POSSE_TASK_FAILED);
    assert_int_equal(strlen(error.message), 255);
    assert_memory_equal(error.message, text, 255);
    end_pool(pool);
}

/* A result, and an error after it. */
static int result_then_error_task(posse_task *task, const void *arg, size_t size)
{
    echo_task(task, arg, size);
    return 3;
}

POOL_TEST(error_after_a_result, ALL, 1)
{
    char text[2000] = "lost";
    for (size_t size = 8; size <= sizeof text; size += sizeof text - 8) {
        posse_future future = submitted(pool, result_then_error_task, text, size);
        assert_int_equal(take_error(future, POSSE_TASK_FAILED).code, 3);
    }
}

/* A task's own "timed out" is its error, and never the status of the wait. */
POOL_TEST(E05_timeout_from_task, ALL, 1)
{
    static const long timeouts[] = {-1, 5000};
    for (size_t i = 0; i < COUNT(timeouts); i++) {
        posse_future future = submitted_long(pool, code_task, ETIMEDOUT);
        assert_status(posse_result(future, timeouts[i], NULL, NULL), POSSE_TASK_FAILED);
        assert_int_equal(take_error(future, POSSE_TASK_FAILED).code, ETIMEDOUT);
    }
}

/* Errors are values: each caller has its own, which outlives the future. */
POOL_TEST(P04_errors_are_values, ALL, 2)
{
    posse_future futures[2] = {submitted_long(pool, message_task, 1),
                               submitted_long(pool, message_task, 2)};
    posse_error errors[2] = {take_error(futures[0], POSSE_TASK_FAILED),
                             take_error(futures[1], POSSE_TASK_FAILED)};
    take_error(submitted_long(pool, message_task, 3), POSSE_TASK_FAILED);
    assert_string_equal(errors[0].message, "failed with 1");
    assert_string_equal(errors[1].message, "failed with 2");
}
