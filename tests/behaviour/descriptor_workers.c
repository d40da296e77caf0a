/* descriptor_workers.c - tasks that pass descriptors on, workers that cannot get theirs, and how
 * many the supervisor holds. */
#include "support/descriptors.h"
#include "support/sealed.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- tasks that submit ---- */

static int nesting_task(posse_task *task, const void *arg, size_t size)
{
    int ends[2];
    long came = 0;
    posse_future inner;
    if (pipe(ends) != 0)
        return INNER_FAILED;
    posse_job job = job_with(write_task, &written, &ends[1], 1);
    if (posse_submit_with(posse_task_executor(task), &job, &inner) != POSSE_OK)
        return INNER_FAILED;
    close(ends[1]);
    posse_status status = posse_result(inner, -1, NULL, NULL);
    bool good = read(ends[0], &came, sizeof came) == sizeof came && came == written;
    bool closed = read(ends[0], &came, sizeof came) == 0;
    close(ends[0]);
    return posse_release(inner) == POSSE_OK && status == POSSE_OK && good && closed ? 0
                                                                                    : INNER_FAILED;
}

POOL_TEST(tasks_pass_theirs, ALL, 2)
{
    for (int i = 0; i < 10; i++)
        end_well(submitted(pool, nesting_task, NULL, 0));
}

/* ---- sealed workers ---- */

TEST(sealed_workers_get_theirs, SEALABLE)
{
    posse_executor *pool = sealed_pool(1, (posse_seal){.allow = 0});
    struct ends ends = make_pipe();
    for (int i = 0; i < 5; i++) {
        end_well(submitted_write(pool, ends.writer));
        assert_comes(ends.reader);
    }
    end_well(submitted(pool, nesting_task, NULL, 0));
    end_well(submitted_write(pool, ends.writer));
    assert_comes(ends.reader);
    assert_none_is_left(ends);
    end_pool(pool);
}

/* ---- wild workers ---- */

static int close_all_task(posse_task *task, const void *arg, size_t size)
{
    for (int fd = 3; fd < 60; fd++)
        close(fd);
    return 0;
}

static int shut_all_task(posse_task *task, const void *arg, size_t size)
{
    for (int fd = 3; fd < 60; fd++)
        (void)shutdown(fd, SHUT_RDWR);
    return 0;
}

static void assert_later_ones_work(posse_executor *pool)
{
    struct ends ends = make_pipe();
    for (int i = 0; i < 5; i++) {
        end_well(submitted_write(pool, ends.writer));
        assert_comes(ends.reader);
    }
    end_well(submitted(pool, nesting_task, NULL, 0));
    assert_none_is_left(ends);
}

POOL_TEST(a_task_that_closes_all_harms_itself, PROCESSES, 1)
{
    end_well(submitted(pool, close_all_task, NULL, 0));
    assert_later_ones_work(pool);
}

TEST(a_sealed_task_that_closes_all_harms_itself, SEALABLE)
{
    posse_executor *pool = sealed_pool(1, (posse_seal){.allow = 0});
    end_well(submitted(pool, close_all_task, NULL, 0));
    assert_later_ones_work(pool);
    end_well(submitted(pool, shut_all_task, NULL, 0));
    assert_later_ones_work(pool);
    end_pool(pool);
}

POOL_TEST(a_task_that_shuts_sockets_harms_itself, PROCESSES, 1)
{
    end_well(submitted(pool, shut_all_task, NULL, 0));
    assert_later_ones_work(pool);
}

TEST(an_initializer_that_closes_all_makes_them_fail, PROCESSES)
{
    posse_options options = default_options();
    options.max_workers = 1;
    options.initializer = close_all_task;
    posse_executor *pool = make_pool_with(options);
    struct ends ends = make_pipe();
    for (int i = 0; i < 2; i++)
        (void)take_error(submitted_write(pool, ends.writer), POSSE_TASK_FAILED);
    assert_none_is_left(ends);
    assert_int_equal(stats_of(pool).workers_started, 1);
    end_pool(pool);
}

static int limit_task(posse_task *task, const void *arg, size_t size)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    limit.rlim_cur = (rlim_t)posse_task_descriptor(task, 0);
    return setrlimit(RLIMIT_NOFILE, &limit);
}

POOL_TEST(a_worker_without_room_fails_its_task, PROCESSES, 1)
{
    struct ends ends = make_pipe();
    end_well(submitted_job(pool, job_with(limit_task, NULL, &ends.writer, 1)));
    (void)take_error(submitted_write(pool, ends.writer), POSSE_TASK_FAILED);
    assert_none_is_left(ends);
}

/* ---- how many ---- */

#define LIMIT 100

static int fill_supervisor(void *unused)
{
    struct rlimit limit;
    posse_executor *pool;
    struct gate *gate;
    posse_future held, futures[LIMIT];
    int ends[2], n = 0;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = LIMIT;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    REQUIRE((pool = open_pool(1)) && pipe(ends) == 0);
    REQUIRE(posse_alloc(pool, sizeof *gate, (void **)&gate) == POSSE_OK);
    memset(gate, 0, sizeof *gate);
    for (int round = 0; round < 3; round++, n = 0) {
        gate->open = 0;
        REQUIRE(posse_submit(pool, hold_task, &gate, sizeof gate, &held) == POSSE_OK);
        posse_job job = job_with(write_task, &written, &ends[1], 1);
        while (n < LIMIT && posse_submit_with(pool, &job, &futures[n]) == POSSE_OK)
            n++;
        REQUIRE(n > 20 && n < LIMIT && errno == EMFILE);
        open_gate(gate);
        for (long came; n > 0; n--) {
            REQUIRE(posse_result(futures[n - 1], -1, NULL, NULL) == POSSE_OK);
            REQUIRE(posse_release(futures[n - 1]) == POSSE_OK);
            REQUIRE(read(ends[0], &came, sizeof came) == sizeof came && came == written);
        }
        REQUIRE(posse_result(held, -1, NULL, NULL) == POSSE_OK && posse_release(held) == POSSE_OK);
    }
    REQUIRE(posse_free(pool, gate) == POSSE_OK);
    return posse_destroy(pool) == POSSE_OK ? 0 : 1;
}

TEST(the_supervisor_has_a_limit, PROCESSES) { assert_child(fill_supervisor, NULL); }
