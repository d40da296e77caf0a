/* many_callers.c - many threads wait for the same futures in all ways, while others cancel and
 * release them; and nobody is held up by those who do not listen. */
#include "pool/pool.h"
#include "support/support.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef SANITIZED
#define CALLERS_AT_ONCE 20
#else
#define CALLERS_AT_ONCE 100
#endif
#define N 60

struct crowd {
    posse_executor *pool;
    posse_future futures[N];
};

/* Every future comes once, or not at all if it is released; what is asked for is told. */
static posse_status iterate(const struct crowd *crowd)
{
    posse_completion_iter *completed;
    posse_future future;
    bool given[N] = {false};
    size_t index;
    posse_status status = posse_as_completed(crowd->futures, N, 20000, &completed);
    if (status != POSSE_OK)
        return status;
    while ((status = posse_completion_iter_next(completed, &future, &index)) == POSSE_OK) {
        if (index >= N || given[index]) {
            status = POSSE_SYSTEM;
            break;
        }
        given[index] = true;
    }
    posse_completion_iter_close(completed);
    return status == POSSE_END ? POSSE_OK : status;
}

static posse_status hear(void *context)
{
    static _Atomic int number;
    const struct crowd *crowd = context;
    switch (atomic_fetch_add(&number, 1) % 3) {
    case 0: return iterate(crowd);
    case 1: return posse_wait(crowd->futures, N, POSSE_ALL_COMPLETED, 20000, NULL, NULL);
    default: return posse_wait(crowd->futures, N, POSSE_FIRST_EXCEPTION, 20000, NULL, NULL);
    }
}

static void start_listening(struct crowd *crowd, struct caller *callers, struct gate *gate)
{
    for (int i = 0; i < N; i++) {
        crowd->futures[i] =
            i < 2 ? submitted_hold(crowd->pool, gate) : submitted_long(crowd->pool, square_task, i);
    }
    for (int i = 0; i < CALLERS_AT_ONCE; i++)
        start_call(&callers[i], hear, crowd);
    for (int i = 0; i < CALLERS_AT_ONCE; i++)
        await_parked(&callers[i]);
}

TEST(all_hear_of_all, PARALLEL_CALLERS)
{
    static struct crowd crowd;
    static struct caller callers[CALLERS_AT_ONCE];
    crowd.pool = make_pool(2);
    struct gate *gate = make_gate(crowd.pool);
    start_listening(&crowd, callers, gate);
    for (int i = 5; i < N; i += 5) {
        posse_status status = posse_cancel(crowd.futures[i]);
        assert_true(status == POSSE_OK || status == POSSE_TOO_LATE);
    }
    open_gate(gate);
    for (int i = 0; i < CALLERS_AT_ONCE; i++)
        assert_ok(end_call(&callers[i]));
    for (int i = 0; i < N; i++) {
        assert_true(posse_done(crowd.futures[i]));
        assert_ok(posse_release(crowd.futures[i]));
    }
    free_gate(crowd.pool, gate);
    end_pool(crowd.pool);
}

/* Some are released while all wait: posse_wait tells that, the others leave them out. */
TEST(all_hear_of_releases, PARALLEL_CALLERS)
{
    static struct crowd crowd;
    static struct caller callers[CALLERS_AT_ONCE];
    crowd.pool = make_pool(2);
    struct gate *gate = make_gate(crowd.pool);
    start_listening(&crowd, callers, gate);
    for (int i = 0; i < N; i += 3) {
        (void)posse_cancel(crowd.futures[i]);
        assert_ok(posse_release(crowd.futures[i]));
    }
    open_gate(gate);
    for (int i = 0; i < CALLERS_AT_ONCE; i++) {
        posse_status status = end_call(&callers[i]);
        assert_true(status == POSSE_OK || status == POSSE_INVALID);
    }
    for (int i = 0; i < N; i++)
        assert_status(posse_release(crowd.futures[i]), i % 3 == 0 ? POSSE_INVALID : POSSE_OK);
    assert_eventually(stats_of(crowd.pool).futures == 0);
    free_gate(crowd.pool, gate);
    end_pool(crowd.pool);
}

static int count_call(posse_future future, void *context)
{
    atomic_fetch_add((_Atomic int *)context, 1);
    return 0;
}

static posse_status next_only(void *context)
{
    posse_future future;
    return posse_completion_iter_next(context, &future, NULL);
}

/* In posse_result, in as_completed, by a callback and by a descriptor: all are told of one. */
POOL_TEST(every_way_at_once, PARALLEL_CALLERS, 1)
{
    for (int round = 0; round < 20; round++) {
        struct gate *gate = make_gate(pool);
        posse_future future = submitted_hold(pool, gate);
        posse_completion_iter *completed;
        posse_completion_queue *completions;
        struct caller callers[3];
        _Atomic int calls = 0;
        if (round % 2) {
            start_call(&callers[0], call_result, &future);
            await_parked(&callers[0]);
        }
        assert_ok(posse_as_completed(&future, 1, -1, &completed));
        assert_ok(posse_completion_queue_create(&completions));
        assert_ok(posse_completion_queue_add(completions, future, NULL));
        assert_ok(posse_add_done_callback(future, count_call, &calls));
        start_call(&callers[1], next_only, completed);
        start_call(&callers[2], call_exception, &future);
        if (round % 2 == 0)
            start_call(&callers[0], call_result, &future);
        await_parked(&callers[2]);
        open_gate(gate);
        for (int i = 0; i < 3; i++)
            assert_ok(end_call(&callers[i]));
        assert_eventually(atomic_load(&calls) == 1);
        struct pollfd fd = {.fd = posse_completion_queue_fd(completions), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
        posse_completion_queue_destroy(completions);
        posse_completion_iter_close(completed);
        assert_ok(posse_release(future));
        free_gate(pool, gate);
    }
}

/* Writes what a wild task might into the list of those that have ended. */
static void scribble(posse_executor *pool, posse_future future, uint64_t head)
{
    struct pi_slot *slot = &pool->segment.slots.at[future.slot];
    uint64_t tag = pi_done_tag(future.generation) << PI_DONE_REF_BITS;
    atomic_store(&slot->link, tag | pi_done_ref_make(future.slot, future.generation)); /* itself */
    atomic_store(&pool->segment.parkers.at[pool->dispatcher.parker].done, head);
}

/* A scribbled list delays, but loses nobody. */
POOL_TEST(scribbled_list, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future futures[3] = {submitted_long(pool, square_task, 1), submitted_hold(pool, gate),
                               submitted_long(pool, square_task, 2)};
    assert_ok(posse_result(futures[0], -1, NULL, NULL));
    await_entered(gate, 1);
    posse_completion_iter *completed;
    assert_ok(posse_as_completed(futures, 3, -1, &completed));
    const uint64_t heads[] = {pi_done_ref_make(futures[0].slot, futures[0].generation), UINT64_MAX,
                              pi_done_ref_make(999999, 0)};
    posse_future given;
    assert_ok(posse_completion_iter_next(completed, &given, NULL));
    for (size_t i = 0; i < COUNT(heads); i++) {
        size_t n_done;
        scribble(pool, futures[0], heads[i]);
        assert_status(posse_wait(futures, 3, POSSE_ALL_COMPLETED, 1, NULL, &n_done), POSSE_TIMEOUT);
        assert_int_equal(n_done, 1);
    }
    scribble(pool, futures[0], heads[0]); /* not empty, so nobody posts */
    open_gate(gate);
    assert_ok(posse_completion_iter_next(completed, &given, NULL));
    assert_ok(posse_completion_iter_next(completed, &given, NULL));
    assert_status(posse_completion_iter_next(completed, &given, NULL), POSSE_END);
    posse_completion_iter_close(completed);
    for (int i = 0; i < 3; i++)
        take_error(futures[i], POSSE_OK);
    free_gate(pool, gate);
}

/* Waits again and again until the task has ended. */
static posse_status wait_in_pieces(void *future)
{
    posse_status status;
    size_t n_done;
    do
        status = posse_wait(future, 1, POSSE_ALL_COMPLETED, 500, NULL, &n_done);
    while (status == POSSE_TIMEOUT && n_done == 0);
    return status;
}

/* A task ends, and nothing says so: as if it were not in the list yet. A wait whose time is up
 * says that all have ended, if they have. */
POOL_TEST(end_without_a_wake, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_hold(pool, gate);
    struct caller caller;
    await_entered(gate, 1);
    start_call(&caller, wait_in_pieces, &future);
    await_parked(&caller);
    pthread_mutex_lock(&pool->dispatcher.lock);
    _Atomic uint32_t *collects = &pool->segment.parkers.at[pool->dispatcher.parker].collects;
    pthread_mutex_unlock(&pool->dispatcher.lock);
    atomic_store(collects, 0);
    atomic_store(&pool->segment.slots.at[future.slot].word, pi_with_parker(pi_word_of(future), 0));
    open_gate(gate);
    assert_ok(end_call(&caller));
    atomic_store(collects, 1);
    take_error(future, POSSE_OK);
    free_gate(pool, gate);
}

/* D16: the way to the supervisor is full, and it does not read. */
POOL_TEST(D16_wakeup_channel_full, PROCESSES, 1)
{
    posse_future futures[100];
    char bytes[512] = {0};
    pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    assert_int_equal(kill(supervisor, SIGSTOP), 0);
    int sent = 0;
    while (sent < 100000 && send(pool->link.socket.number, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        sent++;
    assert_in_range(sent, 1, 99999);
    for (long i = 0; i < 100; i++)
        futures[i] = submitted_long(pool, square_task, i);
    assert_ok(posse_shutdown(pool, POSSE_NO_WAIT, 0)); /* a poke */
    for (long i = 0; i < 100; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    assert_int_equal(kill(supervisor, SIGCONT), 0);
    assert_ok(posse_shutdown(pool, 0, -1));
}
