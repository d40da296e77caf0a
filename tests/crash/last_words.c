/* last_words.c - a task gone wild writes into its worker's record what a worker says of itself, and
 * dies: nobody waits for ever, and no death is taken for a leave. */
#include "pool/pool.h"
#include "pool/self.h"
#include "support/support.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

struct words {
    uint32_t ready;
    int signal; /* 0: it exits with 0 */
};

static int lying_task(posse_task *task, const void *arg, size_t size)
{
    struct words words;
    memcpy(&words, arg, size);
    pi_store_release(&task->executor->segment.workers[task->worker].state, words.ready);
    if (words.signal == 0)
        _exit(0);
    raise(words.signal);
    return 0;
}

static void assert_lost(posse_options options, struct words words)
{
    posse_executor *pool = make_pool_with(options);
    assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    for (int i = 0; i < 4; i++) { /* more than failed starts in a row */
        posse_error error = {.struct_size = sizeof error};
        posse_future future = SUBMIT_VALUE(pool, lying_task, words);
        assert_status(posse_result(future, PATIENCE_MS, NULL, NULL), POSSE_WORKER_LOST);
        assert_ok(posse_exception(future, 0, &error));
        assert_int_equal(error.signal, words.signal);
        assert_ok(posse_release(future));
        assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    }
    assert_eventually(stats_of(pool).workers_lost == 4);
    end_pool(pool);
}

TEST(nobody_is_believed_in_a_task, PROCESSES)
{
    for (uint32_t ready = 0; ready <= PI_WORKER_EXITED + 1; ready++) {
        posse_options options = OPTIONS(1);
        assert_lost(options, (struct words){ready, SIGKILL});
        assert_lost(options, (struct words){ready, 0});
    }
}

/* ... and a pool that is to break does. */
TEST(breaks_all_the_same, PROCESSES)
{
    static const uint32_t words[] = {PI_WORKER_EXITING, PI_WORKER_EXITED, PI_WORKER_FAILED};
    for (size_t i = 0; i < COUNT(words); i++) {
        posse_error error = {.struct_size = sizeof error};
        posse_executor *pool = POOL(1, .on_worker_lost = POSSE_BREAK);
        assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
        struct words said = {words[i], SIGKILL};
        (void)SUBMIT_VALUE(pool, lying_task, said);
        assert_eventually(posse_why_broken(pool, &error) == POSSE_OK &&
                          error.status == POSSE_BROKEN);
        assert_int_equal(error.signal, SIGKILL);
        assert_ok(posse_destroy(pool));
    }
}
