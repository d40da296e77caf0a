/* threads_at_create.c - a program that makes a pool of processes while it has other threads is told
 * so: what locks these hold at that moment stays locked in the workers. */
#include "support/support.h"

#include <posse_log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct log {
    int messages;
    char last[256];
};

static void write_log(void *context, const posse_log_record *record)
{
    struct log *log = context;
    if (record->event != POSSE_LOG_THREADS || record->executor)
        return;
    snprintf(log->last, sizeof log->last, "%s", record->message);
    log->messages++;
}

static void make_and_end_pool(struct log *log)
{
    posse_executor *pool = POOL(2, .log = log ? write_log : NULL, .log_context = log);
    assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    end_pool(pool);
}

static _Atomic int stop;

static posse_status wait_for_stop(void *unused)
{
    while (!atomic_load(&stop))
        pause_ms(1);
    return POSSE_OK;
}

static void start_others(struct caller *callers, int count)
{
    atomic_store(&stop, 0);
    for (int i = 0; i < count; i++)
        start_call(&callers[i], wait_for_stop, NULL);
}

static void end_others(struct caller *callers, int count)
{
    atomic_store(&stop, 1);
    for (int i = 0; i < count; i++)
        assert_ok(end_call(&callers[i]));
}

/* With threads or inline nothing is forked, so nothing is told. */
TEST(other_threads_are_told, ALL)
{
    struct caller callers[2];
    struct log log = {0};
    start_others(callers, 2);
    int others = count_threads() - 1; /* a sanitizer may have one, too */
    make_and_end_pool(&log);
    make_and_end_pool(NULL);
    end_others(callers, 2);
    assert_int_equal(log.messages, backend() == POSSE_PROCESS ? 1 : 0);
    if (backend() == POSSE_PROCESS) {
        const char *number = strpbrk(log.last, "0123456789");
        assert_non_null(number);
        assert_int_equal(atoi(number), others); /* NOLINT(cert-err34-c) */
    }
}

TEST(a_program_of_one_thread_is_told_nothing, ALL)
{
    struct log log = {0};
    if (count_threads() > 1)
        skip();
    make_and_end_pool(&log);
    assert_int_equal(log.messages, 0);
}
