/* setup.c - what options say of workers holds in the agents: initializer, finalizer, replacement,
 * sizes. */
#include "remote/kit/remote.h"

#include "base/tuning.h"
#include "remote/setup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the initializer ---- */

static long initialized; /* of this process */

static int set_task(posse_task *task, const void *arg, size_t size)
{
    memcpy(&initialized, arg, sizeof initialized);
    pause_ms(20);
    return 0;
}

static int tell_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, initialized);
}

TEST(it_runs_before_the_first_task_of_each_worker, PROCESSES)
{
    long value = 12345;
    posse_executor *pool = REMOTE_WITH("a:2,b:1", .initializer = set_task,
                                       .initializer_arg = &value, .initializer_size = sizeof value);
    posse_future futures[60];
    for (int i = 0; i < 60; i++)
        futures[i] = submitted(pool, tell_task, NULL, 0);
    for (int i = 0; i < 60; i++)
        assert_int_equal(take_long(futures[i]), value);
    take_error(submitted_long(pool, signal_task, SIGKILL), POSSE_WORKER_LOST);
    assert_int_equal(take_long(submitted(pool, tell_task, NULL, 0)), value); /* its replacement */
    end_remote(pool);
}

static int sum_task(posse_task *task, const void *arg, size_t size)
{
    for (size_t i = 0; i < size; i++)
        initialized += ((const unsigned char *)arg)[i];
    return 0;
}

/* More than a socket takes at once. */
TEST(its_argument_may_be_large, PROCESSES)
{
    size_t size = (size_t)20 << 20;
    char *bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, 1, size);
    posse_executor *pool = REMOTE_WITH("a:1", .initializer = sum_task, .initializer_arg = bytes,
                                       .initializer_size = size);
    free(bytes);
    assert_int_equal(take_long(submitted(pool, tell_task, NULL, 0)), size);
    end_remote(pool);
}

/* It takes longer than a greeting may, and the time of a task does not begin before. */
static int slow_task(posse_task *task, const void *arg, size_t size)
{
    pause_ms(5500);
    return 0;
}

TEST(the_time_of_a_task_begins_after_it, PROCESSES)
{
    posse_executor *pool = REMOTE_WITH("a:1", .initializer = slow_task);
    posse_job job = {.fn = tell_task, .timeout_ms = 900};
    take_error(submitted_job(pool, job), POSSE_OK);
    end_remote(pool);
}

static int failing_task(posse_task *task, const void *arg, size_t size)
{
    return posse_task_fail(task, 3, "no model here");
}

static int failing_by_zero_task(posse_task *task, const void *arg, size_t size)
{
    return posse_task_fail(task, 0, "no licence");
}

static void assert_breaks(posse_fn *initializer, const char *words)
{
    posse_error why = {.struct_size = sizeof why};
    long value = 3;
    posse_executor *pool = REMOTE_WITH("a:1,a:1", .initializer = initializer);
    posse_future future;
    posse_status status = posse_submit(pool, square_task, &value, sizeof value, &future);
    if (status == POSSE_OK)
        status = posse_result(future, -1, NULL, NULL);
    assert_status(status, POSSE_BROKEN);
    assert_ok(posse_why_broken(pool, &why));
    assert_non_null(strstr(why.message, words));
    assert_non_null(strstr(why.message, " on a"));
    assert_ok(posse_destroy(pool));
}

static int dying_task(posse_task *task, const void *arg, size_t size) { return raise(SIGSEGV); }

TEST(if_it_fails_again_and_again_the_executor_breaks, PROCESSES)
{
    assert_breaks(failing_task, "no model here");
    assert_breaks(failing_by_zero_task, "no licence");
    assert_breaks(dying_task, "signal 11");
}

/* It is told by a file how often it may run. */
static int twice_task(posse_task *task, const void *arg, size_t size)
{
    return access(arg, F_OK) == 0 ? posse_task_fail(task, 1, "not any more") : 0;
}

TEST(it_may_begin_to_fail_later, PROCESSES)
{
    char path[] = "/tmp/posse-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(unlink(path), 0);
    posse_executor *pool = REMOTE_WITH("a:1", .initializer = twice_task, .initializer_arg = path,
                                       .initializer_size = sizeof path);
    assert_int_equal(take_long(submitted_long(pool, square_task, 4)), 16);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    take_error(submitted_long(pool, signal_task, SIGKILL), POSSE_WORKER_LOST);
    posse_error why = {.struct_size = sizeof why};
    for (int i = 0; i < PATIENCE_MS / 10 && why.status != POSSE_BROKEN; i++) {
        posse_future future;
        long value = 1;
        if (posse_submit(pool, square_task, &value, sizeof value, &future) == POSSE_OK)
            (void)posse_result(future, -1, NULL, NULL);
        assert_ok(posse_why_broken(pool, &why));
        pause_ms(10);
    }
    assert_string_equal(why.message, "not any more on a");
    assert_int_equal(unlink(path), 0);
    assert_ok(posse_destroy(pool));
}

/* ---- the finalizer, and replacement ---- */

static int note_task(posse_task *task, const void *arg, size_t size)
{
    int fd = open(arg, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0 || write(fd, "x", 1) != 1)
        return 1;
    return close(fd);
}

TEST(workers_are_replaced_on_their_node_and_finalized, PROCESSES)
{
    char path[] = "/tmp/posse-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    posse_executor *pool = REMOTE_WITH("a:1", .max_tasks_per_worker = 2, .finalizer = note_task,
                                       .finalizer_arg = path, .finalizer_size = sizeof path);
    uint64_t started = 0;
    long pids[6];
    for (int i = 0; i < 6; i++) {
        pids[i] = take_long(submitted(pool, process_task, NULL, 0));
        started = i == 0 ? stats_of(pool).workers_started : started;
    }
    assert_true(pids[0] != pids[2] || pids[2] != pids[4]);
    assert_int_equal(stats_of(pool).workers_started, started); /* no proxy was */
    assert_eventually(lseek(fd, 0, SEEK_END) >= 2);
    end_remote(pool);
    close(fd);
    assert_int_equal(unlink(path), 0);
}

/* Of a pool of two places, whose finalizers note that they have run. */
struct noted {
    char path[32];
    int fd;
};

static struct noted make_noted(void)
{
    struct noted noted = {.path = "/tmp/posse-test-XXXXXX"};
    noted.fd = mkstemp(noted.path);
    assert_true(noted.fd >= 0);
    return noted;
}

static posse_options finalized(const struct noted *noted)
{
    return (posse_options){.struct_size = sizeof(posse_options),
                           .finalizer = note_task,
                           .finalizer_arg = noted->path,
                           .finalizer_size = sizeof noted->path};
}

static void assert_noted(const struct noted *noted, long n)
{
    assert_int_equal(lseek(noted->fd, 0, SEEK_END), n);
    close(noted->fd);
    assert_int_equal(unlink(noted->path), 0);
}

TEST(at_the_end_of_the_pool_each_worker_is_finalized, PROCESSES)
{
    struct noted noted = make_noted();
    struct hand hand = make_by_hand(2, finalized(&noted));
    pid_t agent = start_agent(&hand, 2);
    assert_int_equal(take_long(submitted_long(hand.pool, square_task, 4)), 16);
    end_hand(&hand);
    assert_int_equal(end_of(agent), 0);
    assert_noted(&noted, 2);
}

/* Its agent is in a session of its own: on a busy machine the launcher might kill it before. */
static int program_that_is_killed(void *context)
{
    posse_options options = finalized(context);
    posse_remote_options remote = {.struct_size = sizeof remote,
                                   .launcher = POSSE_LAUNCH_COMMAND,
                                   .nodes = "a:2",
                                   .command = "exec setsid -w sh -c \"exec $POSSE_AGENT\""};
    posse_executor *pool;
    posse_future future;
    long value = 4;
    REQUIRE(posse_remote_create(&options, &remote, &pool) == POSSE_OK);
    REQUIRE(posse_submit(pool, square_task, &value, sizeof value, &future) == POSSE_OK);
    REQUIRE(posse_result(future, PATIENCE_MS, NULL, NULL) == POSSE_OK);
    return kill(getpid(), SIGKILL);
}

TEST(or_when_the_program_is_killed, PROCESSES)
{
    struct noted noted = make_noted();
    assert_true(WIFSIGNALED(wait_status(start_child(program_that_is_killed, &noted))));
    assert_eventually(count_processes() == 0);
    assert_noted(&noted, 2);
}

/* ---- sizes ---- */

static int large_task(posse_task *task, const void *arg, size_t size)
{
    static char bytes[2000];
    posse_status status = posse_task_return(task, bytes, sizeof bytes);
    return return_long(task, status);
}

TEST(a_task_is_told_of_max_result, PROCESSES)
{
    posse_executor *pool = REMOTE_WITH("a:1", .max_result = 1000);
    assert_int_equal(take_long(submitted(pool, large_task, NULL, 0)), POSSE_TOO_LARGE);
    end_remote(pool);
}

TEST(what_setup_refuses, PROCESSES)
{
    posse_executor *pool;
    posse_options options = plain();
    posse_remote_options remote = {.struct_size = sizeof remote};
    options.initializer_size = 3;
    assert_status(posse_remote_create(&options, &remote, &pool), POSSE_INVALID);
    options = plain();
    options.finalizer_arg = &options;
    assert_status(posse_remote_create(&options, &remote, &pool), POSSE_INVALID);
    options = plain();
    options.max_tasks_per_worker = -1;
    assert_status(posse_remote_create(&options, &remote, &pool), POSSE_INVALID);
    options = plain();
    options.message_memory = (size_t)PI_REMOTE_MESSAGES + 1;
    assert_status(posse_remote_create(&options, &remote, &pool), POSSE_TOO_LARGE);
}

/* What no program sends. */
TEST(a_damaged_setup_is_refused, PROCESSES)
{
    unsigned char bytes[300];
    struct pi_setup setup = {.initializer = {.fn = {1, 4096}, .arg = "abc", .size = 3},
                             .message_memory = 1024,
                             .silence_ms = 1000,
                             .prefix = "w"};
    size_t size = pi_setup_write(&setup, bytes, sizeof bytes);
    assert_true(size > 0 && size <= sizeof bytes);
    for (size_t cut = 0; cut <= size; cut++) {
        struct pi_setup read;
        struct pi_pack pack = {.at = bytes, .size = cut};
        assert_int_equal(pi_setup_read(&pack, &read), cut == size);
    }
    for (size_t i = 0; i < 256 * size; i++) {
        struct pi_setup read;
        unsigned char before = bytes[i / 256];
        bytes[i / 256] = (unsigned char)i;
        struct pi_pack pack = {.at = bytes, .size = size};
        if (pi_setup_read(&pack, &read))
            assert_true(read.initializer.size + read.finalizer.size <= size);
        bytes[i / 256] = before;
    }
}
