/* network.c - network namespaces as nodes: a cable that is pulled, a slow line. Needs root. */
#include "remote/kit/remote.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static struct node make_node(void)
{
    struct node node = {.number = (int)getpid() % 200};
    snprintf(node.name, sizeof node.name, "posse%d", (int)getpid());
    if (geteuid() != 0 || shell("ip netns add %s 2>/dev/null", node.name) != 0)
        skip();
    assert_int_equal(shell("ip link add %sa type veth peer name %sb && "
                           "ip link set %sb netns %s && "
                           "ip addr add 10.231.%d.1/30 dev %sa && ip link set %sa up && "
                           "ip -n %s addr add 10.231.%d.2/30 dev %sb && "
                           "ip -n %s link set %sb up && ip -n %s link set lo up",
                           node.name, node.name, node.name, node.name, node.number, node.name,
                           node.name, node.name, node.number, node.name, node.name, node.name,
                           node.name),
                     0);
    return node;
}

static void free_node(const struct node *node)
{
    assert_int_equal(shell("ip netns del %s", node->name), 0);
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

static posse_executor *pool_on(const struct node *node, long retries)
{
    posse_executor *pool;
    char command[256], address[64];
    posse_options options = {.struct_size = sizeof options, .retries = retries};
    snprintf(command, sizeof command, "eval \"exec ip netns exec %s $POSSE_AGENT --node far\"",
             node->name);
    snprintf(address, sizeof address, "10.231.%d.1:0", node->number);
    posse_remote_options remote = {.struct_size = sizeof remote,
                                   .launcher = POSSE_LAUNCH_COMMAND,
                                   .nodes = "far:2",
                                   .command = command,
                                   .listen = address,
                                   .silence_ms = 1500};
    assert_ok(posse_remote_create(&options, &remote, &pool));
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
        free_node(&node); /* this kernel has no slow lines */
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
