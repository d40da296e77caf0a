/* progress.c - what a task says of how far it is, and what its future shows of that. */
#include "core/feed.h"
#include "support/support.h"

#include "pool/block.h"
#include "pool/feed_block.h"
#include <errno.h>
#include <posse_progress.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void assert_progress(posse_future future, uint64_t done, uint64_t total)
{
    uint64_t numbers[2] = {1, 1};
    assert_ok(posse_progress(future, &numbers[0], &numbers[1]));
    assert_int_equal(numbers[0], done);
    assert_int_equal(numbers[1], total);
}

struct saying {
    struct gate *gate;
    uint64_t done, total;
};

/* Says it, and waits at the gate. */
static int saying_task(posse_task *task, const void *arg, size_t size)
{
    struct saying saying;
    memcpy(&saying, arg, sizeof saying);
    posse_task_progress(task, 1, 1);
    posse_task_progress(task, saying.done, saying.total);
    return saying.gate && !pass_gate(saying.gate) ? GAVE_UP : 0;
}

POOL_TEST(nothing_is_said, ALL, 1)
{
    posse_future future = submitted_long(pool, square_task, 3);
    assert_progress(future, 0, 0);
    assert_ok(posse_progress(future, NULL, NULL));
    assert_int_equal(take_long(future), 9);
    uint64_t done = 1, total = 1;
    assert_status(posse_progress(future, &done, &total), POSSE_INVALID);
    assert_int_equal(done + total, 0);
    posse_task_progress(NULL, 1, 1);
}

POOL_TEST(while_it_runs_and_after, PARALLEL, 1)
{
    struct saying saying = {make_gate(pool), 3, 7};
    posse_future future = SUBMIT_VALUE(pool, saying_task, saying);
    await_entered(saying.gate, 1);
    assert_progress(future, 3, 7);
    open_gate(saying.gate);
    assert_int_equal(error_of(future).status, POSSE_OK);
    assert_progress(future, 3, 7);
    assert_ok(posse_release(future));
    free_gate(pool, saying.gate);
}

POOL_TEST(after_its_end, ALL, 1)
{
    struct saying saying = {NULL, UINT64_MAX, UINT64_MAX};
    posse_future future = SUBMIT_VALUE(pool, saying_task, saying);
    assert_int_equal(error_of(future).status, POSSE_OK);
    assert_progress(future, UINT64_MAX, UINT64_MAX);
    assert_ok(posse_release(future));
}

/* The name has a block already. */
POOL_TEST(of_a_named_task, ALL, 1)
{
    struct saying saying = {NULL, 3, 7};
    posse_future future = submitted_job(
        pool,
        (posse_job){.fn = saying_task, .arg = &saying, .size = sizeof saying, .name = "thumbnail"});
    assert_string_equal(error_of(future).name, "thumbnail");
    assert_progress(future, 3, 7);
    assert_ok(posse_release(future));
}

/* An unnamed task stays without a name. */
POOL_TEST(has_no_name, ALL, 1)
{
    struct saying saying = {NULL, 3, 7};
    posse_future future = SUBMIT_VALUE(pool, saying_task, saying);
    assert_string_equal(error_of(future).name, "");
    assert_ok(posse_release(future));
}

/* ---- pairs that belong together ---- */

/* Until it is asked to stop; `total` is one of two if the argument is 2, else twice `done`. */
static int hurrying_task(posse_task *task, const void *arg, size_t size)
{
    long kind;
    memcpy(&kind, arg, sizeof kind);
    for (uint64_t i = 1; !posse_task_cancelled(task); i++)
        for (int k = 0; k < 100; k++, i++)
            posse_task_progress(task, i, kind == 2 ? i / 100000 : 2 * i);
    return 0;
}

static void assert_whole(posse_executor *pool, long kind)
{
    posse_future future = submitted_long(pool, hurrying_task, kind);
    uint64_t done = 0, total, before = 0, seen = 0;
    for (long i = 0; i < in_long_run(2000, 2000000) || seen < 100; i++) {
        assert_ok(posse_progress(future, &done, &total));
        assert_int_equal(total, kind == 2 ? done / 100000 : 2 * done);
        assert_true(done >= before);
        seen += done != before;
        before = done;
    }
    assert_status(posse_cancel(future), POSSE_TOO_LATE);
    assert_int_equal(error_of(future).status, POSSE_OK);
    assert_ok(posse_release(future));
}

POOL_TEST(the_total_changes_each_time, PARALLEL, 1) { assert_whole(pool, 1); }

POOL_TEST(the_total_changes_seldom, PARALLEL, 1) { assert_whole(pool, 2); }

/* ---- deaths ---- */

/* Says 5 of 9 and dies in its first run; says more in the next one when the gate opens. */
static int dying_task(posse_task *task, const void *arg, size_t size)
{
    struct gate *gate;
    memcpy(&gate, arg, sizeof gate);
    if (posse_task_attempt(task) == 1) {
        posse_task_progress(task, 5, 9);
        raise(SIGKILL);
    }
    if (!pass_gate(gate))
        return GAVE_UP;
    posse_task_progress(task, 1, 9);
    return 0;
}

POOL_TEST(of_a_lost_task, PROCESSES, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future future = SUBMIT_VALUE(pool, dying_task, gate);
    assert_int_equal(error_of(future).status, POSSE_WORKER_LOST);
    assert_progress(future, 5, 9);
    assert_ok(posse_release(future));
    free_gate(pool, gate);
}

POOL_TEST(of_the_run_before, PROCESSES, 1, .retries = 1)
{
    struct gate *gate = make_gate(pool);
    posse_future future = SUBMIT_VALUE(pool, dying_task, gate);
    await_entered(gate, 1);
    assert_progress(future, 5, 9);
    open_gate(gate);
    assert_int_equal(error_of(future).status, POSSE_OK);
    assert_progress(future, 1, 9);
    assert_ok(posse_release(future));
    free_gate(pool, gate);
}

POOL_TEST(of_a_killed_task, PARALLEL, 1)
{
    struct saying saying = {make_gate(pool), 3, 7};
    posse_future future = SUBMIT_VALUE(pool, saying_task, saying);
    await_entered(saying.gate, 1);
    assert_ok(posse_kill(future));
    assert_int_equal(error_of(future).status, POSSE_CANCELLED);
    assert_progress(future, 3, 7);
    assert_ok(posse_release(future)); /* before its thread comes back */
    open_gate(saying.gate);
    assert_eventually(backend() == POSSE_PROCESS || atomic_load(&saying.gate->passed) == 1);
    free_gate(pool, saying.gate);
}

/* ---- who else calls it ---- */

static int forking_task(posse_task *task, const void *arg, size_t size)
{
    posse_task_progress(task, 3, 7);
    pid_t child = fork();
    if (child == 0) {
        posse_task_progress(task, 6, 6);
        _exit(0);
    }
    return child > 0 && waitpid(child, NULL, 0) == child ? 0 : GAVE_UP;
}

POOL_TEST(not_of_a_forked_child, FORKED, 1)
{
    posse_future future = submitted(pool, forking_task, NULL, 0);
    assert_int_equal(error_of(future).status, POSSE_OK);
    assert_progress(future, 3, 7);
    assert_ok(posse_release(future));
}

static int item_task(posse_task *task, const void *const *items, void *result)
{
    posse_task_progress(task, 3, 7);
    *(long *)result = *(const long *)items[0];
    return 0;
}

POOL_TEST(not_in_a_map, ALL, 1)
{
    long numbers[9] = {0}, results[9];
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = item_task,
                         .inputs = &(posse_input){.data = numbers, .size = sizeof *numbers},
                         .n_inputs = 1,
                         .count = COUNT(numbers),
                         .result_size = sizeof *results,
                         .results = results};
    assert_ok(posse_map(pool, &job, NULL));
}

/* A task sees how far its own task is. */
static int watching_task(posse_task *task, const void *arg, size_t size)
{
    posse_future inner;
    uint64_t done, total;
    struct saying saying = {NULL, 3, 7};
    if (posse_submit(posse_task_executor(task), saying_task, &saying, sizeof saying, &inner) !=
            POSSE_OK ||
        posse_result(inner, -1, NULL, NULL) != POSSE_OK ||
        posse_progress(inner, &done, &total) != POSSE_OK || posse_release(inner) != POSSE_OK)
        return INNER_FAILED;
    return return_long(task, (long)(10 * done + total));
}

POOL_TEST(of_a_task_of_a_task, ALL, 1)
{
    assert_int_equal(take_long(submitted(pool, watching_task, NULL, 0)), 37);
}

/* ---- memory ---- */

static int starved_task(posse_task *task, const void *arg, size_t size)
{
    void *memory[10000];
    size_t n = 0;
    for (size_t bytes = 1 << 19; bytes > 64; bytes /= 2)
        while (n < COUNT(memory) &&
               posse_alloc(posse_task_executor(task), bytes, &memory[n]) == POSSE_OK)
            n++;
    errno = 0;
    posse_task_progress(task, 3, 7);
    int error = errno;
    while (n > 0)
        (void)posse_free(posse_task_executor(task), memory[--n]);
    return n == 0 ? error : GAVE_UP;
}

POOL_TEST(without_memory, ALL, 1, .max_memory = 1 << 20)
{
    posse_future future = submitted(pool, starved_task, NULL, 0);
    assert_int_equal(error_of(future).status, POSSE_OK);
    assert_progress(future, 0, 0);
    assert_ok(posse_release(future));
}

/* A task has overwritten its feed. */
POOL_TEST(overwritten, ALL, 1)
{
    struct saying saying = {NULL, 3, 7};
    posse_future future = SUBMIT_VALUE(pool, saying_task, saying);
    assert_int_equal(error_of(future).status, POSSE_OK);
    struct pi_slot *slot = &pool->segment.slots.at[future.slot];
    struct pi_details *details = pi_slot_details(pool, slot);
    pi_block_ref was = pi_load_relaxed(&details->feed);
    for (uint64_t wild = 1; wild != 0; wild <<= 1) {
        pi_store_relaxed(&details->feed, wild);
        (void)posse_progress(future, NULL, NULL);
        pi_store_relaxed(&details->feed, ~wild);
        (void)posse_progress(future, NULL, NULL);
    }
    pi_store_relaxed(&details->feed, was);
    memset(pi_feed_find(pool, slot), 0xff, sizeof(struct pi_feed));
    assert_progress(future, UINT64_MAX, UINT64_MAX);
    pi_store_relaxed(&pi_feed_find(pool, slot)->messages, 0);
    assert_ok(posse_release(future));
}
