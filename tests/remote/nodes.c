/* nodes.c - lists of nodes: given, from files of hosts, and from the environment of batch systems.
 * Hostile ones end in an error, soon and with little memory. */
#include "remote/kit/remote.h"

#include "remote/hosts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const variables[] = {
    "SLURM_JOB_NODELIST", "SLURM_TASKS_PER_NODE", "SLURM_JOB_CPUS_PER_NODE",
    "PBS_NODEFILE",       "LSB_MCPU_HOSTS",       "LSB_HOSTS",
    "PE_HOSTFILE"};

static void forget_batch(void)
{
    for (size_t i = 0; i < COUNT(variables); i++)
        assert_int_equal(unsetenv(variables[i]), 0);
}

static void assert_list(const char *nodes, const char *expected)
{
    char *list = NULL;
    assert_int_equal(pi_hosts_list(nodes, 4, &list), 0);
    assert_string_equal(list, expected);
    free(list);
}

static void assert_no_list(const char *nodes, int error)
{
    char *list;
    assert_int_equal(pi_hosts_list(nodes, 4, &list), error);
    assert_null(list);
}

/* ---- files ---- */

struct host_file {
    char path[40], nodes[48];
};

static struct host_file make_file(const char *bytes, size_t size)
{
    struct host_file file = {.path = "/tmp/posse-hosts-XXXXXX"};
    int fd = mkstemp(file.path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
    snprintf(file.nodes, sizeof file.nodes, "@%s", file.path);
    return file;
}

static void assert_file(const char *text, const char *expected, int error)
{
    struct host_file file = make_file(text, strlen(text));
    if (expected)
        assert_list(file.nodes, expected);
    else
        assert_no_list(file.nodes, error);
    assert_int_equal(unlink(file.path), 0);
}

TEST(a_file_of_hosts, PROCESSES)
{
    assert_file("a\n", "a:4", 0);
    assert_file("a", "a:4", 0);
    assert_file("# all\n\n  a:8 # the first\r\nb slots=2 max_slots=9\nuser@c.d-e_f\tcpus=1\n",
                "a:8,b:2,user@c.d-e_f:4", 0);
    assert_file("a\na\nb\na\n", "a:3,b:1", 0);
    assert_file("a:2\nb\na slots=3\nb\n", "a:5,b:2", 0);
    assert_file("a 8 all.q@a UNDEF\nb 4 all.q@b <NULL>\n", "a:8,b:4", 0);
}

TEST(a_file_that_is_none, PROCESSES)
{
    assert_no_list("@/no/such/file", ENOENT);
    assert_no_list("@/tmp", EISDIR);
    assert_no_list("@", ENOENT);
    assert_no_list("@/dev/zero", EINVAL);
    assert_file("", NULL, EINVAL);
    assert_file("# nothing\n", NULL, EINVAL);
    const char *const wrong[] = {
        "a:\n",      "a:0\n", "a:x\n",         "a:1x\n",         "a:-1\n",   "a slots=\n",
        "a slots=0", "a b\n", "a:2 slots=3\n", "-oProxyCommand", "a;b\n",    "$(a)\n",
        "a,b\n",     ":4\n",  "a slots=2 3\n", "a\\b\n",         "a[1-2]\n", "a 8x q\n"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_file(wrong[i], NULL, EINVAL);
    static const char *const large[] = {"a:600\na:600\n", "a:1001\n", "a slots=1001\n",
                                        "a:1000000000000000000000\n"};
    for (size_t i = 0; i < COUNT(large); i++)
        assert_file(large[i], NULL, E2BIG);
}

TEST(a_file_with_too_much, PROCESSES)
{
    static char text[40000];
    memset(text, 'a', 2000);
    assert_file(text, NULL, EINVAL);
    size_t used = 0;
    for (int i = 0; i < 1001; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "n%d\n", i);
    assert_file(text, NULL, E2BIG);
    used = 0;
    for (int i = 0; i < 1001; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "n\n");
    assert_file(text, NULL, E2BIG);
    static const char zero[] = "a:2\n\0b:2\n";
    struct host_file file = make_file(zero, sizeof zero - 1);
    assert_no_list(file.nodes, EINVAL);
    assert_int_equal(unlink(file.path), 0);
}

/* ---- batch systems ---- */

static void set_slurm(const char *list, const char *tasks, const char *cpus)
{
    forget_batch();
    assert_int_equal(setenv("SLURM_JOB_NODELIST", list, 1), 0);
    if (tasks)
        assert_int_equal(setenv("SLURM_TASKS_PER_NODE", tasks, 1), 0);
    if (cpus)
        assert_int_equal(setenv("SLURM_JOB_CPUS_PER_NODE", cpus, 1), 0);
}

TEST(nodes_of_slurm, PROCESSES)
{
    set_slurm("a", "3", NULL);
    assert_list(POSSE_NODES_BATCH, "a:3");
    set_slurm("a[1-3,7],b", "2(x3),1,8", "9(x5)");
    assert_list(POSSE_NODES_BATCH, "a1:2,a2:2,a3:2,a7:1,b:8");
    set_slurm("n[08-11]", NULL, "4(x4)");
    assert_list(POSSE_NODES_BATCH, "n08:4,n09:4,n10:4,n11:4");
    set_slurm("r[0-1]n[1,3]-ib,x", "1(x5)", NULL);
    assert_list(POSSE_NODES_BATCH, "r0n1-ib:1,r0n3-ib:1,r1n1-ib:1,r1n3-ib:1,x:1");
    set_slurm("n[1-2]", "1", "2(x2)"); /* tasks of a step on one node */
    assert_list(POSSE_NODES_BATCH, "n1:2,n2:2");
    forget_batch();
}

TEST(lists_of_slurm_that_are_none, PROCESSES)
{
    static const char *const wrong[] = {"",      ",",        "a,",       ",a",     "a[",    "a[]",
                                        "a[1",   "a[1-]",    "a[-1]",    "a[2-1]", "a[1,]", "a]",
                                        "a[1]]", "a[1-2-3]", "a[[1-2]]", "a[1-2",  "a[x]",  "-a[1]",
                                        "a[ 1]", "a[+1]",    "a b",      "a;b",    "a$(b)"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        set_slurm(wrong[i], "1", NULL);
        assert_no_list(POSSE_NODES_BATCH, EINVAL);
    }
    static const char *const counts[] = {"",       "0",     "1,",     "x",
                                         "1(x2",   "1(x0)", "1(x3)",  "1,1,1",
                                         "1(x-2)", "(x2)",  "1(x2)1", "1(x18446744073709551617)"};
    for (size_t i = 0; i < COUNT(counts); i++) {
        set_slurm("a[1-2]", counts[i], NULL);
        assert_no_list(POSSE_NODES_BATCH, EINVAL);
    }
    set_slurm("a", NULL, NULL);
    assert_no_list(POSSE_NODES_BATCH, EINVAL);
    set_slurm("a[1-2]", "1001,1", NULL);
    assert_no_list(POSSE_NODES_BATCH, E2BIG);
    forget_batch();
}

TEST(lists_of_slurm_without_bounds, PROCESSES)
{
    static const char *const large[] = {"a[1-999999999]", "a[1-1001]", "a[1-1000],b",
                                        "a[1-100]b[1-100]c[1-100]d[1-100]",
                                        "a[0-999999999999999999]"};
    for (size_t i = 0; i < COUNT(large); i++) {
        set_slurm(large[i], "1(x1000)", NULL);
        assert_no_list(POSSE_NODES_BATCH, E2BIG);
    }
    set_slurm("a[0-99999999999999999999999]", "1", NULL);
    assert_no_list(POSSE_NODES_BATCH, EINVAL);
    static char deep[60000];
    for (size_t i = 0; i + 4 < sizeof deep; i += 3)
        memcpy(deep + i, "[1]", 4);
    set_slurm(deep, "1", NULL);
    assert_no_list(POSSE_NODES_BATCH, EINVAL);
    set_slurm("a[1-1000]", "1(x1000)", NULL);
    char *list;
    assert_int_equal(pi_hosts_list(POSSE_NODES_BATCH, 1, &list), 0);
    assert_int_equal(pi_nodes_places(list, 1), 1000);
    free(list);
    forget_batch();
}

TEST(nodes_of_other_batch_systems, PROCESSES)
{
    forget_batch();
    assert_no_list(POSSE_NODES_BATCH, EINVAL); /* no batch job */
    struct host_file machines = make_file("a\na\nb\n", 6);
    assert_int_equal(setenv("PBS_NODEFILE", machines.path, 1), 0);
    assert_list(POSSE_NODES_BATCH, "a:2,b:1");
    forget_batch();
    assert_int_equal(setenv("LSB_MCPU_HOSTS", "a 8 b 4 a 1 ", 1), 0);
    assert_list(POSSE_NODES_BATCH, "a:9,b:4");
    const char *const wrong[] = {"", "a", "a b", "a 0", "a 8x", "8 a", "a 1;b 1"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_int_equal(setenv("LSB_MCPU_HOSTS", wrong[i], 1), 0);
        assert_no_list(POSSE_NODES_BATCH, EINVAL);
    }
    forget_batch();
    assert_int_equal(setenv("LSB_HOSTS", "a b a", 1), 0);
    assert_list(POSSE_NODES_BATCH, "a:2,b:1");
    forget_batch();
    assert_int_equal(unlink(machines.path), 0);
    machines = make_file("a 8 all.q@a UNDEF\n", 18);
    assert_int_equal(setenv("PE_HOSTFILE", machines.path, 1), 0);
    assert_list(POSSE_NODES_BATCH, "a:8");
    assert_int_equal(unlink(machines.path), 0);
    assert_no_list(POSSE_NODES_BATCH, ENOENT);
    forget_batch();
}

/* ---- random ---- */

static uint64_t state;

static unsigned random_below(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

/* What comes out is a list, or an error. */
TEST(random_lists_of_slurm, PROCESSES)
{
    static const char letters[] = "a0129[]-,,[]x(n";
    char text[60];
    for (int i = 0; i < 50000; i++) {
        char *list;
        size_t n = 1 + random_below(sizeof text - 2);
        for (size_t k = 0; k < n; k++)
            text[k] = letters[random_below(sizeof letters - 1)];
        text[n] = '\0';
        set_slurm(text, "1(x1)", "1,1");
        int error = pi_hosts_list(POSSE_NODES_BATCH, 1, &list);
        assert_true(error == 0 || error == EINVAL || error == E2BIG);
        assert_true(error ? list == NULL : pi_nodes_places(list, 1) > 0);
        free(list);
    }
    forget_batch();
}

/* ---- a pool ---- */

TEST(a_pool_of_a_file, PROCESSES)
{
    struct host_file file = make_file("a slots=2\nb\n", 12);
    posse_executor *pool = REMOTE(file.nodes);
    assert_square_tasks(pool, 30);
    end_remote(pool);
    assert_int_equal(unlink(file.path), 0);
}

TEST(nodes_that_posse_remote_create_refuses, PROCESSES)
{
    forget_batch();
    posse_executor *pool;
    posse_remote_options remote = {.struct_size = sizeof remote, .nodes = POSSE_NODES_BATCH};
    assert_status(posse_remote_create(NULL, &remote, &pool), POSSE_INVALID);
    remote.nodes = "@/no/such/file";
    assert_status(posse_remote_create(NULL, &remote, &pool), POSSE_SYSTEM);
    set_slurm("a[1-999999999]", "1", NULL);
    remote.nodes = POSSE_NODES_BATCH;
    assert_status(posse_remote_create(NULL, &remote, &pool), POSSE_TOO_LARGE);
    remote.launcher = POSSE_LAUNCH_SRUN;
    remote.nodes = NULL;
    assert_status(posse_remote_create(NULL, &remote, &pool), POSSE_TOO_LARGE);
    forget_batch();
    static char many[4000];
    for (size_t i = 0; i + 3 < sizeof many; i += 2)
        memcpy(many + i, "a,", 3);
    remote.nodes = many;
    assert_status(posse_remote_create(NULL, &remote, &pool), POSSE_TOO_LARGE);
    assert_null(pool);
}
