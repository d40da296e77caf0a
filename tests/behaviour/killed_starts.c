/* killed_starts.c - workers that are killed as they start: the pool goes on trying. What fails by
 * itself breaks it, see initializer_fails.c. */
#include "pool/pool.h"
#include "support/support.h"

#include <limits.h>
#include <signal.h>
#include <string.h>

/* In memory that the runner and the workers share. */
struct fate {
    _Atomic long kills;  /* starts that are still to be killed */
    _Atomic long starts; /* so far */
};

static int killed_initializer(posse_task *task, const void *arg, size_t size)
{
    static const int signals[] = {SIGKILL, SIGTERM, SIGHUP, SIGUSR1};
    struct fate *fate;
    memcpy(&fate, arg, size);
    long start = atomic_fetch_add(&fate->starts, 1);
    if (atomic_fetch_sub(&fate->kills, 1) > 0)
        raise(signals[(unsigned long)start % COUNT(signals)]);
    return 0;
}

static posse_executor *make_killed(struct fate *fate, long kills)
{
    posse_options options = with_initializer(killed_initializer, &fate, sizeof(struct fate *));
    options.max_workers = 1;
    atomic_store(&fate->kills, kills);
    return make_pool_with(options);
}

#define KILLS 11 /* in a row: more than the failed starts that break a pool */

TEST(killed_starts_are_got_over, PROCESSES)
{
    struct fate *fate = make_shared(sizeof *fate);
    posse_executor *pool = make_killed(fate, KILLS);
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
    assert_int_equal(stats_of(pool).workers_started, KILLS + 1);
    assert_int_equal(stats_of(pool).workers_lost, KILLS);
    end_pool(pool);
    free_shared(fate, sizeof *fate);
}

/* Callers that are blocked look whether the supervisor goes its rounds and leaves a task where it
 * is, which would mean damage. While its starts come to nothing these do not count. */
TEST(killed_starts_are_not_taken_for_damage, PROCESSES)
{
    struct fate *fate = make_shared(sizeof *fate);
    posse_executor *pool = make_killed(fate, LONG_MAX);
    posse_future future = submitted_long(pool, square_task, 5);
    _Atomic uint64_t *rounds = &pool->segment.header->supervisor_rounds;
    assert_eventually(atomic_load(&fate->starts) > 2);
    uint64_t before = atomic_load(rounds);
    assert_eventually(atomic_load(&fate->starts) > 6);
    assert_int_equal(atomic_load(rounds), before);
    assert_status(posse_result(future, 1, NULL, NULL), POSSE_TIMEOUT);
    atomic_store(&fate->kills, 0);
    assert_int_equal(take_long(future), 25);
    end_pool(pool);
    free_shared(fate, sizeof *fate);
}

/* It ends as any other. */
TEST(killed_starts_do_not_hold_up_an_end, PROCESSES)
{
    struct fate *fate = make_shared(sizeof *fate);
    posse_executor *pool = make_killed(fate, LONG_MAX);
    posse_future future = submitted_long(pool, square_task, 5);
    assert_eventually(atomic_load(&fate->starts) > 4);
    assert_ok(posse_shutdown(pool, POSSE_CANCEL_FUTURES, -1));
    (void)take_error(future, POSSE_CANCELLED);
    end_pool(pool);
    free_shared(fate, sizeof *fate);
}
