/* worker_events.c - the ring from the supervisor to the log: order, a full ring, damage. */
#include "support/support.h"

#include "core/worker_events.h"

static void put(struct pi_worker_events *events, uint32_t first, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct pi_worker_event event = {PI_WORKER_LOST, first + i, .death = {.signal = 9}};
        pi_worker_events_put(events, &event);
    }
}

static void assert_taken(struct pi_worker_events *events, uint64_t *taken, uint32_t first,
                         uint32_t n)
{
    struct pi_worker_event event;
    for (uint32_t i = 0; i < n; i++) {
        assert_true(pi_worker_events_take(events, taken, &event));
        assert_int_equal(event.kind, PI_WORKER_LOST);
        assert_int_equal(event.worker, first + i);
        assert_int_equal(event.death.signal, 9);
    }
    assert_false(pi_worker_events_take(events, taken, &event));
}

TEST(in_order, ALL)
{
    static struct pi_worker_events events;
    uint64_t taken = 0;
    assert_taken(&events, &taken, 0, 0);
    for (uint32_t i = 0; i < 10; i++) {
        put(&events, 20 * i, 20);
        assert_taken(&events, &taken, 20 * i, 20);
    }
    assert_int_equal(atomic_load(&events.dropped), 0);
}

TEST(a_full_ring_keeps_the_oldest, ALL)
{
    static struct pi_worker_events events;
    uint64_t taken = 0;
    put(&events, 0, PI_WORKER_EVENTS + 5);
    assert_int_equal(atomic_load(&events.dropped), 5);
    assert_taken(&events, &taken, 0, PI_WORKER_EVENTS);
    put(&events, 7, 1);
    assert_taken(&events, &taken, 7, 1);
}

/* Some may be lost, but those that come later are not. */
TEST(a_task_overwrites_it, ALL)
{
    static const uint64_t values[] = {0, 1, 1000, UINT64_MAX, (uint64_t)1 << 63};
    for (size_t i = 0; i < COUNT(values); i++)
        for (int which = 0; which < 2; which++) {
            static struct pi_worker_events clean;
            struct pi_worker_events events = clean;
            struct pi_worker_event event;
            uint64_t taken = 0;
            put(&events, 0, 3);
            assert_true(pi_worker_events_take(&events, &taken, &event));
            atomic_store(which ? &events.taken : &events.written, values[i]);
            for (int n = 0; n < 2 * (int)PI_WORKER_EVENTS; n++)
                (void)pi_worker_events_take(&events, &taken, &event);
            put(&events, 50, 1); /* if the writer believes the ring full, this is dropped */
            (void)pi_worker_events_take(&events, &taken, &event);
            while (pi_worker_events_take(&events, &taken, &event))
                ;
            put(&events, 60, 2);
            if (atomic_load(&events.dropped) == 0)
                assert_taken(&events, &taken, 60, 2);
        }
}
