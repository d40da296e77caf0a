/* agent_pool.c - an agent whose pool breaks ends: what has begun there is lost, nothing else. */
#include "remote/kit/peer.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- tasks that have not begun ---- */

/* The pool of the only agent. */
struct agent_pool {
    pid_t supervisor, worker;
};

static struct agent_pool pool_of_agent(const struct hand *hand)
{
    return (struct agent_pool){
        .supervisor = (pid_t)take_long(submitted(hand->pool, parent_task, NULL, 0)),
        .worker = (pid_t)take_long(submitted(hand->pool, identity_task, NULL, 0))};
}

/* Its workers die with the supervisor. */
static void break_pool(const struct agent_pool *pool)
{
    assert_int_equal(kill(pool->supervisor, SIGKILL), 0);
    assert_eventually(!process_lives(pool->worker));
}

static void assert_ends_broken(pid_t agent)
{
    int how = end_of(agent);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 1);
}

/* A task that has not begun runs in the next agent, and nothing was lost. */
static void assert_another_runs(struct hand *hand, posse_future future)
{
    pid_t agent = start_agent(hand, 1);
    assert_int_equal(error_of(future).attempt, 1);
    assert_int_equal(take_long(future), 25);
    assert_int_equal(stats_of(hand->pool).lost, 0);
    end_hand(hand);
    (void)end_of(agent);
}

TEST(an_agent_that_dies_idle_costs_nothing, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    pid_t first = start_agent(&hand, 1);
    assert_int_equal(take_long(submitted_long(hand.pool, square_task, 4)), 16);
    kill_agent(first);
    posse_future future = submitted_long(hand.pool, square_task, 5);
    assert_status(posse_result(future, 50, NULL, NULL), POSSE_TIMEOUT);
    assert_another_runs(&hand, future);
}

TEST(an_agent_whose_pool_breaks_idle_costs_nothing, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    pid_t first = start_agent(&hand, 1);
    struct agent_pool pool = pool_of_agent(&hand);
    break_pool(&pool);
    posse_future future = submitted_long(hand.pool, square_task, 5);
    assert_ends_broken(first);
    assert_another_runs(&hand, future);
}

/* Its worker is stopped, so the agent's pool breaks with a task that nothing has claimed. */
TEST(a_task_that_waits_in_a_pool_that_breaks_has_not_begun, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    pid_t first = start_agent(&hand, 1);
    struct agent_pool pool = pool_of_agent(&hand);
    assert_int_equal(kill(pool.worker, SIGSTOP), 0);
    posse_future future = submitted_long(hand.pool, square_task, 5);
    assert_eventually(posse_running(future)); /* its proxy has it */
    pause_ms(100);                            /* and so, most often, has the agent */
    break_pool(&pool);
    assert_ends_broken(first);
    assert_another_runs(&hand, future);
}

/* How many connections of this machine to that port have bytes that nobody has read. */
static size_t count_unread(const char *address)
{
    unsigned long port = strtoul(strrchr(address, ':') + 1, NULL, 10), remote, unread;
    char line[512];
    size_t n = 0;
    FILE *table = fopen("/proc/net/tcp", "re");
    assert_non_null(table);
    while (fgets(line, sizeof line, table))
        n += sscanf(line, "%*s %*s %*[^:]:%lx %*x %*[^:]:%lx", &remote, &unread) == 2 &&
             remote == port && unread > 0;
    (void)fclose(table);
    return n;
}

static int size_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, (long)size);
}

/* The agent finds that its pool is broken by a task. The others are on their way then, and large,
 * so the agent has not read them to their end. */
TEST(all_tasks_of_an_agent_whose_pool_is_broken_go_back, PROCESSES)
{
    enum { PLACES = 3 };
    static char bytes[8 << 20];
    struct hand hand = make_by_hand(PLACES, plain());
    posse_future futures[PLACES];
    pid_t first = start_agent(&hand, PLACES);
    struct agent_pool pool = pool_of_agent(&hand);
    assert_eventually(stats_of(hand.pool).workers_idle == PLACES);
    assert_int_equal(kill(first, SIGSTOP), 0);
    break_pool(&pool);
    for (size_t i = 0; i < PLACES; i++)
        futures[i] = submitted(hand.pool, size_task, bytes, i ? sizeof bytes : 1);
    assert_eventually(count_unread(hand.options.address) == PLACES);
    assert_int_equal(kill(first, SIGCONT), 0);
    assert_ends_broken(first);
    pid_t agent = start_agent(&hand, PLACES);
    for (long i = 0; i < PLACES; i++) {
        assert_int_equal(error_of(futures[i]).attempt, 1);
        assert_int_equal(take_long(futures[i]), i ? (long)sizeof bytes : 1);
    }
    assert_int_equal(stats_of(hand.pool).lost, 0);
    end_hand(&hand);
    (void)end_of(agent);
}

/* It goes back, and the program gives it to the next place of that agent. */
TEST(a_task_that_goes_from_place_to_place_is_not_lost, PROCESSES)
{
    enum { PLACES = 8 };
    struct hand hand = make_by_hand(PLACES, plain());
    pid_t first = start_agent(&hand, PLACES);
    struct agent_pool pool = pool_of_agent(&hand);
    assert_eventually(stats_of(hand.pool).workers_idle == PLACES);
    break_pool(&pool);
    posse_future future = submitted_long(hand.pool, square_task, 5);
    assert_ends_broken(first);
    assert_another_runs(&hand, future);
}

/* It says so in the same write as the result before, and closes the connection later. */
TEST(a_place_that_ends_with_a_result_is_given_no_task, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    posse_future first = submitted_long(hand.pool, square_task, 4);
    posse_future second = submitted_long(hand.pool, square_task, 5);
    struct pi_envelope result, leaves;
    uint64_t number;
    int fd = peer_busy(&hand, &number);
    pi_result_write(&result, &(struct pi_result){.number = number}, 0);
    pi_result_write(&leaves, &(struct pi_result){.number = 0, .outcome = PI_NOT_BEGUN}, 0);
    peer_say(fd, &result, leaves.bytes, leaves.size);
    assert_ok(posse_result(first, -1, NULL, NULL));
    assert_ok(posse_release(first));
    struct pollfd next = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&next, 1, PATIENCE_MS), 1); /* the proxy hangs up, or gives it a task */
    close(fd);
    assert_another_runs(&hand, second);
}

/* ---- a result that is on its way ---- */

enum { LARGE = 4 << 20 };

static int large_task(posse_task *task, const void *arg, size_t size)
{
    void *result = posse_task_reserve(task, LARGE);
    if (result)
        memset(result, 1, LARGE);
    return result ? 0 : WRONG_ARG;
}

/* Its worker dies with the supervisor. */
static int kill_supervisor_task(posse_task *task, const void *arg, size_t size)
{
    (void)kill(getppid(), SIGKILL);
    pause_ms(PATIENCE_MS);
    return GAVE_UP;
}

/* Reads to the end, and takes its time for the last part, which the agent has written by then. */
static size_t count_all(int fd)
{
    static char bytes[1 << 14];
    struct pollfd more = {.fd = fd, .events = POLLIN};
    size_t all = 0;
    for (ssize_t n = 1; n > 0; all += n > 0 ? (size_t)n : 0) {
        if (all > LARGE - LARGE / 16)
            pause_ms(1);
        assert_int_equal(poll(&more, 1, PATIENCE_MS), 1);
        n = recv(fd, bytes, sizeof bytes, 0);
    }
    return all;
}

/* The agent ends while it sends a result. What the program says meanwhile cuts nothing off. */
TEST(an_agent_that_ends_sends_the_whole_result, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    struct pi_envelope envelope;
    bool has_pool;
    int listener = peer_listen(&hand), room = 1 << 16;
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
    pid_t agent = start_agent(&hand, 2);
    int sending = peer_welcomed(listener), other = peer_accept(listener, &has_pool);
    assert_true(has_pool);
    peer_say_plain(other, PI_HELLO);
    (void)peer_await(other, PI_WELCOME);
    peer_submit(sending, 1, large_task, 0);
    struct pollfd begins = {.fd = sending, .events = POLLIN};
    assert_int_equal(poll(&begins, 1, PATIENCE_MS), 1);
    peer_submit(other, 1, kill_supervisor_task, 0);
    while (peer_try(other, PI_RESULT) >= 0)
        ;
    pi_number_write(&envelope, PI_CANCEL_TASK, 1, 0);
    peer_say(sending, &envelope, NULL, 0);
    assert_true(count_all(sending) > LARGE);
    assert_ends_broken(agent);
    (void)close(sending), (void)close(other), (void)close(listener);
    end_hand(&hand);
}

/* ---- what breaks the executor, too ---- */

static int initialize(posse_task *task, const void *arg, size_t size) { return 0; }

/* Only the initializer does, or its crash. */
TEST(an_initializer_that_goes_well_breaks_nothing, PROCESSES)
{
    posse_options options = plain();
    options.initializer = initialize;
    struct hand hand = make_by_hand(1, options);
    pid_t first = start_agent(&hand, 1);
    struct agent_pool pool = pool_of_agent(&hand);
    break_pool(&pool);
    posse_future future = submitted_long(hand.pool, square_task, 5);
    assert_ends_broken(first);
    assert_another_runs(&hand, future);
}

/* ---- what breaks nothing ---- */

posse_status __real_posse_result(posse_future future, long ms, const void **data, size_t *size);
posse_status __wrap_posse_result(posse_future future, long ms, const void **data, size_t *size);

/* In an agent with this variable the first result is one that a task has overwritten. */
#define DAMAGES "POSSE_TEST_DAMAGES"

posse_status __wrap_posse_result(posse_future future, long ms, const void **data, size_t *size)
{
    if (getenv(DAMAGES) && unsetenv(DAMAGES) == 0)
        return POSSE_BROKEN;
    return __real_posse_result(future, ms, data, size);
}

TEST(a_result_that_a_task_has_overwritten_fails_its_task_alone, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    assert_int_equal(setenv(DAMAGES, "1", 1), 0);
    pid_t agent = start_agent(&hand, 1);
    assert_int_equal(unsetenv(DAMAGES), 0);
    posse_error error = take_error(submitted_long(hand.pool, square_task, 4), POSSE_TASK_FAILED);
    assert_non_null(strstr(error.message, "a task has overwritten the result"));
    assert_int_equal(take_long(submitted_long(hand.pool, square_task, 5)), 25);
    end_hand(&hand);
    assert_int_equal(end_of(agent), 0);
}
