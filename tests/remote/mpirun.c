/* mpirun.c - agents that mpirun starts, of Open MPI and of MPICH, where there is one. */
#include "remote/kit/remote.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An mpirun of Open MPI that ends removes a directory which another one that starts wants to use.
 * So each has its own. */
static char scratch[32];

static void make_scratch(void)
{
    snprintf(scratch, sizeof scratch, "/tmp/posse-mpi-XXXXXX");
    assert_non_null(mkdtemp(scratch));
    assert_int_equal(setenv("TMPDIR", scratch, 1), 0);
}

static void remove_scratch(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", scratch);
    assert_int_equal(system(command), 0);
}

/* `mpirun` is a command, or NULL. */
static posse_executor *make_by_mpirun(const char *nodes, const char *mpirun)
{
    posse_executor *pool;
    posse_remote_options remote = {.struct_size = sizeof remote,
                                   .launcher = POSSE_LAUNCH_MPIRUN,
                                   .nodes = nodes,
                                   .command = mpirun};
    char look[100];
    snprintf(look, sizeof look, "command -v %s >/dev/null", mpirun ? mpirun : "mpirun");
    if (system(look) != 0)
        skip();
    make_scratch();
    (void)setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    (void)setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    assert_ok(posse_remote_create(NULL, &remote, &pool));
    return pool;
}

static void run_tasks(const char *mpirun)
{
    posse_executor *pool = make_by_mpirun("localhost:2", mpirun);
    posse_future futures[100];
    for (long i = 0; i < 100; i++)
        futures[i] = submitted_long(pool, square_task, i);
    for (long i = 0; i < 100; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    posse_error error = take_error(submitted_long(pool, signal_task, SIGSEGV), POSSE_WORKER_LOST);
    assert_int_equal(error.signal, SIGSEGV);
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
    end_remote(pool);
    remove_scratch();
}

TEST(agents_of_mpirun, PROCESSES) { run_tasks(NULL); }

TEST(agents_of_open_mpi, PROCESSES) { run_tasks("mpirun.openmpi"); }

TEST(agents_of_mpich, PROCESSES) { run_tasks("mpirun.mpich"); }

/* No agent comes, and the reason has these words. */
static void break_it(posse_executor *pool, const char *words)
{
    posse_error error = {.struct_size = sizeof error};
    posse_future future = {0};
    long value = 3;
    posse_status status = posse_submit(pool, square_task, &value, sizeof value, &future);
    if (status == POSSE_OK)
        status = posse_result(future, -1, NULL, NULL);
    assert_status(status, POSSE_BROKEN);
    assert_ok(posse_why_broken(pool, &error));
    assert_non_null(strstr(error.message, words));
    assert_ok(posse_destroy(pool));
}

TEST(what_mpirun_says, PROCESSES)
{
    break_it(make_by_mpirun("no-such-host.invalid:2", "mpirun.openmpi"), "no-such-host");
    remove_scratch();
}

TEST(no_mpirun, PROCESSES)
{
    posse_executor *pool;
    posse_remote_options remote = {
        .struct_size = sizeof remote, .launcher = POSSE_LAUNCH_MPIRUN, .command = "no-such-mpirun"};
    assert_ok(posse_remote_create(NULL, &remote, &pool));
    break_it(pool, "no-such-mpirun");
}
