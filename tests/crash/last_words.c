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

/* ---- a living worker ---- */

static struct pi_worker *record_of(posse_executor *pool) { return &pool->segment.workers[0]; }

/* The first worker has run all its tasks, and its supervisor is stopped before it sees that. */
struct retired {
    posse_executor *pool;
    pid_t worker, supervisor;
};

static struct retired retire_unseen(void)
{
    struct retired retired = {.pool = POOL(1, .max_tasks_per_worker = 2)};
    retired.supervisor = (pid_t)take_long(submitted(retired.pool, parent_task, NULL, 0));
    kill(retired.supervisor, SIGSTOP);
    retired.worker = (pid_t)take_long(submitted(retired.pool, identity_task, NULL, 0));
    assert_eventually(pi_load_acquire(&record_of(retired.pool)->state) == PI_WORKER_RETIRING);
    return retired;
}

/* It takes nothing more, so there must be another one. */
TEST(state_of_a_retiring_worker, PROCESSES)
{
    struct retired retired = retire_unseen();
    pi_store_release(&record_of(retired.pool)->state, PI_WORKER_READY);
    kill(retired.supervisor, SIGCONT);
    assert_int_equal(take_long(submitted_long(retired.pool, square_task, 3)), 9);
    assert_eventually(!process_lives(retired.worker));
    end_pool(retired.pool);
}

TEST(exit_request_of_a_retiring_worker, PROCESSES)
{
    struct retired retired = retire_unseen();
    kill(retired.worker, SIGSTOP);
    kill(retired.supervisor, SIGCONT);
    assert_eventually(pi_load_acquire(&record_of(retired.pool)->exit_requested) == 1);
    pi_store_release(&record_of(retired.pool)->exit_requested, 0);
    kill(retired.worker, SIGCONT);
    assert_eventually(!process_lives(retired.worker));
    end_pool(retired.pool);
}

static int forgetful_task(posse_task *task, const void *arg, size_t size)
{
    struct gate *gate;
    memcpy(&gate, arg, size);
    pi_store_seq(&task->executor->segment.workers[task->worker].current, 0);
    return pass_gate(gate) ? 0 : GAVE_UP;
}

/* The supervisor finds no task to kill, until the worker waits for that. */
TEST(stack_of_a_worker_to_be_killed, PROCESSES)
{
    posse_executor *pool = make_pool(1);
    struct gate *gate = make_gate(pool);
    posse_future future = SUBMIT_VALUE(pool, forgetful_task, gate);
    await_entered(gate, 1);
    assert_ok(posse_kill(future));
    await_rounds(pool);
    open_gate(gate);
    assert_status(posse_shutdown(pool, 0, PATIENCE_MS), POSSE_OK);
    take_error(future, POSSE_CANCELLED);
    free_gate(pool, gate);
    assert_ok(posse_destroy(pool));
}

/* ---- POSSE_BREAK ---- */

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
