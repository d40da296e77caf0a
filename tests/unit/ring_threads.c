/* ring_threads.c - many producers and consumers at once. Nobody waits for a thread that may have no
 * processor: a producer that finds no room consumes an entry itself. */
#include "queue.h"
#include "threads.h"

#include <sched.h>

#define PRODUCERS 3u
#define CONSUMERS 3u
#define EACH 20000u
#define BURST 1500u /* entries, after which a producer helps to empty a queue that shrinks */

struct traffic {
    struct queue queue;
    uint64_t limit;
    _Atomic unsigned char seen[PRODUCERS * EACH];
    _Atomic unsigned producing;
    _Atomic unsigned broken;
    _Atomic unsigned disordered; /* entries seen after a later one of the same producer */
    _Atomic unsigned unknown;
    bool processes; /* each producer remembers its own last entry; else all have one memory of it */
    bool gives;     /* whoever finds the ring empty gives memory back, one at a time */
    _Atomic unsigned giving;
    _Atomic unsigned given;
};

static void look_at(struct traffic *traffic, uint32_t entry, uint32_t next[PRODUCERS])
{
    uint32_t producer = entry / EACH;
    if (producer >= PRODUCERS) {
        atomic_fetch_add(&traffic->unknown, 1);
        return;
    }
    atomic_fetch_add(&traffic->disordered, entry % EACH < next[producer]);
    next[producer] = entry % EACH;
    atomic_store(&traffic->seen[entry], 1);
}

/* Without the time that whoever is slow gets elsewhere. */
static void give(struct traffic *traffic)
{
    if (!traffic->gives || atomic_exchange(&traffic->giving, 1))
        return;
    (void)pi_ring_shrink(&traffic->queue.ring);
    atomic_fetch_add(&traffic->given, give_back(&traffic->queue));
    atomic_store(&traffic->giving, 0);
}

/* Several threads may look at one entry before the head moves; each sees them in order. False: the
 * ring is empty. */
static bool consume_one(struct traffic *traffic, uint32_t next[PRODUCERS])
{
    uint64_t position;
    uint32_t entry = pi_ring_peek(&traffic->queue.ring, &position);
    if (entry == PI_NO_INDEX) {
        give(traffic);
        return false;
    }
    look_at(traffic, entry, next);
    pi_ring_advance(&traffic->queue.ring, position);
    return true;
}

static void add_ring(struct traffic *traffic)
{
    struct pi_ring_backing backed = pi_ring_backed(&traffic->queue.ring);
    (void)pi_ring_raise(&traffic->queue.ring, &backed);
}

static void produce(struct traffic *traffic, uint32_t producer)
{
    uint32_t next[PRODUCERS] = {0};
    struct queue *queue = &traffic->queue;
    struct pi_ring own, *ring = traffic->processes ? &own : &queue->ring;
    pi_ring_init(&own, queue->shared, queue->cells, queue->ring.rings);
    for (uint32_t i = 0; i < EACH; i++) {
        enum pi_push pushed;
        while ((pushed = pi_ring_push(ring, producer * EACH + i, traffic->limit)) != PI_PUSHED) {
            atomic_fetch_add(&traffic->broken, pushed == PI_PUSH_BROKEN);
            if (pushed == PI_PUSH_NO_CELL)
                add_ring(traffic);
            (void)consume_one(traffic, next); /* full */
        }
        while (traffic->gives && i % BURST == 0 && consume_one(traffic, next)) {
        }
    }
    atomic_fetch_sub(&traffic->producing, 1);
}

static void consume(struct traffic *traffic)
{
    uint32_t next[PRODUCERS] = {0};
    for (;;) {
        unsigned producing = atomic_load(&traffic->producing);
        if (consume_one(traffic, next))
            continue;
        if (producing == 0)
            return;
        sched_yield();
    }
}

static void take_part(void *context, unsigned number)
{
    if (number < PRODUCERS)
        produce(context, number);
    else
        consume(context);
}

static void assert_traffic_of(bool processes, uint32_t rings, uint64_t limit, bool gives)
{
    struct traffic *traffic = calloc(1, sizeof *traffic);
    assert_non_null(traffic);
    traffic->queue = make_queue(rings, rings);
    traffic->limit = limit;
    traffic->gives = gives;
    traffic->processes = processes;
    traffic->producing = PRODUCERS;
    run_threads(PRODUCERS + CONSUMERS, take_part, traffic);
    assert_int_equal(traffic->broken, 0);
    assert_int_equal(traffic->disordered, 0);
    assert_int_equal(traffic->unknown, 0);
    for (uint32_t entry = 0; entry < PRODUCERS * EACH; entry++)
        assert_true(traffic->seen[entry]);
    assert_int_equal(pi_ring_length(&traffic->queue.ring), 0);
    assert_true(!gives || traffic->given > 0);
    free_queue(&traffic->queue);
    free(traffic);
}

static void assert_traffic(uint32_t rings, uint64_t limit, bool gives)
{
    assert_traffic_of(false, rings, limit, gives);
    assert_traffic_of(true, rings, limit, gives);
}

TEST(one_ring_for_many_laps, ALL) { assert_traffic(1, 0, false); }

TEST(growing_rings, ALL) { assert_traffic(6, 0, false); }

TEST(few_entries_at_a_time, ALL) { assert_traffic(1, 2, false); }

TEST(rings_that_come_and_go, ALL)
{
    for (int round = 0; round < 5; round++)
        assert_traffic(5, 0, true);
}
