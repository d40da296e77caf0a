/* no_memory.c - an end of the protocol has no memory for what comes or goes, or that is larger than
 * what travels: the task fails, with words, and the next one runs in the same agent. */
#include "remote/kit/peer.h"

#include "base/tuning.h"
#include "remote/net.h"
#include "remote/proxy.h"

#include <posse_progress.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MB ((size_t)1 << 20)
#define LARGE (64 * MB)
#define SPARE (40 * MB) /* enough for all but something LARGE: also for the stacks of two threads */

static void assert_fails(posse_future future, const char *words)
{
    posse_error error = take_error(future, POSSE_TASK_FAILED);
    if (!strstr(error.message, words))
        fail_msg("the task failed otherwise: %s", error.message);
}

/* ---- an agent without memory ---- */

static size_t address_space(pid_t process)
{
    char path[64];
    unsigned long pages = 0;
    snprintf(path, sizeof path, "/proc/%ld/statm", (long)process);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    (void)fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* From now on this process has SPARE bytes of address space left, or as many as it likes. */
static void limit_memory(pid_t process, bool limited)
{
    const rlim_t most = limited ? address_space(process) + SPARE : RLIM_INFINITY;
    const struct rlimit limit = {.rlim_cur = most, .rlim_max = RLIM_INFINITY};
    assert_int_equal(prlimit(process, RLIMIT_AS, &limit, NULL), 0);
}

static int size_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, (long)size);
}

static posse_future submitted_size(posse_executor *pool, size_t size)
{
    char *bytes = calloc(1, size);
    assert_non_null(bytes);
    posse_future future = submitted(pool, size_task, bytes, size);
    free(bytes);
    return future;
}

TEST(an_argument_without_memory_fails_its_task, UNSANITIZED(PROCESSES))
{
    struct hand hand = make_by_hand(1, plain());
    pid_t agent = start_agent(&hand, 1);
    long supervisor = take_long(submitted(hand.pool, parent_task, NULL, 0));
    limit_memory(agent, true);
    for (int i = 0; i < 3; i++) {
        assert_fails(submitted_size(hand.pool, LARGE), "no memory for the argument of the task");
        assert_int_equal(take_long(submitted_size(hand.pool, MB)), MB);
        assert_int_equal(take_long(submitted_long(hand.pool, square_task, 4)), 16);
    }
    limit_memory(agent, false);
    assert_int_equal(take_long(submitted_size(hand.pool, LARGE)), LARGE);
    assert_int_equal(take_long(submitted(hand.pool, parent_task, NULL, 0)), supervisor);
    end_hand(&hand);
    assert_int_equal(end_of(agent), 0);
}

static void send_bytes(int fd, size_t size)
{
    static const char bytes[MB];
    for (size_t sent = 0; sent < size; sent += sizeof bytes) {
        const struct pi_net_part parts[2] = {{bytes, sizeof bytes}, {NULL, 0}};
        assert_true(pi_net_send(fd, parts));
    }
}

static uint64_t outcome_of(int fd, size_t size)
{
    peer_submit(fd, 1, size_task, size);
    send_bytes(fd, size);
    return peer_await(fd, PI_RESULT);
}

/* The program is gone half-way through an argument that the agent drops. */
TEST(what_is_dropped_may_be_cut, UNSANITIZED(PROCESSES))
{
    struct hand hand = make_by_hand(1, plain());
    int listener = peer_listen(&hand);
    pid_t agent = start_agent(&hand, 1);
    int fd = peer_welcomed(listener);
    bool has_pool;
    limit_memory(agent, true);
    assert_int_equal(outcome_of(fd, LARGE), PI_FAILED);
    peer_submit(fd, 1, size_task, LARGE);
    send_bytes(fd, LARGE / 2);
    close(fd);
    fd = peer_accept(listener, &has_pool);
    peer_say_plain(fd, PI_HELLO);
    (void)peer_await(fd, PI_WELCOME);
    assert_int_equal(outcome_of(fd, MB), PI_RETURNED);
    close(fd);
    close(listener);
    assert_int_equal(end_of(agent), 0);
    end_hand(&hand);
}

/* Its first message is small, the second one is LARGE. */
static int telling_task(posse_task *task, const void *arg, size_t size)
{
    char *bytes = calloc(1, LARGE);
    posse_status status = posse_task_emit(task, "first", 5);
    if (status == POSSE_OK)
        status = bytes ? posse_task_emit(task, bytes, LARGE) : POSSE_NO_MEMORY;
    free(bytes);
    for (long i = 0; *(const bool *)arg && i < PATIENCE_MS; i++)
        pause_ms(1);
    return (int)status;
}

static void assert_message_fails(const struct hand *hand, bool waits)
{
    char bytes[8];
    size_t size;
    posse_future future = SUBMIT_VALUE(hand->pool, telling_task, waits);
    assert_ok(posse_next_message(future, -1, bytes, sizeof bytes, &size));
    assert_int_equal(size, 5);
    assert_status(posse_next_message(future, -1, bytes, sizeof bytes, &size), POSSE_END);
    assert_fails(future, "no memory for a message of the task");
    assert_int_equal(take_long(submitted_long(hand->pool, square_task, 4)), 16);
}

TEST(a_message_without_memory_fails_its_task, UNSANITIZED(PROCESSES))
{
    posse_options options = plain();
    options.message_memory = 2 * LARGE;
    struct hand hand = make_by_hand(1, options);
    pid_t agent = start_agent(&hand, 1);
    assert_int_equal(take_long(submitted_long(hand.pool, square_task, 4)), 16);
    limit_memory(agent, true);
    assert_message_fails(&hand, false);
    assert_message_fails(&hand, true);
    end_hand(&hand);
    assert_int_equal(end_of(agent), 0);
}

/* ---- larger than what travels ---- */

static struct pi_remote nowhere;

/* No test has memory for such an argument. So only its size is told. */
static void run_enormous(void *context, posse_run *run)
{
    (void)context;
    run->size = (size_t)PI_REMOTE_BYTES + 1;
    pi_proxy_run(&nowhere, run);
}

static posse_status is_ready(void *context, posse_place *place)
{
    (void)context, (void)place;
    return POSSE_OK;
}

TEST(an_enormous_argument_fails_its_task, PROCESSES)
{
    posse_runner runner = {.struct_size = sizeof runner, .run = run_enormous, .ready = is_ready};
    posse_executor *pool = POOL(1, .runner = &runner);
    assert_fails(submitted_long(pool, square_task, 4), "its argument is over 64 GiB");
    end_pool(pool);
}

/* The program is linked with --wrap=posse_result, also as an agent: a result of that size counts as
 * enormous. No test has memory for one. */
#define AS_ENORMOUS ((size_t)4321)

posse_status __real_posse_result(posse_future future, long ms, const void **data, size_t *size);
posse_status __wrap_posse_result(posse_future future, long ms, const void **data, size_t *size);

posse_status __wrap_posse_result(posse_future future, long ms, const void **data, size_t *size)
{
    posse_status status = __real_posse_result(future, ms, data, size);
    if (status == POSSE_OK && size && *size == AS_ENORMOUS)
        *size = (size_t)PI_REMOTE_BYTES + 1;
    return status;
}

static int enormous_task(posse_task *task, const void *arg, size_t size)
{
    return posse_task_reserve(task, AS_ENORMOUS) ? 0 : WRONG_ARG;
}

TEST(an_enormous_result_fails_its_task, PROCESSES)
{
    posse_executor *pool = REMOTE("a:1");
    assert_fails(submitted(pool, enormous_task, NULL, 0), "the result of the task is over 64 GiB");
    assert_int_equal(take_long(submitted_long(pool, square_task, 4)), 16);
    end_remote(pool);
}
