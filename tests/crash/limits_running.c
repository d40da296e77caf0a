/* limits_running.c - limits that are reached by what a program asks of a pool that it has: each
 * call says so and changes nothing, and the limit is raised one by one until the call works.
 *
 * Each test runs in a child of another user, as nothing is too much for root.
 */
#include "support/support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define USER 54323

/* A call that needs something; it undoes what it did. */
typedef posse_status attempt(posse_executor *pool);

struct edge {
    int resource;
    rlim_t from, step; /* from: with RLIMIT_AS beyond what is in use */
    attempt *call;
};

/* Makes the call under the limit; what is left is looked at without it. */
static int try_with(posse_executor *pool, const struct edge *edge, rlim_t most,
                    posse_status *status)
{
    struct rlimit before;
    int descriptors = count_descriptors();
    int threads = count_threads();
    REQUIRE(getrlimit((__rlimit_resource_t)edge->resource, &before) == 0);
    struct rlimit limit = {most, before.rlim_max};
    REQUIRE(setrlimit((__rlimit_resource_t)edge->resource, &limit) == 0);
    errno = 0;
    *status = edge->call(pool);
    int error = errno;
    REQUIRE(setrlimit((__rlimit_resource_t)edge->resource, &before) == 0);
    REQUIRE(*status == POSSE_OK || *status == POSSE_NO_MEMORY ||
            (*status == POSSE_SYSTEM && error != 0));
    REQUIRE(pool_works(pool) == 0 && count_descriptors() == descriptors);
    for (long end = now_ms() + PATIENCE_MS; *status != POSSE_OK && count_threads() != threads;)
        REQUIRE(now_ms() < end); /* one that was joined is seen for an instant longer */
    return 0;
}

static int raise_limit(posse_executor *pool, const struct edge *edge)
{
    enum { STEPS = 300 };
    posse_status status = POSSE_SYSTEM;
    int failures = 0;
    for (rlim_t i = 0; i < STEPS && status != POSSE_OK; i++) {
        REQUIRE(try_with(pool, edge, edge->from + i * edge->step, &status) == 0);
        failures += status != POSSE_OK;
    }
    dprintf(STDOUT_FILENO, "%d failures before success\n", failures);
    REQUIRE(status == POSSE_OK && failures > 0);
    return 0;
}

static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm != NULL) {
        (void)!fscanf(statm, "%lu", &pages);
        fclose(statm);
    }
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static int try_edge(void *context)
{
    struct edge edge = *(const struct edge *)context;
    posse_stats stats = {.struct_size = sizeof stats};
    REQUIRE(geteuid() != 0 || setuid(USER) == 0);
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL && pool_works(pool) == 0);
    edge.from += edge.resource == RLIMIT_AS ? address_space() : 0;
    REQUIRE(raise_limit(pool, &edge) == 0);
    REQUIRE(posse_shutdown(pool, 0, -1) == POSSE_OK && posse_get_stats(pool, &stats) == POSSE_OK);
    REQUIRE(stats.futures + stats.memory_blocks + stats.workers_lost == 0);
    return posse_destroy(pool) == POSSE_OK ? 0 : 1;
}

static void assert_edge(struct edge edge) { assert_child(try_edge, &edge); }

/* ---- descriptors ---- */

static posse_status make_descriptor(posse_executor *pool)
{
    posse_completion_queue *completions;
    posse_status status = posse_completion_queue_create(&completions);
    if (status == POSSE_OK)
        posse_completion_queue_destroy(completions);
    return status;
}

TEST(a_descriptor, PARALLEL) { assert_edge((struct edge){RLIMIT_NOFILE, 0, 1, make_descriptor}); }

static posse_status make_another_pool(posse_executor *pool)
{
    posse_executor *other = NULL;
    posse_options options = OPTIONS(2);
    posse_status status = posse_create(&options, &other);
    if (status == POSSE_OK) {
        status = pool_works(other) == 0 ? POSSE_OK : POSSE_INVALID;
        (void)posse_destroy(other);
    }
    return status;
}

TEST(another_pool_by_descriptors, PROCESSES)
{
    assert_edge((struct edge){RLIMIT_NOFILE, 0, 1, make_another_pool});
}

/* ---- threads and processes ---- */

TEST(another_pool_by_processes, PARALLEL)
{
    assert_edge((struct edge){RLIMIT_NPROC, 1, 1, make_another_pool});
}

static int hear(posse_future future, void *heard)
{
    atomic_fetch_add((_Atomic int *)heard, 1);
    return 0;
}

/* A callback that was refused is never called. */
static posse_status listen_once(posse_executor *pool)
{
    static _Atomic int heard;
    posse_future future;
    long ms = 20;
    int before = atomic_load(&heard);
    if (posse_submit(pool, sleep_task, &ms, sizeof ms, &future) != POSSE_OK)
        return POSSE_INVALID;
    posse_status status = posse_add_done_callback(future, hear, &heard);
    int error = errno;
    (void)posse_result(future, -1, NULL, NULL);
    int more = status == POSSE_OK;
    for (long end = now_ms() + PATIENCE_MS; now_ms() < end; pause_ms(1))
        if (atomic_load(&heard) - before == more)
            break;
    (void)posse_release(future);
    errno = error;
    return atomic_load(&heard) - before == more ? status : POSSE_INVALID;
}

TEST(a_thread_for_callbacks, PARALLEL)
{
    assert_edge((struct edge){RLIMIT_NPROC, 1, 1, listen_once});
}

/* ---- address space ---- */

/* Waits for N futures, for which the waiting call has no memory. */
static posse_status wait_for_many(posse_executor *pool)
{
    enum { N = 100000 };
    static posse_future many[N];
    posse_status status = posse_submit(pool, identity_task, NULL, 0, &many[0]);
    if (status != POSSE_OK)
        return status;
    for (int i = 1; i < N; i++)
        many[i] = many[0];
    status = posse_wait(many, N, POSSE_ALL_COMPLETED, -1, NULL, NULL);
    (void)posse_result(many[0], -1, NULL, NULL);
    (void)posse_release(many[0]);
    return status;
}

/* Sanitizers need threads and address space of their own. */
#ifdef SANITIZED
#define WHERE_PLAIN 0
#else
#define WHERE_PLAIN PARALLEL
#endif

TEST(room_to_wait, WHERE_PLAIN)
{
    assert_edge((struct edge){RLIMIT_AS, 0, 1 << 20, wait_for_many});
}
