/* shm_full.c - /dev/shm gets full while a pool is at work: whatever needs memory is told so, no
 * worker dies of it, and when there is room again all goes on.
 *
 * Each test runs in a child that has a /dev/shm of its own. A file there takes what is left of it.
 */
#include "support/maps.h"
#include "support/objects.h"
#include "support/shm.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define SIZE "size=4m"
#define MAX_BYTES 300000 /* of one thing */

/* ---- what needs memory ---- */

struct churn {
    posse_executor *pool;
    unsigned seed;
    _Atomic int stop;
    long good, refused; /* calls */
};

/* Counts how a call went. False: as it may not go. */
static bool noted(struct churn *churn, posse_status status)
{
    churn->good += status == POSSE_OK;
    churn->refused += status == POSSE_NO_MEMORY;
    return status == POSSE_OK || status == POSSE_NO_MEMORY;
}

static size_t any_size(struct churn *churn)
{
    size_t most = rand_r(&churn->seed) % 2 ? MAX_BYTES : 3000;
    return 1 + (size_t)rand_r(&churn->seed) % most;
}

static int allocate(struct churn *churn)
{
    void *memory[4] = {NULL};
    for (size_t i = 0; i < COUNT(memory); i++) {
        size_t size = any_size(churn);
        posse_status status = posse_alloc(churn->pool, size, &memory[i]);
        REQUIRE(noted(churn, status));
        if (status == POSSE_OK)
            memset(memory[i], 0x5a, size);
        else
            memory[i] = NULL;
    }
    for (size_t i = 0; i < COUNT(memory); i++)
        REQUIRE(posse_free(churn->pool, memory[i]) == POSSE_OK);
    return 0;
}

/* There and back. The task gives up if there is no room for its result. */
static int echo(struct churn *churn)
{
    static const char bytes[MAX_BYTES] = "bytes";
    const void *data;
    size_t size = any_size(churn);
    size_t back;
    posse_error error = {.struct_size = sizeof error};
    posse_future future;
    posse_status status = posse_submit(churn->pool, echo_task, bytes, size, &future);
    REQUIRE(noted(churn, status));
    if (status != POSSE_OK)
        return 0;
    REQUIRE(posse_exception(future, -1, &error) == POSSE_OK);
    REQUIRE(error.status == POSSE_OK ||
            (error.status == POSSE_TASK_FAILED && error.code == GAVE_UP));
    churn->refused += error.status != POSSE_OK;
    if (error.status == POSSE_OK) {
        REQUIRE(posse_result(future, 0, &data, &back) == POSSE_OK && back == size);
        REQUIRE(memcmp(data, bytes, size) == 0);
    }
    return posse_release(future) == POSSE_OK ? 0 : 1;
}

/* Small ones, more than there were ever slots for. */
static int burst(struct churn *churn)
{
    for (int i = 0; i < 300; i++)
        REQUIRE(noted(churn, posse_submit(churn->pool, identity_task, NULL, 0, NULL)));
    return 0;
}

static int copy_item(posse_task *task, const void *const *items, void *result)
{
    memcpy(result, items[0], sizeof(long));
    return 0;
}

/* Large items, arguments and results. */
static int map_large(struct churn *churn)
{
    enum { ITEMS_OF_MAP = 6 };
    static const char bytes[ITEMS_OF_MAP * MAX_BYTES] = "";
    posse_input input = {.data = bytes, .size = any_size(churn) + sizeof(long)};
    posse_map_job job = map_job(copy_item, &input, 1, ITEMS_OF_MAP);
    job.result_size = input.size < MAX_BYTES ? input.size : MAX_BYTES;
    input.size = job.result_size;
    job.chunksize = 1;
    job.unordered = rand_r(&churn->seed) % 2 == 0;
    posse_status status = posse_map(churn->pool, &job, NULL);
    REQUIRE(noted(churn, status) || status == POSSE_TASK_FAILED);
    return 0;
}

static int use_tools(struct churn *churn)
{
    posse_lock lock;
    posse_queue queue;
    long value = 3;
    posse_status status = posse_lock_create(churn->pool, &lock);
    REQUIRE(noted(churn, status));
    REQUIRE(status != POSSE_OK || posse_lock_destroy(lock) == POSSE_OK);
    status = posse_queue_create(churn->pool, 1 + any_size(churn) / 100, 64, &queue);
    REQUIRE(noted(churn, status));
    if (status == POSSE_OK) {
        REQUIRE(put_long(queue, value, 0) == POSSE_OK && get_long(queue, &value, 0) == POSSE_OK);
        REQUIRE(value == 3 && posse_queue_destroy(queue) == POSSE_OK);
    }
    return 0;
}

/* In the worker: memory, a result that is replaced by others, a task of its own. */
static int needing_task(posse_task *task, const void *arg, size_t size)
{
    posse_executor *pool = posse_task_executor(task);
    posse_future future;
    void *memory;
    for (size_t bytes = size; bytes < MAX_BYTES; bytes *= 5) {
        void *result = posse_task_reserve(task, bytes);
        if (result != NULL)
            memset(result, 1, bytes);
        if (posse_alloc(pool, bytes, &memory) == POSSE_OK) {
            memset(memory, 1, bytes);
            if (posse_free(pool, memory) != POSSE_OK)
                return WRONG_ARG;
        }
        if (posse_submit(pool, echo_task, arg, size, &future) == POSSE_OK) {
            (void)posse_result(future, -1, NULL, NULL);
            (void)posse_release(future);
        }
    }
    return posse_task_fail(task, 5, "%0250d", 5); /* a message that does not fit into the slot */
}

static int need(struct churn *churn)
{
    static const char bytes[3000] = "";
    posse_future futures[3];
    bool taken[3];
    for (int i = 0; i < 3; i++) {
        size_t size = 1 + (size_t)rand_r(&churn->seed) % sizeof bytes;
        posse_status status = posse_submit(churn->pool, needing_task, bytes, size, &futures[i]);
        REQUIRE(noted(churn, status));
        taken[i] = status == POSSE_OK;
    }
    for (int i = 0; i < 3; i++) {
        posse_error error = {.struct_size = sizeof error};
        if (taken[i]) {
            REQUIRE(posse_exception(futures[i], -1, &error) == POSSE_OK);
            REQUIRE(error.status == POSSE_TASK_FAILED && error.code == 5);
            REQUIRE(error.message[0] != '\0' && posse_release(futures[i]) == POSSE_OK);
        }
    }
    return 0;
}

static int (*const needs[])(struct churn *) = {allocate, echo, burst, map_large, use_tools, need};

/* ---- the tests ---- */

/* All of it, once, in a pool that has no memory left but what it holds. */
static int nothing_left(void)
{
    struct churn churn = {.seed = 1};
    int filler = open_filler();
    REQUIRE(filler >= 0 && create_in(&churn.pool) == POSSE_OK && pool_works(churn.pool) == 0);
    for (int round = 0; round < 20; round++) {
        fill_up(filler);
        for (size_t i = 0; i < COUNT(needs); i++)
            REQUIRE(needs[i](&churn) == 0);
        make_room(filler);
        REQUIRE(pool_works(churn.pool) == 0);
    }
    dprintf(STDOUT_FILENO, "%ld calls, %ld of them refused\n", churn.good + churn.refused,
            churn.refused);
    REQUIRE(churn.refused > 0);
    (void)close(filler);
    return ends(churn.pool);
}

TEST(full_and_empty, PROCESSES)
{
    assert_with_shm((struct shm){"/dev/shm", SIZE, 0, nothing_left});
}

/* Fills and empties, at any moment. */
static void *come_and_go(void *context)
{
    struct churn *churn = context;
    unsigned seed = churn->seed + 1;
    int filler = open_filler();
    while (filler >= 0 && !atomic_load(&churn->stop)) {
        fill_up(filler);
        usleep((unsigned)rand_r(&seed) % 3000);
        make_room(filler);
        usleep((unsigned)rand_r(&seed) % 2000);
    }
    (void)close(filler);
    return NULL;
}

/* A pool comes to hold all that it needs: so there is another one soon. */
static int use_one(struct churn *churn)
{
    posse_status status = create_in(&churn->pool);
    REQUIRE(noted(churn, status));
    if (status != POSSE_OK)
        return 0;
    for (int i = 0; i < 100; i++)
        REQUIRE(needs[(size_t)rand_r(&churn->seed) % COUNT(needs)](churn) == 0);
    return ends(churn->pool);
}

static unsigned first_seed; /* drawn by the runner: what a child draws is not in its log */

static int at_any_moment(void)
{
    struct churn churn = {.seed = first_seed};
    pthread_t thread;
    long ms = in_long_run(2000, 45000);
    REQUIRE(pthread_create(&thread, NULL, come_and_go, &churn) == 0);
    for (long end = now_ms() + ms; now_ms() < end || churn.refused == 0;)
        REQUIRE(use_one(&churn) == 0);
    atomic_store(&churn.stop, 1);
    pthread_join(thread, NULL);
    dprintf(STDOUT_FILENO, "%ld calls, %ld of them refused\n", churn.good + churn.refused,
            churn.refused);
    REQUIRE(create_in(&churn.pool) == POSSE_OK && pool_works(churn.pool) == 0);
    return ends(churn.pool);
}

TEST(full_at_any_moment, PROCESSES)
{
    first_seed = (unsigned)test_seed(UINT_MAX);
    assert_with_shm((struct shm){"/dev/shm", SIZE, 0, at_any_moment});
}
