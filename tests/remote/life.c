/* life.c - agents, launchers and the program come and go: every task is accounted for. */
#include "remote/kit/peer.h"

#include "base/tuning.h"
#include "remote/net.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(tasks_wait_for_an_agent, PROCESSES)
{
    struct hand hand = make_by_hand(2, plain());
    posse_future future = submitted_long(hand.pool, square_task, 4);
    assert_status(posse_result(future, 50, NULL, NULL), POSSE_TIMEOUT);
    pid_t agent = start_agent(&hand, 1);
    assert_int_equal(take_long(future), 16);
    end_hand(&hand);
    assert_int_equal(end_of(agent), 0); /* it ends by itself */
}

TEST(a_spare_agent_takes_over, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    pid_t first = start_agent(&hand, 1);
    long there = take_long(submitted(hand.pool, parent_task, NULL, 0));
    pid_t spare = start_agent(&hand, 1);
    posse_future future = submitted_long(hand.pool, sleep_task, PATIENCE_MS);
    assert_eventually(posse_running(future));
    kill_agent(first);
    posse_error error = take_error(future, POSSE_WORKER_LOST);
    assert_int_equal(error.signal, SIGHUP);
    assert_int_equal(error.pid, first);
    assert_true(take_long(submitted(hand.pool, parent_task, NULL, 0)) != there);
    end_hand(&hand);
    (void)end_of(spare);
}

TEST(lost_with_its_agent_a_task_runs_again, PROCESSES)
{
    posse_options options = plain();
    options.retries = 1;
    struct hand hand = make_by_hand(1, options);
    pid_t first = start_agent(&hand, 1);
    posse_future future = submitted_long(hand.pool, sleep_task, 300);
    assert_eventually(posse_running(future));
    kill_agent(first);
    pid_t second = start_agent(&hand, 1);
    assert_int_equal(error_of(future).attempt, 2);
    assert_int_equal(take_long(future), 300);
    end_hand(&hand);
    (void)end_of(second);
}

TEST(agents_die_under_load_and_every_task_is_accounted_for, PROCESSES)
{
    enum { AGENTS = 4, TASKS = 3000 };
    struct hand hand = make_by_hand(AGENTS, plain());
    pid_t agents[AGENTS];
    static posse_future futures[TASKS];
    for (int i = 0; i < AGENTS; i++)
        agents[i] = start_agent(&hand, 1);
    for (long i = 0; i < TASKS; i++)
        futures[i] = submitted_long(hand.pool, square_task, i);
    for (int i = 0; i < 2 * AGENTS; i++) {
        (void)posse_result(futures[100 * i], -1, NULL, NULL);
        kill_agent(agents[i % AGENTS]);
        agents[i % AGENTS] = start_agent(&hand, 1);
    }
    long lost = count_lost_squares(futures, TASKS);
    assert_true(lost <= 2 * AGENTS);
    assert_int_equal(stats_of(hand.pool).lost, lost);
    end_hand(&hand);
    for (int i = 0; i < AGENTS; i++)
        (void)end_of(agents[i]);
}

static int program_with_agents(void *agents)
{
    long *pids = agents;
    posse_executor *pool;
    posse_remote_options remote = {.struct_size = sizeof remote, .nodes = "a:1,b:1"};
    REQUIRE(posse_remote_create(NULL, &remote, &pool) == POSSE_OK);
    posse_future future;
    long ms = PATIENCE_MS;
    REQUIRE(posse_submit(pool, process_task, NULL, 0, &future) == POSSE_OK);
    REQUIRE(posse_result_into(future, -1, &pids[0], sizeof pids[0], NULL) == POSSE_OK);
    REQUIRE(posse_submit(pool, sleep_task, &ms, sizeof ms, &future) == POSSE_OK);
    REQUIRE(posse_submit(pool, sleep_task, &ms, sizeof ms, &future) == POSSE_OK);
    pids[1] = 1;
    pause_ms(PATIENCE_MS);
    return 0;
}

TEST(when_the_program_dies_all_agents_end, PROCESSES)
{
    long *pids = make_shared(2 * sizeof *pids);
    int before = count_processes();
    pid_t program = start_child(program_with_agents, pids);
    assert_eventually(((volatile long *)pids)[1] == 1);
    assert_int_equal(kill(program, SIGKILL), 0);
    assert_true(WIFSIGNALED(wait_status(program)));
    assert_eventually(!process_lives((pid_t)pids[0]));
    assert_eventually(count_processes() <= before);
    free_shared(pids, 2 * sizeof *pids);
}

TEST(no_agent_at_all_breaks_the_pool_with_the_words_of_the_launcher, PROCESSES)
{
    posse_executor *pool;
    posse_remote_options remote = {.struct_size = sizeof remote,
                                   .launcher = POSSE_LAUNCH_COMMAND,
                                   .command = "echo no such cluster >&2; exit 3"};
    posse_error error = {.struct_size = sizeof error};
    assert_ok(posse_remote_create(NULL, &remote, &pool));
    posse_future future;
    long value = 3;
    posse_status status = posse_submit(pool, square_task, &value, sizeof value, &future);
    if (status == POSSE_OK)
        status = posse_result(future, -1, NULL, NULL);
    assert_status(status, POSSE_BROKEN);
    assert_ok(posse_why_broken(pool, &error));
    assert_string_equal(error.message, "no agent has joined: no such cluster");
    assert_ok(posse_destroy(pool));
}

static int print_task(posse_task *task, const void *arg, size_t size)
{
    (void)task, (void)arg, (void)size;
    return puts("a line") < 0 || fflush(stdout) != 0;
}

/* Each stream is closed that has a bit. */
static int program_without(void *context)
{
    const int *closed = context;
    posse_executor *pool;
    posse_remote_options remote = {.struct_size = sizeof remote, .places = 1};
    for (int fd = 0; fd < 3; fd++)
        REQUIRE(!(*closed & 1 << fd) || close(fd) == 0);
    REQUIRE(posse_remote_create(NULL, &remote, &pool) == POSSE_OK);
    for (int i = 0; i < 3; i++) {
        posse_future future;
        REQUIRE(posse_submit(pool, print_task, NULL, 0, &future) == POSSE_OK);
        REQUIRE(posse_result(future, PATIENCE_MS, NULL, NULL) == POSSE_OK);
        REQUIRE(posse_release(future) == POSSE_OK);
    }
    return posse_destroy(pool) == POSSE_OK ? 0 : 1;
}

TEST(the_program_has_closed_its_streams, PROCESSES)
{
    for (int closed = 1; closed < 8; closed++)
        assert_int_equal(wait_status(start_child(program_without, &closed)), 0);
}

/* A program that was built when the struct had fewer members. */
TEST(a_smaller_struct_ends_where_it_says, PROCESSES)
{
    char line[400];
    posse_remote_options remote = {.struct_size = offsetof(posse_remote_options, address) + 8};
    posse_executor *pool;
    memset(remote.address, 'x', sizeof remote.address);
    assert_ok(posse_remote_create(NULL, &remote, &pool));
    assert_true(remote.address[7] != 'x' && remote.address[8] == 'x');
    (void)posse_remote_line(&remote, 1, line, sizeof line);
    assert_null(strstr(line, "xx"));
    end_remote(pool);
}

TEST(a_command_starts_agents, PROCESSES)
{
    posse_executor *pool;
    posse_remote_options remote = {.struct_size = sizeof remote,
                                   .launcher = POSSE_LAUNCH_COMMAND,
                                   .nodes = "n1:1,n2:1",
                                   .command = "eval exec $POSSE_AGENT --node $POSSE_NODE"};
    assert_ok(posse_remote_create(NULL, &remote, &pool));
    posse_error error = take_error(submitted_long(pool, exit_task, 1), POSSE_WORKER_LOST);
    assert_true(strstr(error.message, "on n1") || strstr(error.message, "on n2"));
    end_remote(pool);
}

TEST(another_build_is_refused, PROCESSES)
{
    char copy[64];
    struct hand hand = make_by_hand(1, plain());
    snprintf(copy, sizeof copy, "%s/other", hand.directory);
    copy_changed("/proc/self/exe", copy);
    pid_t other = start_agent_of(&hand, 1, copy);
    int how = end_of(other);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 1);
    pid_t agent = start_agent(&hand, 1);
    assert_int_equal(take_long(submitted_long(hand.pool, square_task, 4)), 16);
    assert_int_equal(unlink(copy), 0);
    end_hand(&hand);
    (void)end_of(agent);
}

/* The program hears why. */
TEST(another_build_alone_breaks_the_pool_in_words, PROCESSES)
{
    char directory[] = "/tmp/posse-test-XXXXXX", copy[64], command[160];
    posse_executor *pool;
    posse_error error = {.struct_size = sizeof error};
    assert_non_null(mkdtemp(directory));
    snprintf(copy, sizeof copy, "%s/other", directory);
    copy_changed("/proc/self/exe", copy);
    snprintf(command, sizeof command,
             "eval \"set -- $POSSE_AGENT\"; shift; exec %s \"$@\" --node n1", copy);
    posse_remote_options remote = {.struct_size = sizeof remote,
                                   .launcher = POSSE_LAUNCH_COMMAND,
                                   .nodes = "n1:1",
                                   .command = command};
    assert_ok(posse_remote_create(NULL, &remote, &pool));
    assert_eventually(posse_why_broken(pool, &error) == POSSE_OK && error.status == POSSE_BROKEN);
    assert_non_null(strstr(error.message, "another build of the program, or none"));
    assert_non_null(strstr(error.message, "n1"));
    assert_ok(posse_destroy(pool));
    assert_int_equal(unlink(copy), 0);
    assert_int_equal(rmdir(directory), 0);
}

static void send_join(int fd, const unsigned char *token)
{
    struct pi_envelope envelope;
    struct pi_join join = {.version = PI_REMOTE_VERSION, .node = "stranger"};
    memcpy(join.token, token, sizeof join.token);
    pi_join_write(&envelope, &join);
    assert_int_equal(send(fd, envelope.bytes, envelope.size, MSG_NOSIGNAL), envelope.size);
}

/* The program has hung up and said nothing. */
static void assert_sent_away(int fd)
{
    char byte;
    assert_eventually(pi_net_has_ended(fd));
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
}

TEST(strangers_are_sent_away, PROCESSES)
{
    static const unsigned char wrong[PI_TOKEN_SIZE];
    struct hand hand = make_by_hand(1, plain());
    for (int i = 0; i < 50; i++) {
        int fd = pi_net_connect(hand.options.address);
        assert_true(fd >= 0);
        if (i % 3 == 0)
            send_join(fd, wrong);
        else
            assert_int_equal(send(fd, "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL), 18);
        assert_sent_away(fd);
    }
    pid_t agent = start_agent(&hand, 1);
    assert_int_equal(take_long(submitted_long(hand.pool, square_task, 4)), 16);
    end_hand(&hand);
    (void)end_of(agent);
}

/* They say a byte, and wait. An agent that comes after them does not wait for 5 s for each. */
TEST(strangers_that_are_slow_do_not_hold_up_an_agent, PROCESSES)
{
    enum { STRANGERS = 12 };
    int fds[STRANGERS];
    struct hand hand = make_by_hand(1, plain());
    for (int i = 0; i < STRANGERS; i++) {
        fds[i] = pi_net_connect(hand.options.address);
        assert_true(fds[i] >= 0);
        assert_int_equal(send(fds[i], "p", 1, MSG_NOSIGNAL), 1);
    }
    pid_t agent = start_agent(&hand, 1);
    posse_future future = submitted_long(hand.pool, square_task, 4);
    assert_ok(posse_result(future, STRANGERS * PI_GREETING_MS / 2, NULL, NULL));
    assert_int_equal(take_long(future), 16);
    for (int i = 0; i < STRANGERS; i++)
        close(fds[i]);
    end_hand(&hand);
    (void)end_of(agent);
}

/* Sends JOIN in two pieces, and asserts that HELLO comes. False: the machine was so slow that the
 * time of the greeting may be over. */
static bool joins_slowly(const struct hand *hand)
{
    struct pi_envelope envelope;
    struct pi_join join = {.version = PI_REMOTE_VERSION, .node = "slow"};
    peer_token(hand, join.token);
    pi_join_write(&envelope, &join);
    long begin = now_ms();
    int fd = pi_net_connect(hand->options.address);
    assert_true(fd >= 0);
    assert_int_equal(send(fd, envelope.bytes, 1, MSG_NOSIGNAL), 1);
    pause_ms(2 * PI_JOIN_MS);
    const struct pi_net_part rest[2] = {{envelope.bytes + 1, envelope.size - 1}, {NULL, 0}};
    bool sent = pi_net_send(fd, rest);
    bool in_time = now_ms() - begin < PI_GREETING_MS / 2;
    if (in_time) {
        assert_true(sent);
        (void)peer_await(fd, PI_HELLO);
    }
    close(fd);
    return in_time;
}

/* The only one that is there has its time. */
TEST(an_agent_may_be_slow_while_nobody_else_waits, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    for (int i = 0; i < 10 && !joins_slowly(&hand); i++)
        continue;
    end_hand(&hand);
}

static int joined_with(const struct hand *hand, const unsigned char *token)
{
    int fd = pi_net_connect(hand->options.address);
    assert_true(fd >= 0);
    send_join(fd, token);
    return fd;
}

/* In each byte of the token in turn one bit is wrong; then none is. */
TEST(a_token_that_is_almost_right_is_wrong, PROCESSES)
{
    unsigned char token[PI_TOKEN_SIZE];
    struct hand hand = make_by_hand(1, plain());
    peer_token(&hand, token);
    for (size_t i = 0; i < PI_TOKEN_SIZE; i++) {
        const unsigned char bit = (unsigned char)(1u << i % 8);
        token[i] ^= bit;
        assert_sent_away(joined_with(&hand, token));
        token[i] ^= bit;
    }
    int fd = joined_with(&hand, token);
    (void)peer_await(fd, PI_HELLO);
    close(fd);
    end_hand(&hand);
}

TEST(an_agent_without_the_token_is_no_agent, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    assert_int_equal(truncate(hand.token, 0), 0);
    int how = end_of(start_agent(&hand, 1));
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 1);
    assert_int_equal(unlink(hand.token), 0); /* the token is no longer in it: it would stay */
    end_hand(&hand);
}

static int large_task(posse_task *task, const void *arg, size_t size)
{
    void *room = posse_task_reserve(task, (size_t)64 << 20);
    if (room)
        memset(room, 7, (size_t)64 << 20);
    return room == NULL;
}

/* The next connection of an agent that has a pool, up to a place that is IDLE. */
static int next_place(int listener)
{
    bool has_pool;
    int fd = peer_accept(listener, &has_pool);
    assert_true(has_pool);
    peer_say_plain(fd, PI_HELLO);
    (void)peer_await(fd, PI_WELCOME);
    return fd;
}

static void assert_square_there(int place, long value)
{
    const struct pi_net_part parts[2] = {{&value, sizeof value}, {NULL, 0}};
    peer_submit(place, (uint64_t)value + 1, square_task, sizeof value);
    assert_true(pi_net_send(place, parts));
    assert_int_equal(peer_await(place, PI_RESULT), PI_RETURNED);
}

/* The program reads nothing of a result that no socket holds; the other place of the agent goes
 * on. */
TEST(a_slow_place_holds_up_no_other, PROCESSES)
{
    struct hand hand = make_by_hand(2, plain());
    int listener = peer_listen(&hand);
    pid_t agent = start_agent(&hand, 2);
    int slow = peer_welcomed(listener), other = next_place(listener);
    struct pollfd begun = {.fd = slow, .events = POLLIN};
    peer_submit(slow, 1, large_task, 0);
    assert_int_equal(poll(&begun, 1, PATIENCE_MS), 1);
    for (long i = 0; i < 50; i++)
        assert_square_there(other, i);
    assert_int_equal(peer_await(slow, PI_RESULT), PI_RETURNED); /* all of it was to come */
    close(slow);
    close(other);
    close(listener);
    assert_int_equal(end_of(agent), 0);
    end_hand(&hand);
}

/* For longer than the agent tries to connect, nothing happens; then its only connection ends. */
TEST(after_a_rest_an_agent_connects_again, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    pid_t agent = start_agent(&hand, 1);
    assert_int_equal(take_long(submitted_long(hand.pool, square_task, 4)), 16);
    posse_future future = submitted_long(hand.pool, sleep_task, PATIENCE_MS);
    assert_eventually(posse_running(future));
    pause_ms(1500);
    assert_ok(posse_kill(future));
    take_error(future, POSSE_CANCELLED);
    assert_int_equal(take_long(submitted_long(hand.pool, square_task, 5)), 25);
    end_hand(&hand);
    (void)end_of(agent);
}

static int accepted(int listener)
{
    struct pollfd there = {.fd = listener, .events = POLLIN};
    assert_int_equal(poll(&there, 1, PATIENCE_MS), 1);
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    return fd;
}

/* Its connection is in the queue of a program that has places enough, and ends there. */
TEST(a_spare_agent_connects_again, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    int listener = pi_net_listen("127.0.0.1:0", hand.options.address);
    assert_true(listener >= 0);
    pid_t agent = start_agent(&hand, 1);
    int first = accepted(listener);
    pause_ms(1500); /* longer than it tries to connect */
    close(first);
    int second = accepted(listener);
    pause_ms(200);
    assert_int_equal(waitpid(agent, NULL, WNOHANG), 0); /* it waits there */
    close(second);
    close(listener);
    (void)end_of(agent);
    end_hand(&hand);
}

static int closing_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, posse_shutdown(posse_task_executor(task), POSSE_NO_WAIT, 0));
}

/* It is the pool of the agent that it shuts down: the agent ends, and another one goes on. */
TEST(a_task_that_shuts_its_executor_down_ends_its_agent, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    pid_t agent = start_agent(&hand, 1);
    assert_int_equal(take_long(submitted(hand.pool, closing_task, NULL, 0)), POSSE_OK);
    posse_future future = submitted_long(hand.pool, square_task, 5);
    int how = end_of(agent);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 1);
    agent = start_agent(&hand, 1);
    assert_int_equal(error_of(future).attempt, 1);
    assert_int_equal(take_long(future), 25);
    end_hand(&hand);
    (void)end_of(agent);
}
