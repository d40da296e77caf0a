/* shm_full_pool.c - a full /dev/shm, and what the pool itself needs: places for those who wait, for
 * more workers, for replacements. What cannot be had is told or put off, and comes when there is
 * room.
 */
#include "support/shm.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SIZE "size=4m"
#define WAITERS 200 /* more than a small pool has places for */
#define MORE_WORKERS 60

struct full {
    posse_executor *pool;
    int filler;
    struct gate *gate;
    posse_future held;
};

static int begin(struct full *full)
{
    void *memory;
    full->filler = open_filler();
    REQUIRE(full->filler >= 0 && create_in(&full->pool) == POSSE_OK && pool_works(full->pool) == 0);
    REQUIRE(posse_alloc(full->pool, sizeof(struct gate), &memory) == POSSE_OK);
    full->gate = memset(memory, 0, sizeof(struct gate));
    REQUIRE(posse_submit(full->pool, hold_task, &full->gate, sizeof full->gate, &full->held) ==
            POSSE_OK);
    for (long end = now_ms() + PATIENCE_MS; !posse_running(full->held); pause_ms(1))
        REQUIRE(now_ms() < end);
    fill_up(full->filler);
    return 0;
}

/* Opens the gate, if it is not open yet. */
static int end(struct full *full)
{
    open_gate(full->gate);
    REQUIRE(posse_result(full->held, -1, NULL, NULL) == POSSE_OK);
    REQUIRE(posse_release(full->held) == POSSE_OK);
    REQUIRE(posse_free(full->pool, full->gate) == POSSE_OK);
    make_room(full->filler);
    REQUIRE(pool_works(full->pool) == 0);
    (void)close(full->filler);
    return 0;
}

/* ---- those who wait ---- */

struct waiter {
    struct full *full;
    pthread_t thread;
    posse_status status;
    bool by_dispatcher;
};

static _Atomic int refused;

static void *wait_for_it(void *context)
{
    struct waiter *waiter = context;
    const posse_future *held = &waiter->full->held;
    waiter->status = waiter->by_dispatcher
                         ? posse_wait(held, 1, POSSE_ALL_COMPLETED, -1, NULL, NULL)
                         : posse_result(*held, -1, NULL, NULL);
    atomic_fetch_add(&refused, waiter->status == POSSE_NO_MEMORY);
    return NULL;
}

/* Those for whom there is no place are told at once; the others wait, and are woken. */
static int many_wait(void)
{
    static struct waiter waiters[WAITERS];
    struct full full;
    REQUIRE(begin(&full) == 0);
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){.full = &full, .by_dispatcher = i % 10 == 0};
        REQUIRE(pthread_create(&waiters[i].thread, NULL, wait_for_it, &waiters[i]) == 0);
    }
    for (long end = now_ms() + PATIENCE_MS; atomic_load(&refused) == 0; pause_ms(1))
        REQUIRE(now_ms() < end);
    open_gate(full.gate);
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(waiters[i].thread, NULL);
        REQUIRE(waiters[i].status == POSSE_OK || waiters[i].status == POSSE_NO_MEMORY);
    }
    dprintf(STDOUT_FILENO, "%d of %d could not wait\n", atomic_load(&refused), WAITERS);
    REQUIRE(atomic_load(&refused) < WAITERS && end(&full) == 0);
    return ends(full.pool);
}

TEST(no_place_to_wait, PROCESSES) { assert_with_shm((struct shm){"/dev/shm", SIZE, 0, many_wait}); }

/* ---- workers ---- */

static uint64_t workers_of(posse_executor *pool)
{
    posse_stats stats;
    return stats_in(pool, &stats) == POSSE_OK ? stats.workers : 0;
}

static int grows(void)
{
    struct full full;
    REQUIRE(begin(&full) == 0);
    REQUIRE(posse_resize(full.pool, MORE_WORKERS) == POSSE_OK);
    uint64_t before = workers_of(full.pool);
    for (int i = 0; i < 200 && before == 2; i++) { /* some may have room where the others are */
        pause_ms(1);
        before = workers_of(full.pool);
    }
    REQUIRE(before >= 2 && before < MORE_WORKERS);
    make_room(full.filler);
    for (long end = now_ms() + PATIENCE_MS; workers_of(full.pool) < MORE_WORKERS; pause_ms(1))
        REQUIRE(now_ms() < end);
    dprintf(STDOUT_FILENO, "%d workers without memory, then %d\n", (int)before, MORE_WORKERS);
    REQUIRE(end(&full) == 0);
    return ends(full.pool);
}

TEST(more_workers_when_there_is_room, PROCESSES)
{
    assert_with_shm((struct shm){"/dev/shm", SIZE, 0, grows});
}

/* Deaths while there is no memory cost their tasks alone. */
static int loses_workers(void)
{
    struct full full;
    long number = SIGKILL;
    REQUIRE(begin(&full) == 0);
    for (uint64_t i = 1; i <= 20; i++) {
        posse_future future;
        posse_stats stats;
        REQUIRE(posse_submit(full.pool, signal_task, &number, sizeof number, &future) == POSSE_OK);
        REQUIRE(posse_result(future, -1, NULL, NULL) == POSSE_WORKER_LOST);
        REQUIRE(posse_release(future) == POSSE_OK && pool_works(full.pool) == 0);
        REQUIRE(stats_in(full.pool, &stats) == POSSE_OK && stats.workers_lost == i);
    }
    REQUIRE(end(&full) == 0);
    return posse_destroy(full.pool) == POSSE_OK ? 0 : 1;
}

TEST(workers_are_replaced_without_memory, PROCESSES)
{
    assert_with_shm((struct shm){"/dev/shm", SIZE, 0, loses_workers});
}
