/* belts.c - tasks that bring items to a bounded queue and take them from it; memory.
 *
 * A producer that ends well tells how many items it brought: each of these came out once, but for
 * one that each dead consumer may have taken.
 */
#include "chaos.h"

#include <string.h>

enum { HANDS = 4, EACH = 40, SOON_MS = 20 };

struct belt_order {
    posse_queue queue;
    struct entry *came; /* runs: how often it was taken; EACH for each producer */
    struct roster *roster;
    uint32_t producer;
    uint32_t die_after_us;
};

static int bring(posse_task *task, const void *arg, size_t size)
{
    const struct belt_order *order = arg;
    uint32_t brought = 0;
    meet(order->roster, order->die_after_us);
    for (posse_status status = POSSE_OK; status == POSSE_OK && brought < EACH;) {
        uint32_t item = order->producer * EACH + brought;
        status = posse_queue_put(order->queue, &item, sizeof item, SOON_MS);
        brought += status == POSSE_OK;
        if (status != POSSE_OK && status != POSSE_TIMEOUT)
            return posse_task_fail(task, WRONG_END, "put: %s", posse_status_name(status));
    }
    return posse_task_return(task, &brought, sizeof brought) == POSSE_OK ? 0 : NO_ROOM;
}

static posse_status take_one(const struct belt_order *order)
{
    uint32_t item = 0;
    size_t size = 0;
    posse_status status = posse_queue_get(order->queue, &item, sizeof item, &size, SOON_MS);
    if (status == POSSE_OK)
        atomic_fetch_add(&order->came[item % (HANDS * EACH)].runs, 1);
    return status;
}

static int take(posse_task *task, const void *arg, size_t size)
{
    const struct belt_order *order = arg;
    meet(order->roster, order->die_after_us);
    for (int i = 0; i < EACH; i++) {
        posse_status status = take_one(order);
        if (status == POSSE_TIMEOUT)
            break;
        if (status != POSSE_OK)
            return posse_task_fail(task, WRONG_END, "get: %s", posse_status_name(status));
    }
    return 0;
}

/* The pair of tasks ended; how many items the producer brought, or -1. */
static long end_of_one(struct driver *driver, posse_future future, uint64_t number, long *deaths)
{
    posse_error error = {.struct_size = sizeof error};
    uint32_t brought = 0;
    posse_status status = posse_exception(future, patience(driver->chaos), &error);
    if (status == POSSE_OK && error.status == POSSE_OK) {
        (void)posse_result_into(future, 0, &brought, sizeof brought, NULL);
    } else if (status == POSSE_OK && error.status == POSSE_WORKER_LOST &&
               explained(driver->chaos, error.pid, loss_of(driver, number))) {
        ++*deaths;
    } else if (went_well(driver->chaos, "exception at a queue", status) &&
               !(error.status == POSSE_CANCELLED && cancels(driver->chaos))) {
        blame(driver->chaos, "a task at a queue: %s (%s)", posse_status_name(error.status),
              error.message);
    }
    posse_release(future);
    return status == POSSE_OK && error.status == POSSE_OK ? (long)brought : -1;
}

/* What producer p said, and what has come. */
static void count_items(struct driver *driver, const struct belt_order *order, const long *brought,
                        long deaths)
{
    long missing = 0;
    for (int i = 0; i < HANDS * EACH; i++) {
        uint32_t came = atomic_load(&order->came[i].runs);
        long said = brought[i / EACH];
        missing += i % EACH < said && came == 0;
        if (came > 1 || (said >= 0 && i % EACH >= said && came > 0))
            blame(driver->chaos, "item %d of %ld came %u times", i, said, came);
    }
    if (missing > deaths && !driver->chaos->mortal)
        blame(driver->chaos, "%ld items were lost with %ld consumers", missing, deaths);
}

static struct belt_order make_order(struct driver *driver, posse_queue queue)
{
    struct belt_order order = {.queue = queue, .roster = driver->chaos->roster};
    order.came = next_entry(driver, false);
    for (int i = 1; i < HANDS * EACH; i++)
        (void)next_entry(driver, false);
    return order;
}

static void run_belt(struct driver *driver, struct belt_order *order)
{
    posse_future futures[2 * HANDS];
    long brought[HANDS] = {0}, deaths = 0, harmless = 0;
    uint64_t first = (uint64_t)(order->came - driver->entries);
    int given = 0;
    for (int i = 0; i < 2 * HANDS; i++, given++) {
        order->producer = (uint32_t)i / 2;
        order->die_after_us =
            driver->chaos->arm_us != 0 ? 1 + below(&driver->random, driver->chaos->arm_us) : 0;
        posse_status status = posse_submit(driver->chaos->pool, i % 2 == 0 ? bring : take, order,
                                           sizeof *order, &futures[i]);
        if (!was_let_in(driver->chaos, "submit at a queue", status))
            break;
        count(driver->chaos, ACCEPTED, 1);
    }
    for (int i = 0; i < 4 && take_one(order) == POSSE_OK; i++) {
    }
    for (int i = 0; i < given; i++) {
        long said =
            end_of_one(driver, futures[i], first + (uint64_t)i, i % 2 == 0 ? &harmless : &deaths);
        brought[i / 2] = i % 2 == 0 ? said : brought[i / 2];
    }
    while (take_one(order) == POSSE_OK) {
    }
    count_items(driver, order, brought, deaths);
}

void play_belt(struct driver *driver)
{
    posse_queue queue;
    posse_status status = posse_queue_create(driver->chaos->pool, 1 + below(&driver->random, 8),
                                             sizeof(uint32_t), &queue);
    if (status == POSSE_OK) {
        struct belt_order order = make_order(driver, queue);
        run_belt(driver, &order);
        status = posse_queue_destroy(queue);
    }
    (void)went_well(driver->chaos, "queue", status);
    count(driver->chaos, BELTS, 1);
}

/* Blocks of several sizes, that nobody else may write to. */
void play_memory(struct driver *driver)
{
    void *blocks[8] = {0};
    size_t sizes[COUNT(blocks)];
    uint64_t seed = mix(driver->random);
    for (size_t i = 0; i < COUNT(blocks); i++) {
        sizes[i] = 1 + below(&driver->random, i == 0 ? 300000 : 5000);
        if (posse_alloc(driver->chaos->pool, sizes[i], &blocks[i]) == POSSE_OK)
            fill(blocks[i], sizes[i], seed + i);
    }
    work_for(below(&driver->random, 200));
    for (size_t i = 0; i < COUNT(blocks); i++)
        if (blocks[i] != NULL && (!is_filled(blocks[i], sizes[i], seed + i) ||
                                  posse_free(driver->chaos->pool, blocks[i]) != POSSE_OK))
            blame(driver->chaos, "a block of %zu bytes was written to, or freed", sizes[i]);
}
