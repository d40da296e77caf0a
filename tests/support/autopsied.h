/* autopsied.h - what the tests of posse_autopsy share. */
#ifndef AUTOPSIED_H
#define AUTOPSIED_H

#include "support.h"

#include <posse_autopsy.h>
#include <string.h>

/* A pool with options.autopsy. */
#define AUTOPSIED(...) POOL(__VA_ARGS__, .autopsy = 1)

/* Whether nothing is left but a block for each worker. */
static inline bool is_autopsied(posse_executor *pool)
{
    posse_stats now = stats_of(pool);
    return now.running + now.queued + now.futures == 0 && now.memory_blocks <= now.workers;
}

/* Asserts that, and destroys the pool. */
static inline void end_autopsied(posse_executor *pool)
{
    assert_eventually(is_autopsied(pool));
    assert_ok(posse_destroy(pool));
}

/* AUTOPSY_TEST(name, workers[, .option = value]...) { ... } has such a `pool`. */
/* clang-format off */
#define AUTOPSY_TEST(function, ...)                                                                \
    static void in_pool_##function(posse_executor *pool);                                          \
    TEST(function, PROCESSES)                                                                      \
    {                                                                                              \
        posse_executor *pool = AUTOPSIED(__VA_ARGS__);                                             \
        in_pool_##function(pool);                                                                  \
        end_autopsied(pool);                                                                       \
    }                                                                                              \
    static void in_pool_##function(posse_executor *pool)
/* clang-format on */

/* Asserts that the task ends so and has a report; does not release it. */
static inline posse_autopsy_report report_of(posse_future future, posse_status how)
{
    posse_autopsy_report report;
    memset(&report, 0xff, sizeof report); /* whatever is not filled in shows */
    report.struct_size = sizeof report;
    assert_status(posse_result(future, -1, NULL, NULL), how);
    assert_ok(posse_autopsy(future, &report));
    assert_in_range(report.n_frames, 0, POSSE_MAX_FRAMES);
    return report;
}

#endif
