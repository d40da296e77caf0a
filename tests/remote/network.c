/* network.c - network namespaces as nodes: a cable that is pulled, a slow line, agents that die and
 * come back, another build, many places, the end of the program. Needs root. */
#include "remote/kit/remote.h"

#include <posse_progress.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_NODES 8

/* A node, whose line to this one is a pair of virtual devices. */
struct node {
    char name[32]; /* of the namespace */
    int number;
};

__attribute__((format(printf, 1, 2))) static int shell(const char *format, ...)
{
    char command[1024];
    va_list values;
    va_start(values, format);
    vsnprintf(command, sizeof command, format, values);
    va_end(values);
    return system(command);
}

/* Only this process and its children have this network, so nobody else has the same addresses: a
 * second route to one would lead answers astray. It ends with them. */
static bool has_own_network(void)
{
    static bool own;
    if (!own)
        own = unshare(CLONE_NEWNET) == 0 && shell("ip link set lo up") == 0;
    return own;
}

/* The host is 10.231.X.1 to it, where X is no other's. The kernel takes its time to remove a node,
 * so none has a name again; one that was left behind may have it. */
static struct node make_node(void)
{
    static int made;
    struct node node = {.number = made};
    snprintf(node.name, sizeof node.name, "p%d-%d", (int)getpid(), made++);
    if (!has_own_network() ||
        shell("exec 2>/dev/null; ip netns del %s; ip netns add %s", node.name, node.name) != 0) {
        print_message("no root, or no network namespaces here\n");
        skip();
    }
    assert_int_equal(shell("ip link add %sa type veth peer name %sb && "
                           "ip link set %sb netns %s && "
                           "ip addr add 10.231.%d.1/30 dev %sa && ip link set %sa up && "
                           "ip -n %s addr add 10.231.%d.2/30 dev %sb && "
                           "ip -n %s link set %sb up && ip -n %s link set lo up && "
                           "ip -n %s route add default via 10.231.%d.1",
                           node.name, node.name, node.name, node.name, node.number, node.name,
                           node.name, node.name, node.number, node.name, node.name, node.name,
                           node.name, node.name, node.number),
                     0);
    return node;
}

static void free_node(const struct node *node)
{
    assert_int_equal(shell("ip netns del %s", node->name), 0);
}

/* Where agents on this node, and on all others, reach the host. */
static void address_of(const struct node *node, char address[64])
{
    snprintf(address, 64, "10.231.%d.1:0", node->number);
}

static pid_t start_on(const struct node *node, const struct hand *hand, long places)
{
    char command[320];
    snprintf(command, sizeof command, "ip netns exec %s", node->name);
    return start_agent_by(hand, places, command);
}

/* No packet passes, and neither end of a connection is told. */
static void pull_cable(const struct node *node)
{
    assert_int_equal(shell("ip -n %s link set %sb down", node->name, node->name), 0);
}

static void plug_in(const struct node *node)
{
    assert_int_equal(shell("ip -n %s link set %sb up", node->name, node->name), 0);
}

static posse_status make_pool_on(const struct node *node, long retries, posse_executor **pool)
{
    char command[256], address[64];
    posse_options options = {.struct_size = sizeof options, .retries = retries};
    snprintf(command, sizeof command, "eval \"exec ip netns exec %s $POSSE_AGENT --node far\"",
             node->name);
    address_of(node, address);
    posse_remote_options remote = {.struct_size = sizeof remote,
                                   .launcher = POSSE_LAUNCH_COMMAND,
                                   .nodes = "far:2",
                                   .command = command,
                                   .listen = address,
                                   .silence_ms = 1500};
    return posse_remote_create(&options, &remote, pool);
}

static posse_executor *pool_on(const struct node *node, long retries)
{
    posse_executor *pool;
    assert_ok(make_pool_on(node, retries, &pool));
    return pool;
}

TEST(a_pulled_cable_costs_the_tasks_that_run, PROCESSES)
{
    struct node node = make_node();
    posse_executor *pool = pool_on(&node, 0);
    assert_int_equal(take_long(submitted_long(pool, square_task, 4)), 16);
    posse_future future = submitted_long(pool, sleep_task, PATIENCE_MS);
    assert_eventually(posse_running(future));
    pull_cable(&node);
    posse_error error = take_error(future, POSSE_WORKER_LOST);
    assert_int_equal(error.signal, SIGHUP);
    assert_non_null(strstr(error.message, "on far"));
    posse_future waiting = submitted_long(pool, square_task, 5);
    plug_in(&node);
    posse_status status = posse_result(waiting, -1, NULL, NULL);
    assert_true(status == POSSE_OK || status == POSSE_WORKER_LOST); /* by the other place */
    assert_ok(posse_release(waiting));
    assert_int_equal(take_long(submitted_long(pool, square_task, 6)), 36);
    end_remote(pool);
    free_node(&node);
}

static int tell_pid(posse_task *task, const void *arg, size_t size)
{
    long pid = getpid();
    (void)arg, (void)size;
    (void)posse_task_emit(task, &pid, sizeof pid);
    pause_ms(PATIENCE_MS);
    return 0;
}

/* The agent is told nothing either: it ends the task after silence_ms, and itself a minute later,
 * which the long form waits for. */
TEST(a_task_ends_when_the_program_is_silent, PROCESSES)
{
    struct node node = make_node();
    posse_executor *pool = pool_on(&node, 0);
    posse_future future = submitted(pool, tell_pid, NULL, 0);
    pid_t worker = (pid_t)next_long(future);
    assert_true(process_lives(worker));
    pull_cable(&node);
    assert_eventually(!process_lives(worker));
    if (in_long_run(0, 1))
        assert_eventually(shell("test -z \"$(ip netns pids %s)\"", node.name) == 0);
    take_error(future, POSSE_WORKER_LOST);
    assert_ok(posse_destroy(pool)); /* no place is there */
    free_node(&node);
}

TEST(after_a_pulled_cable_tasks_run_again, PROCESSES)
{
    struct node node = make_node();
    posse_executor *pool = pool_on(&node, 3);
    posse_future futures[20];
    for (long i = 0; i < 20; i++)
        futures[i] = submitted_long(pool, sleep_task, 100 + i);
    assert_ok(posse_result(futures[0], -1, NULL, NULL));
    pull_cable(&node);
    pause_ms(3000); /* longer than the silence that it bears */
    plug_in(&node);
    for (long i = 0; i < 20; i++)
        assert_int_equal(take_long(futures[i]), 100 + i);
    end_remote(pool);
    free_node(&node);
}

TEST(a_slow_line_is_only_slow, PROCESSES)
{
    struct node node = make_node();
    if (shell("tc qdisc add dev %sa root netem delay 20ms 5ms loss 5%% 2>/dev/null", node.name)) {
        free_node(&node);
        print_message("this kernel has no slow lines (netem)\n");
        skip();
    }
    posse_executor *pool = pool_on(&node, 0);
    static char bytes[300000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    for (int i = 0; i < 5; i++) {
        const void *data;
        size_t size;
        posse_future future = submitted(pool, echo_task, bytes, sizeof bytes);
        assert_ok(posse_result(future, -1, &data, &size));
        assert_int_equal(size, sizeof bytes);
        assert_memory_equal(data, bytes, size);
        assert_ok(posse_release(future));
    }
    end_remote(pool);
    free_node(&node);
}

/* ---- agents by hand on nodes ---- */

TEST(a_restarted_agent_takes_its_place_again, PROCESSES)
{
    struct node node = make_node();
    char address[64];
    address_of(&node, address);
    posse_options options = plain();
    options.retries = 1;
    struct hand hand = make_by_hand_at(address, 2, options);
    pid_t agent = start_on(&node, &hand, 2);
    posse_future future = submitted_long(hand.pool, sleep_task, 300);
    assert_eventually(posse_running(future));
    for (int i = 0; i < 3; i++) {
        kill_agent(agent);
        agent = start_on(&node, &hand, 2);
        assert_int_equal(take_long(submitted_long(hand.pool, square_task, i)), i * i);
    }
    posse_error error = error_of(future);
    assert_true(error.status == POSSE_OK || error.status == POSSE_WORKER_LOST);
    assert_true(error.attempt == 2);
    assert_ok(posse_release(future));
    end_hand(&hand);
    (void)end_of(agent);
    free_node(&node);
}

TEST(a_node_with_another_build_is_refused_and_the_others_go_on, PROCESSES)
{
    struct node nodes[2] = {make_node(), make_node()};
    char address[64], copy[64], program[420];
    address_of(&nodes[0], address);
    struct hand hand = make_by_hand_at(address, 2, plain());
    snprintf(copy, sizeof copy, "%s/other", hand.directory);
    copy_changed("/proc/self/exe", copy);
    snprintf(program, sizeof program, "ip netns exec %s %s", nodes[1].name, copy);
    int how = end_of(start_agent_of(&hand, 1, program));
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 1);
    pid_t agent = start_on(&nodes[0], &hand, 2);
    for (long i = 0; i < 20; i++)
        assert_int_equal(take_long(submitted_long(hand.pool, square_task, i)), i * i);
    assert_int_equal(unlink(copy), 0);
    end_hand(&hand);
    (void)end_of(agent);
    for (int i = 0; i < 2; i++)
        free_node(&nodes[i]);
}

/* Each agent is killed while all have tasks, and started again. */
TEST(eight_agents_die_under_load_and_every_task_is_accounted_for, PROCESSES)
{
    enum { TASKS = 4000 };
    struct node nodes[MAX_NODES];
    static posse_future futures[TASKS];
    pid_t agents[MAX_NODES];
    char address[64];
    for (int i = 0; i < MAX_NODES; i++)
        nodes[i] = make_node();
    address_of(&nodes[0], address);
    struct hand hand = make_by_hand_at(address, 2 * MAX_NODES, plain());
    for (int i = 0; i < MAX_NODES; i++)
        agents[i] = start_on(&nodes[i], &hand, 2);
    for (long i = 0; i < TASKS; i++)
        futures[i] = submitted_long(hand.pool, square_task, i);
    for (int i = 0; i < MAX_NODES; i++) {
        (void)posse_result(futures[200 * i], -1, NULL, NULL);
        kill_agent(agents[i]);
        agents[i] = start_on(&nodes[i], &hand, 2);
    }
    long lost = count_lost_squares(futures, TASKS);
    assert_true(lost <= 2 * MAX_NODES); /* a task of each place of each agent that was killed */
    assert_int_equal(stats_of(hand.pool).lost, lost);
    end_hand(&hand);
    for (int i = 0; i < MAX_NODES; i++) {
        (void)end_of(agents[i]);
        free_node(&nodes[i]);
    }
}

TEST(a_hundred_and_twenty_eight_places, PROCESSES)
{
    enum { TASKS = 2000 };
    struct node nodes[MAX_NODES];
    static posse_future futures[TASKS];
    pid_t agents[MAX_NODES];
    char address[64];
    for (int i = 0; i < MAX_NODES; i++)
        nodes[i] = make_node();
    address_of(&nodes[0], address);
    struct hand hand = make_by_hand_at(address, 128, plain());
    for (int i = 0; i < MAX_NODES; i++)
        agents[i] = start_on(&nodes[i], &hand, 128 / MAX_NODES);
    assert_eventually(stats_of(hand.pool).workers_idle == 128);
    for (long i = 0; i < TASKS; i++)
        futures[i] = submitted_long(hand.pool, square_task, i);
    for (long i = 0; i < TASKS; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    end_hand(&hand);
    for (int i = 0; i < MAX_NODES; i++) {
        (void)end_of(agents[i]);
        free_node(&nodes[i]);
    }
}

/* ---- addresses that do not answer ---- */

/* A command of a shell that runs an agent on the node, where the name far.host stands for two
 * addresses that nobody has and then for 10.233.X.1, of this host. */
static void write_hosts(const struct node *node, char path[64], char command[320])
{
    snprintf(path, 64, "/tmp/posse-test-hosts-%s", node->name);
    FILE *hosts = fopen(path, "we");
    assert_non_null(hosts);
    (void)fprintf(hosts, "10.232.0.1 far.host\n10.232.0.2 far.host\n10.233.%d.1 far.host\n",
                  node->number);
    assert_int_equal(fclose(hosts), 0);
    assert_int_equal(shell("ip addr add 10.233.%d.1/32 dev %sa && "
                           "ip -n %s route add 10.232.0.0/24 dev %sb",
                           node->number, node->name, node->name, node->name),
                     0);
    snprintf(command, 320,
             "ip netns exec %s unshare -m sh -c 'mount --bind %s /etc/hosts && exec \"$@\"' sh",
             node->name, path);
}

/* How many tasks came back, one by one, until the other place, whose task was killed, was there
 * again. */
static long count_meanwhile(posse_executor *pool)
{
    long n = 0;
    posse_future killed = submitted_long(pool, sleep_task, PATIENCE_MS);
    assert_eventually(posse_running(killed));
    assert_ok(posse_kill(killed));
    take_error(killed, POSSE_CANCELLED);
    for (; stats_of(pool).workers_idle < 2; n++)
        assert_int_equal(take_long(submitted_long(pool, square_task, n)), n * n);
    return n;
}

/* It connects for four seconds. An agent that waits meanwhile answers a few tasks, each time it
 * goes on; one that does not, thousands. */
TEST(addresses_that_do_not_answer_hold_up_no_other_place, PROCESSES)
{
    struct node node = make_node();
    char path[64], command[320], listen[64], connect[64];
    write_hosts(&node, path, command);
    snprintf(listen, sizeof listen, "10.233.%d.1:0", node.number);
    struct hand hand = make_by_hand_at(listen, 2, plain());
    snprintf(connect, sizeof connect, "far.host:%s", strrchr(hand.options.address, ':') + 1);
    hand.options.connect = connect;
    pid_t agent = start_agent_by(&hand, 2, command);
    assert_eventually(stats_of(hand.pool).workers_idle == 2);
    assert_true(count_meanwhile(hand.pool) >= 20);
    end_hand(&hand);
    (void)end_of(agent);
    assert_int_equal(unlink(path), 0);
    free_node(&node);
}

/* ---- the end of the program ---- */

struct far_program {
    const struct node *node;
    _Atomic long pid; /* of a worker there */
    _Atomic int busy;
};

static int far_program(void *context)
{
    struct far_program *far = context;
    posse_executor *pool;
    posse_future future;
    long ms = PATIENCE_MS, pid = 0;
    REQUIRE(make_pool_on(far->node, 0, &pool) == POSSE_OK);
    REQUIRE(posse_submit(pool, process_task, NULL, 0, &future) == POSSE_OK);
    REQUIRE(posse_result_into(future, -1, &pid, sizeof pid, NULL) == POSSE_OK);
    REQUIRE(posse_submit(pool, sleep_task, &ms, sizeof ms, &future) == POSSE_OK);
    far->pid = pid;
    far->busy = 1;
    pause_ms(PATIENCE_MS);
    return 0;
}

TEST(when_the_program_is_killed_nodes_are_free, PROCESSES)
{
    struct node node = make_node();
    struct far_program *far = make_shared(sizeof *far);
    far->node = &node;
    pid_t program = start_child(far_program, far);
    assert_eventually(far->busy);
    assert_int_equal(kill(program, SIGKILL), 0);
    assert_true(WIFSIGNALED(wait_status(program)));
    assert_eventually(!process_lives((pid_t)far->pid));
    assert_eventually(shell("test -z \"$(ip netns pids %s)\"", node.name) == 0);
    free_shared(far, sizeof *far);
    free_node(&node);
}
