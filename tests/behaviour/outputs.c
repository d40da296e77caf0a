/* outputs.c - what a call that fails leaves where it would have written: a value that does no harm,
 * never what was there before; and what posse_last_error says of it. Each call is made in each
 * scene in which it can fail.
 *
 * The list of calls is held against the header, so that none is forgotten.
 */
#include "support/header.h"
#include "support/objects.h"
#include "support/outputs.h"

#include <signal.h>
#include <unistd.h>

TEST(no_call_is_forgotten, ALL)
{
    const char *names[64] = {NULL};
    for (size_t i = 0; i < output_calls_count; i++)
        names[i] = output_calls[i].name;
    assert_all_listed((const char *const *const[]){names, calls_without_outputs, NULL});
}

/* ---- the scenes ---- */

static bool is_made(const struct output *call, enum scene scene)
{
    return call->expected[scene] != POSSE_OK;
}

static bool all_defined(const struct given *given)
{
    bool defined = true;
    for (size_t i = 0; i < output_calls_count; i++)
        if (is_made(&output_calls[i], given->scene))
            defined = output_is_defined(&output_calls[i], given) && defined;
    return defined;
}

TEST(empty, ALL) { assert_true(all_defined(&(struct given){.scene = EMPTY})); }

TEST(stale, ALL)
{
    struct given given = {.scene = STALE, .pool = make_pool(1), .timeout_ms = -1};
    given.future = submitted_long(given.pool, square_task, 3);
    given.queue = make_queue(given.pool, 1, sizeof(long));
    assert_int_equal(take_long(given.future), 9);
    assert_ok(posse_queue_destroy(given.queue));
    assert_true(all_defined(&given));
    end_pool(given.pool);
}

static int all_defined_in_child(void *given)
{
    REQUIRE(all_defined(given));
    return 0;
}

/* Ends what `given` has but the pool, where an ended task can be released. */
static void end_given(struct given *given)
{
    posse_completion_iter_close(given->completed);
    assert_ok(posse_result(given->future, -1, NULL, NULL));
    assert_ok(posse_release(given->future));
    assert_ok(posse_queue_destroy(given->queue));
}

TEST(child, ALL)
{
    struct given given = {.scene = CHILD, .pool = make_pool(1), .timeout_ms = -1};
    given.future = submitted_long(given.pool, square_task, 3);
    given.queue = make_queue(given.pool, 1, sizeof(long));
    assert_ok(posse_as_completed(&given.future, 1, -1, &given.completed));
    assert_child(all_defined_in_child, &given);
    end_given(&given);
    end_pool(given.pool);
}

TEST(shut_down, ALL)
{
    struct given given = {.scene = SHUT, .pool = make_pool(1)};
    assert_ok(posse_shutdown(given.pool, 0, -1));
    assert_true(all_defined(&given));
    assert_ok(posse_destroy(given.pool));
}

/* Given a task that waits for the one worker, which stands at the gate. */
static struct gate *make_pending(struct given *given, posse_options options)
{
    options.max_workers = 1;
    given->pool = make_pool_with(options);
    struct gate *gate = make_gate(given->pool);
    assert_ok(posse_submit(given->pool, hold_task, &gate, sizeof gate, NULL));
    await_entered(gate, 1);
    given->future = submitted_long(given->pool, square_task, 3);
    given->queue = make_queue(given->pool, 1, sizeof(long));
    assert_ok(posse_as_completed(&given->future, 1, given->timeout_ms, &given->completed));
    return gate;
}

TEST(broken, PROCESSES)
{
    struct given given = {.scene = BROKEN, .timeout_ms = -1};
    posse_options options = OPTIONS(0, .on_worker_lost = POSSE_BREAK);
    struct gate *gate = make_pending(&given, options);
    assert_int_equal(kill((pid_t)atomic_load(&gate->who[0]), SIGKILL), 0);
    posse_error error = {.struct_size = sizeof error};
    assert_eventually(posse_why_broken(given.pool, &error) == POSSE_OK &&
                      error.status == POSSE_BROKEN);
    assert_true(all_defined(&given));
    posse_completion_iter_close(given.completed);
    assert_ok(posse_destroy(given.pool));
}

TEST(late, PARALLEL)
{
    struct given given = {.scene = LATE, .timeout_ms = 5};
    posse_options options = OPTIONS(0, .queue_limit = 1);
    struct gate *gate = make_pending(&given, options);
    assert_true(all_defined(&given));
    open_gate(gate);
    end_given(&given);
    assert_eventually(atomic_load(&gate->passed) == 1);
    free_gate(given.pool, gate);
    end_pool(given.pool);
}

TEST(too_large, ALL)
{
    struct given given = {.scene = LARGE, .pool = make_pool(1), .timeout_ms = -1};
    given.future = submitted_long(given.pool, square_task, 3);
    given.queue = make_queue(given.pool, 1, sizeof(long));
    assert_ok(put_long(given.queue, 3, -1));
    assert_true(all_defined(&given));
    end_given(&given);
    end_pool(given.pool);
}

/* Calls that wait, each in a thread of its own. */
struct waiting {
    const struct given *given;
    const struct output *call;
    struct caller caller;
};

static posse_status make_call(void *context)
{
    const struct waiting *waiting = context;
    return output_is_defined(waiting->call, waiting->given) ? POSSE_OK : POSSE_INVALID;
}

TEST(destroyed, PARALLEL_CALLERS)
{
    static struct waiting waiting[64];
    struct given given = {.scene = ENDED, .timeout_ms = -1};
    struct gate *gate = make_pending(&given, default_options());
    size_t n = 0;
    for (size_t i = 0; i < output_calls_count; i++) {
        if (is_made(&output_calls[i], ENDED)) {
            waiting[n] = (struct waiting){.given = &given, .call = &output_calls[i]};
            start_call(&waiting[n].caller, make_call, &waiting[n]);
            await_parked(&waiting[n++].caller);
        }
    }
    struct caller destroyer;
    start_call(&destroyer, call_destroy, given.pool);
    for (size_t i = 0; i < n; i++)
        assert_ok(end_call(&waiting[i].caller));
    if (backend() == POSSE_THREAD) /* for which destroy waits */
        open_gate(gate);
    assert_ok(end_call(&destroyer));
    posse_completion_iter_close(given.completed);
}
