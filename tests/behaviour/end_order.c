/* end_order.c - what ended first is delivered first, also if the waiting thread learns of a later
 * end first. */
#include "support/support.h"

#include "os/clock.h"
#include "pool/dispatch.h"
#include "pool/pool.h"

static void subscribe(struct pi_cq *cq, struct pi_subscription *sub, posse_future future)
{
    *sub = (struct pi_subscription){.future = future, .cq = cq};
    pi_dispatch_subscribe(sub);
}

/* The only worker ends the tasks one after the other. No thread has looked at the end of the first
 * ones when the last one, which has ended too, gets its subscription. */
POOL_TEST(subscribed_after_its_end, PARALLEL, 1)
{
    enum { N = 5 };
    struct pi_cq cq;
    struct pi_subscription subs[N];
    posse_future futures[N];
    struct gate *gate = make_gate(pool);
    pi_cq_init(&cq);
    assert_true(pi_cq_join(&cq, pool));
    assert_ok(pi_dispatch_open(pool));
    futures[0] = submitted_hold(pool, gate);
    for (long i = 1; i < N; i++)
        futures[i] = submitted_long(pool, square_task, i);
    for (int i = 0; i < N - 1; i++)
        subscribe(&cq, &subs[i], futures[i]);
    open_gate(gate);
    assert_eventually(posse_done(futures[N - 1]));
    subscribe(&cq, &subs[N - 1], futures[N - 1]);
    for (int i = 0; i < N; i++) {
        posse_status status;
        assert_ptr_equal(pi_cq_next(&cq, PI_NEVER, &status), &subs[i]);
        assert_ok(posse_release(futures[i]));
    }
    pi_cq_fini(&cq);
    free_gate(pool, gate);
}

static void ask_by_queue(posse_executor *pool, posse_future future)
{
    struct pi_cq other;
    struct pi_subscription late;
    posse_status status;
    pi_cq_init(&other);
    assert_true(pi_cq_join(&other, pool));
    subscribe(&other, &late, future);
    assert_ptr_equal(pi_cq_next(&other, PI_NEVER, &status), &late);
    pi_cq_fini(&other);
}

static void ask_for_result(posse_executor *pool, posse_future future)
{
    (void)pool;
    assert_ok(posse_result(future, 0, NULL, NULL));
}

/* All have ended, and a call is told of one of them first. */
static void assert_order_after(posse_executor *pool, int asked,
                               void (*ask)(posse_executor *pool, posse_future future))
{
    enum { N = 5 };
    struct pi_cq cq;
    struct pi_subscription subs[N];
    posse_future futures[N];
    posse_status status;
    unsigned long done = stats_of(pool).done;
    struct gate *gate = make_gate(pool);
    pi_cq_init(&cq);
    assert_true(pi_cq_join(&cq, pool));
    assert_ok(pi_dispatch_open(pool));
    futures[0] = submitted_hold(pool, gate);
    for (long i = 1; i < N; i++)
        futures[i] = submitted_long(pool, square_task, i);
    for (int i = 0; i < N; i++)
        subscribe(&cq, &subs[i], futures[i]);
    open_gate(gate);
    assert_eventually(stats_of(pool).done == done + N);
    ask(pool, futures[asked]);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(pi_cq_next(&cq, PI_NEVER, &status), &subs[i]);
    for (int i = 0; i < N; i++)
        assert_ok(posse_release(futures[i]));
    pi_cq_fini(&cq);
    free_gate(pool, gate);
}

POOL_TEST(a_call_asks_for_one, PARALLEL, 1)
{
    for (int asked = 0; asked < 5; asked++) {
        assert_order_after(pool, asked, ask_by_queue);
        assert_order_after(pool, asked, ask_for_result);
    }
}
