/* sealed_start.c - what a worker keeps when it is sealed, and how it comes to be. */
#include "support/maps.h"
#include "support/sealed.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/prctl.h>
#include <unistd.h>

/* ---- what posse_create refuses ---- */

static void assert_refused(posse_seal seal, posse_status status, const char *words)
{
    posse_executor *pool = NULL;
    posse_options options = OPTIONS(1, .seal = &seal);
    assert_status(posse_create(&options, &pool), status);
    assert_null(pool);
    if (words)
        assert_string_equal(posse_last_error(), words);
}

TEST(not_with_threads_or_inline, THREADS | INLINE)
{
    assert_refused((posse_seal){.struct_size = sizeof(posse_seal)}, POSSE_NOT_SUPPORTED,
                   "options.seal: only worker processes can be sealed");
}

TEST(bad_seals, SEALABLE)
{
    const char *const none[] = {NULL}, *const missing[] = {"/there/is/none"}, *const root[] = {"/"};
    const uint16_t port[] = {80};
    int closed[] = {-1};
    posse_seal seal = {.struct_size = sizeof seal, .allow = 0x200};
    assert_refused(seal, POSSE_INVALID, "options.seal.allow has an unknown bit");
    seal = (posse_seal){.struct_size = 1};
    assert_refused(seal, POSSE_INVALID, "struct_size is not the size of the struct");
    seal = (posse_seal){.struct_size = sizeof seal, .n_readable = 1};
    assert_refused(seal, POSSE_INVALID, "options.seal has a number without its list");
    seal.readable = none;
    assert_refused(seal, POSSE_INVALID, "options.seal lists a path that is NULL");
    seal.readable = root;
    seal.allow = POSSE_ALLOW_FILES;
    assert_refused(seal, POSSE_INVALID, "options.seal allows all files and lists paths");
    seal = (posse_seal){.struct_size = sizeof seal, .n_connectable = 1};
    assert_refused(seal, POSSE_INVALID, "options.seal has a number without its list");
    seal.connectable = port;
    seal.allow = POSSE_ALLOW_NETWORK;
    assert_refused(seal, POSSE_INVALID, "options.seal allows all of the network and lists ports");
    seal = (posse_seal){.struct_size = sizeof seal, .bindable = port, .n_bindable = 1001};
    assert_refused(seal, POSSE_TOO_LARGE,
                   "options.seal lists over 1000 paths, descriptors or ports");
    seal = (posse_seal){.struct_size = sizeof seal, .descriptors = closed, .n_descriptors = 1};
    assert_refused(seal, POSSE_INVALID, "options.seal.descriptors has one that is not open");
    seal.n_descriptors = 1001;
    assert_refused(seal, POSSE_TOO_LARGE,
                   "options.seal lists over 1000 paths, descriptors or ports");
    end_pool(sealed_pool(1, (posse_seal){.readable = root, .n_readable = 1}));
    seal = (posse_seal){.struct_size = sizeof seal, .readable = missing, .n_readable = 1};
    errno = 0;
    assert_refused(seal, POSSE_SYSTEM, "options.seal: a path cannot be opened");
    assert_int_equal(errno, ENOENT);
}

/* Of a program that was built with another version of posse_seal.h. */
TEST(seals_of_another_size, SEALABLE)
{
    struct {
        posse_seal seal;
        uint64_t more;
    } later = {.seal.struct_size = offsetof(posse_seal, readable)};
    posse_options options = OPTIONS(1, .seal = &later.seal);
    end_pool(sealed_pool(1, (posse_seal){.allow = 0})); /* or skips */
    posse_executor *pool = make_pool_with(options);
    take_error(submitted(pool, socket_task, NULL, 0), POSSE_FORBIDDEN);
    end_pool(pool);
    later.seal.struct_size = sizeof later;
    end_pool(make_pool_with(options));
    later.more = 1;
    assert_status(posse_create(&options, &pool), POSSE_INVALID);
}

/* ---- descriptors ---- */

static int is_open_task(posse_task *task, const void *arg, size_t size)
{
    int fd;
    memcpy(&fd, arg, sizeof fd);
    return return_long(task, fcntl(fd, F_GETFD) != -1);
}

static int read_task(posse_task *task, const void *arg, size_t size)
{
    int fd;
    char byte = 0;
    memcpy(&fd, arg, sizeof fd);
    if (pread(fd, &byte, 1, 0) != 1)
        return errno;
    return return_long(task, byte);
}

static long open_descriptors; /* in the worker: above stdio, and below a hundred */

static int count_task_descriptors(posse_task *task, const void *arg, size_t size)
{
    open_descriptors = 0;
    for (int fd = 3; fd < 100; fd++)
        open_descriptors += fcntl(fd, F_GETFD) != -1;
    return return_long(task, open_descriptors);
}

#define POSSES 3 /* on which it asks for descriptors of tasks: pool/descriptors.h */

TEST(descriptors, SEALABLE)
{
    char name[] = "/tmp/posse-seal-XXXXXX";
    int kept = mkstemp(name), other = fcntl(kept, F_DUPFD_CLOEXEC, 80); /* posse's are below */
    assert_true(kept > 2 && other > 2);
    assert_int_equal(write(kept, "k", 1), 1);
    assert_int_equal(unlink(name), 0);
    posse_executor *pool = sealed_pool(1, (posse_seal){.descriptors = &kept, .n_descriptors = 1});
    for (int i = 0; i < 2; i++) {
        assert_int_equal(take_long(SUBMIT_VALUE(pool, is_open_task, kept)), 1);
        assert_int_equal(take_long(SUBMIT_VALUE(pool, is_open_task, other)), 0);
        assert_int_equal(take_long(SUBMIT_VALUE(pool, read_task, kept)), 'k');
        assert_int_equal(take_long(submitted(pool, count_task_descriptors, NULL, 0)), 1 + POSSES);
        take_error(submitted(pool, socket_task, NULL, 0), POSSE_FORBIDDEN); /* the next worker */
    }
    end_pool(pool);
    pool = sealed_pool(1, (posse_seal){.allow = POSSE_ALLOW_DESCRIPTORS});
    assert_int_equal(take_long(SUBMIT_VALUE(pool, is_open_task, other)), 1);
    end_pool(pool);
    close(kept);
    close(other);
}

/* ---- the initializer ---- */

static int opened_before = -1;

static int opening_initializer(posse_task *task, const void *arg, size_t size)
{
    opened_before = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    return opened_before < 0 ? errno : 0;
}

static int read_opened_task(posse_task *task, const void *arg, size_t size)
{
    return read_task(task, &opened_before, sizeof opened_before);
}

TEST(the_initializer_opens_what_tasks_need, SEALABLE)
{
    posse_options options = with_initializer(opening_initializer, NULL, 0);
    posse_executor *pool = sealed_pool_with(options, (posse_seal){.allow = 0});
    for (int i = 0; i < 5; i++) {
        assert_true(take_long(submitted(pool, read_opened_task, NULL, 0)) > 0);
        take_error(submitted(pool, socket_task, NULL, 0), POSSE_FORBIDDEN);
    }
    end_pool(pool);
}

/* ---- what waits in an initializer ---- */

typedef posse_status wait_in(posse_executor *pool, posse_future future);

static posse_status by_result(posse_executor *pool, posse_future future)
{
    return posse_result(future, -1, NULL, NULL);
}

static posse_status by_wait(posse_executor *pool, posse_future future)
{
    return posse_wait(&future, 1, POSSE_ALL_COMPLETED, -1, NULL, NULL);
}

static posse_status by_iter(posse_executor *pool, posse_future future)
{
    posse_completion_iter *iter;
    posse_future next;
    posse_status status = posse_as_completed(&future, 1, -1, &iter);
    if (status == POSSE_OK)
        status = posse_completion_iter_next(iter, &next, NULL);
    posse_completion_iter_close(iter);
    return status;
}

static posse_status by_map(posse_executor *pool, bool unordered)
{
    long numbers[2] = {1, 2}, squares[2];
    const posse_input input = {.data = numbers, .size = sizeof numbers[0]};
    posse_map_job job = map_job(square_item, &input, 1, 2);
    job.results = squares;
    job.unordered = unordered;
    return posse_map(pool, &job, NULL);
}

static posse_status by_ordered_map(posse_executor *pool, posse_future future)
{
    return by_map(pool, false);
}

static posse_status by_unordered_map(posse_executor *pool, posse_future future)
{
    return by_map(pool, true);
}

static wait_in *const waits[] = {by_result, by_wait, by_iter, by_ordered_map, by_unordered_map};

/* What a task of its executor gives there. */
static int waiting_initializer(posse_task *task, const void *arg, size_t size)
{
    long value = 7;
    posse_executor *pool = posse_task_executor(task);
    for (size_t i = 0; i < COUNT(waits); i++) {
        posse_future future;
        if (posse_submit(pool, square_task, &value, sizeof value, &future) != POSSE_OK)
            return 1;
        posse_status status = waits[i](pool, future);
        if (posse_release(future) != POSSE_OK)
            return 2;
        if (status != POSSE_DEADLOCK)
            return posse_task_fail(task, 3, "way %zu: %s", i, posse_status_name(status));
    }
    return 0;
}

/* It would run the task in a worker that is not sealed yet. */
TEST(the_initializer_runs_no_task, SEALABLE)
{
    posse_options options = with_initializer(waiting_initializer, NULL, 0);
    options.max_workers = 1;
    posse_executor *pool = sealed_pool_with(options, (posse_seal){.allow = 0});
    assert_int_equal(take_long(submitted_long(pool, square_task, 9)), 81);
    end_pool(pool);
}

/* ---- other executors ---- */

static int reading_task(posse_task *task, const void *arg, size_t size)
{
    const char *there;
    memcpy(&there, arg, sizeof there);
    return return_long(task, *(const volatile char *)there);
}

/* It would reach workers that are not sealed. */
static void assert_unreachable(posse_executor *other)
{
    void *block;
    assert_ok(posse_alloc(other, 100, &block));
    *(char *)block = 3;
    posse_executor *pool = sealed_pool(1, (posse_seal){.allow = POSSE_ALLOW_FILES});
    posse_error error = take_error(SUBMIT_VALUE(pool, reading_task, block), POSSE_WORKER_LOST);
    assert_int_equal(error.signal, SIGSEGV);
    assert_int_equal(take_long(submitted_long(pool, square_task, 9)), 81);
    end_pool(pool);
    assert_int_equal(*(char *)block, 3);
    assert_ok(posse_free(other, block));
    end_pool(other);
}

TEST(memory_of_another_executor, SEALABLE) { assert_unreachable(make_pool(1)); }

/* No file may be as long as its memory, so that has no object and no name. */
TEST(memory_without_a_name, SEALABLE)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    struct rlimit low = {.rlim_cur = 64 << 20, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    posse_executor *other = open_pool(1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_non_null(other);
    assert_unreachable(other);
}

static void *wait_for_ever(void *nothing)
{
    pause();
    return nothing;
}

static int threaded_initializer(posse_task *task, const void *arg, size_t size)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, wait_for_ever, NULL);
}

static void *end_at_once(void *nothing) { return nothing; }

static int joining_initializer(posse_task *task, const void *arg, size_t size)
{
    pthread_t threads[8];
    int error = 0;
    for (size_t i = 0; i < COUNT(threads); i++)
        error |= pthread_create(&threads[i], NULL, end_at_once, NULL);
    for (size_t i = 0; i < COUNT(threads); i++)
        error |= pthread_join(threads[i], NULL);
    return error;
}

/* The kernel may count such a thread for a moment longer. */
TEST(an_initializer_whose_threads_have_ended, SEALABLE)
{
    posse_options options = with_initializer(joining_initializer, NULL, 0);
    options.max_tasks_per_worker = 1;
    posse_executor *pool = sealed_pool_with(options, (posse_seal){.allow = 0});
    for (long i = 0; i < 100; i++)
        assert_int_equal(take_long(submitted_long(pool, square_task, i)), i * i);
    assert_int_equal(stats_of(pool).workers_lost, 0);
    end_pool(pool);
}

/* The seal would not reach that thread. */
TEST(an_initializer_that_leaves_threads, SEALABLE)
{
    posse_options options = with_initializer(threaded_initializer, NULL, 0);
    posse_executor *pool = sealed_pool_with(options, (posse_seal){.allow = 0});
    posse_error why = {.struct_size = sizeof why};
    assert_eventually(posse_why_broken(pool, &why) == POSSE_OK && why.status == POSSE_BROKEN);
    assert_non_null(strstr(why.message, "the worker cannot be sealed"));
    assert_ok(posse_destroy(pool));
}

/* ---- environment and dumps ---- */

static int environment_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, getenv("PATH") != NULL || getenv("POSSE_TEST_SEALED") != NULL);
}

/* Whether it leaves a core: by itself, and as far as its limit lets it. */
static int dumpable_task(posse_task *task, const void *arg, size_t size)
{
    struct rlimit core;
    if (getrlimit(RLIMIT_CORE, &core) != 0)
        return GAVE_UP;
    return return_long(task, prctl(PR_GET_DUMPABLE) + (core.rlim_max == 0 ? 0 : 10));
}

static const char *path; /* the string that the runner was started with */

static int overwritten_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, path[0]);
}

TEST(environment, SEALABLE)
{
    path = getenv("PATH");
    assert_non_null(path);
    assert_int_equal(setenv("POSSE_TEST_SEALED", "secret", 1), 0);
    posse_executor *pool = sealed_pool(1, (posse_seal){.allow = 0});
    assert_int_equal(take_long(submitted(pool, environment_task, NULL, 0)), 0);
    assert_int_equal(take_long(submitted(pool, overwritten_task, NULL, 0)), 0);
    end_pool(pool);
    pool = sealed_pool(1, (posse_seal){.allow = POSSE_ALLOW_ENVIRONMENT});
    assert_int_equal(take_long(submitted(pool, environment_task, NULL, 0)), 1);
    assert_int_equal(take_long(submitted(pool, overwritten_task, NULL, 0)), path[0]);
    end_pool(pool);
    assert_string_equal(getenv("POSSE_TEST_SEALED"), "secret");
    assert_int_equal(unsetenv("POSSE_TEST_SEALED"), 0);
}

TEST(dumpable, SEALABLE)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_CORE, &before), 0);
    if (before.rlim_max == 0)
        skip(); /* nobody may */
    posse_executor *pool = sealed_pool(1, (posse_seal){.allow = 0});
    assert_int_equal(take_long(submitted(pool, dumpable_task, NULL, 0)), 0);
    end_pool(pool);
    pool = sealed_pool(1, (posse_seal){.allow = POSSE_ALLOW_DUMPS});
    assert_int_equal(take_long(submitted(pool, dumpable_task, NULL, 0)), 11);
    end_pool(pool);
}
