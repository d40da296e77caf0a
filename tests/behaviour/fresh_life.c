/* fresh_life.c - POSSE_FRESH: what its workers and processes have, and what they leave. */
#include "support/sealed.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const posse_seal nothing = {.allow = 0};
/* count_processes sees these, also for a user without rights. */
static const posse_seal visible = {.allow = POSSE_ALLOW_DUMPS};

static struct gate *shared_gate(void) { return make_shared(sizeof(struct gate)); }
static void free_shared_gate(struct gate *gate) { free_shared(gate, sizeof *gate); }

/* ---- the start ---- */

static void *wait_for_ever(void *context)
{
    pause();
    return context;
}

static int threaded_initializer(posse_task *task, const void *arg, size_t size)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, wait_for_ever, NULL);
}

/* A fork would lack that thread, and what it holds. */
TEST(an_initializer_that_leaves_threads, SEALABLE)
{
    posse_options options = with_initializer(threaded_initializer, NULL, 0);
    posse_executor *pool = fresh_pool_with(options, nothing);
    posse_error why = {.struct_size = sizeof why};
    assert_eventually(posse_why_broken(pool, &why) == POSSE_OK && why.status == POSSE_BROKEN);
    assert_non_null(strstr(why.message, "the processes of tasks cannot be sealed"));
    assert_ok(posse_destroy(pool));
}

/* ---- among others ---- */

TEST(forty_of_two_thousand, SEALABLE)
{
    posse_executor *pool = fresh_pool(4, nothing);
    assert_forty_of_two_thousand(pool);
    assert_int_equal(stats_of(pool).workers_lost, 0);
    end_pool(pool);
}

/* ---- what a task's process has ---- */

static int descriptors_task(posse_task *task, const void *arg, size_t size)
{
    long open = 0;
    for (int fd = 3; fd < 2000; fd++)
        open += fcntl(fd, F_GETFD) != -1;
    return return_long(task, open);
}

TEST(no_descriptor_but_stdio, SEALABLE)
{
    posse_options options = OPTIONS(1, .max_rss_per_worker = (size_t)1 << 30, .autopsy = 1);
    posse_executor *pool = fresh_pool_with(options, nothing);
    for (int i = 0; i < 3; i++)
        assert_int_equal(take_long(submitted(pool, descriptors_task, NULL, 0)), 0);
    assert_ok(posse_destroy(pool));
}

/* Whether something is mapped there: mincore knows. */
static int mapped_task(posse_task *task, const void *arg, size_t size)
{
    unsigned char pages[1];
    void *at;
    memcpy(&at, arg, sizeof at);
    return return_long(task, mincore(at, 1, pages) == 0 || errno != ENOMEM);
}

static bool is_mapped(posse_executor *pool, const void *at)
{
    void *page = (void *)((uintptr_t)at & ~(uintptr_t)4095);
    return take_long(SUBMIT_VALUE(pool, mapped_task, page)) != 0;
}

TEST(no_memory_of_executors, SEALABLE)
{
    posse_executor *other = make_pool(1), *pool = fresh_pool(1, nothing);
    void *memory, *others;
    assert_ok(posse_alloc(pool, 1 << 20, &memory));
    assert_ok(posse_alloc(other, 1 << 20, &others));
    for (int i = 0; i < 3; i++) {
        assert_false(is_mapped(pool, memory));
        assert_false(is_mapped(pool, others));
    }
    assert_true(is_mapped(other, others));
    assert_true(is_mapped(pool, &nothing)); /* the program's */
    assert_ok(posse_free(pool, memory));
    assert_ok(posse_free(other, others));
    end_pool(pool);
    end_pool(other);
}

/* ---- what a worker has ---- */

static int count_mappings(pid_t pid)
{
    char path[64];
    int lines = 0;
    snprintf(path, sizeof path, "/proc/%ld/maps", (long)pid);
    FILE *file = fopen(path, "re");
    for (int c; file && (c = fgetc(file)) != EOF;)
        lines += c == '\n';
    if (file)
        (void)fclose(file);
    return lines;
}

static int grow_task(posse_task *task, const void *arg, size_t size)
{
    static char bytes[100000];
    return posse_task_return(task, bytes, sizeof bytes) == POSSE_OK ? 0 : GAVE_UP;
}

TEST(worker_stays_as_it_is, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, visible);
    pid_t worker = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    static char large[100000];
    int before = 0;
    for (int i = 0; i < 200; i++) {
        take_error(submitted(pool, grow_task, NULL, 0), POSSE_OK);
        take_error(submitted(pool, echo_task, large, sizeof large), POSSE_OK);
        take_error(submitted_long(pool, signal_task, SIGKILL), POSSE_WORKER_LOST);
        if (i == 10)
            before = count_mappings(worker);
    }
    assert_int_equal(take_long(submitted(pool, parent_task, NULL, 0)), worker);
    if (before > 0) /* it may be read */
        assert_in_range(count_mappings(worker), 1, before + 3);
    end_pool(pool);
}

/* ---- processes ---- */

/* The supervisor, the workers, and one process ahead for each. */
TEST(one_process_ahead, SEALABLE)
{
    posse_executor *pool = fresh_pool(3, visible);
    assert_eventually(count_processes() == 1 + 2 * 3);
    for (int i = 0; i < 20; i++)
        take_long(submitted(pool, identity_task, NULL, 0));
    assert_eventually(count_processes() == 1 + 2 * 3);
    assert_ok(posse_resize(pool, 1));
    assert_eventually(count_processes() == 1 + 2 * 1);
    assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_eventually(count_processes() == 0);
    assert_ok(posse_destroy(pool));
}

TEST(idle_workers_leave, SEALABLE)
{
    posse_options options = OPTIONS(2, .idle_timeout_ms = 1, .on_demand = true);
    posse_executor *pool = fresh_pool_with(options, visible);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
        assert_eventually(count_processes() == 1);
    }
    end_pool(pool);
}

TEST(workers_are_replaced, SEALABLE)
{
    posse_options options = OPTIONS(2, .max_tasks_per_worker = 3);
    posse_executor *pool = fresh_pool_with(options, nothing);
    posse_future futures[60];
    for (long i = 0; i < 60; i++)
        futures[i] = submitted_long(pool, square_task, i);
    for (long i = 0; i < 60; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    assert_true(stats_of(pool).workers_started >= 19);
    assert_int_equal(stats_of(pool).workers_lost, 0);
    end_pool(pool);
}

TEST(force, SEALABLE)
{
    struct gate *gate = shared_gate();
    for (int kills = 0; kills < 2; kills++) {
        posse_executor *pool = fresh_pool(2, visible);
        posse_future future = submitted_hold(pool, gate);
        await_entered(gate, kills + 1);
        assert_ok(kills ? posse_kill_workers(pool) : posse_terminate_workers(pool));
        take_error(future, POSSE_WORKER_LOST);
        assert_eventually(count_processes() == 0);
        assert_ok(posse_destroy(pool));
    }
    free_shared_gate(gate);
}

/* A process that something kills as it waits for a task costs no task. */
TEST(killed_ahead, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, visible);
    for (int i = 0; i < 10; i++) {
        char path[64];
        long child = 0;
        pid_t worker = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
        assert_eventually(count_processes() == 3);
        snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)worker, (long)worker);
        FILE *file = fopen(path, "re");
        if (file == NULL || fscanf(file, "%ld", &child) != 1)
            child = 0; /* the kernel does not tell */
        if (file)
            (void)fclose(file);
        if (child > 0)
            assert_int_equal(kill((pid_t)child, SIGKILL), 0);
        long value = i;
        posse_job job = {.fn = square_task,
                         .arg = &value,
                         .size = sizeof value,
                         .max_memory = i % 2 ? (size_t)1 << 26 : 0};
        assert_int_equal(take_long(submitted_job(pool, job)), i * i);
    }
    end_pool(pool);
}

static int program_with_a_pool(void *context)
{
    struct gate **gate = context;
    posse_seal seal = visible;
    posse_options options = OPTIONS(2, .isolation = POSSE_FRESH, .seal = &seal);
    posse_executor *pool;
    posse_future future;
    seal.struct_size = sizeof seal;
    if (posse_create(&options, &pool) != POSSE_OK ||
        posse_submit(pool, hold_task, gate, sizeof *gate, &future) != POSSE_OK)
        return 1;
    (void)posse_result(future, -1, NULL, NULL);
    return 2;
}

TEST(the_program_dies, SEALABLE)
{
    end_pool(fresh_pool(1, nothing)); /* or it is skipped */
    struct gate *gate = shared_gate();
    pid_t program = start_child(program_with_a_pool, &gate);
    await_entered(gate, 1);
    assert_int_equal(kill(program, SIGKILL), 0);
    assert_int_equal(wait_status(program), SIGKILL);
    assert_eventually(!process_lives((pid_t)gate->who[0]) && count_processes() == 0);
    free_shared_gate(gate);
}

/* The worker and its two processes die at each deadline. */
static int passes_a_deadline(posse_executor *pool)
{
    posse_future future;
    long duration = 1000000;
    posse_job job = {.struct_size = sizeof job,
                     .fn = sleep_task,
                     .arg = &duration,
                     .size = sizeof duration,
                     .timeout_ms = 1};
    REQUIRE(posse_submit_with(pool, &job, &future) == POSSE_OK);
    REQUIRE(posse_result(future, -1, NULL, NULL) == POSSE_DEADLINE);
    REQUIRE(posse_release(future) == POSSE_OK);
    return 0;
}

/* The supervisor is its only child, which posse_destroy reaps. */
static int program_that_adopts(void *context)
{
    posse_options options = OPTIONS(2, .isolation = POSSE_FRESH);
    posse_executor *pool;
    REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    REQUIRE(posse_create(&options, &pool) == POSSE_OK);
    for (int i = 0; i < 20; i++) {
        REQUIRE(passes_a_deadline(pool) == 0);
        REQUIRE(waitpid(-1, NULL, WNOHANG) == 0);
    }
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    REQUIRE(waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
    return 0;
}

TEST(a_program_that_adopts, SEALABLE)
{
    end_pool(fresh_pool(1, nothing)); /* or it is skipped */
    for (int i = 0; i < 3; i++)
        assert_child(program_that_adopts, NULL);
}

/* ---- what a task leaves ---- */

static int leaving_task(posse_task *task, const void *arg, size_t size)
{
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    return child > 0 ? return_long(task, child) : GAVE_UP;
}

/* The child of a task dies soon after the task, with its worker. */
TEST(children_die, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, (posse_seal){.allow = POSSE_ALLOW_PROCESSES});
    for (int i = 0; i < 5; i++) {
        pid_t child = (pid_t)take_long(submitted(pool, leaving_task, NULL, 0));
        assert_eventually(!process_lives(child));
        assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    }
    assert_int_equal(stats_of(pool).workers_started, 6);
    assert_int_equal(stats_of(pool).workers_lost, 0);
    end_pool(pool);
}

/* ---- processor time ---- */

#define BURNT_NS 30000000ull

static uint64_t burnt(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int burning_task(posse_task *task, const void *arg, size_t size)
{
    while (burnt() < BURNT_NS)
        ;
    return 0;
}

static int burning_and_crashing_task(posse_task *task, const void *arg, size_t size)
{
    burning_task(task, arg, size);
    abort();
}

/* It says when it has burnt enough, and goes on. */
static int burning_on_task(posse_task *task, const void *arg, size_t size)
{
    struct gate *gate;
    memcpy(&gate, arg, sizeof gate);
    burning_task(task, arg, size);
    gate->entered++;
    while (!gate->open)
        ;
    return 0;
}

/* That of a process counts when it has ended, however it does. */
TEST(processor_time_of_processes, SEALABLE)
{
    struct gate *gate = shared_gate();
    posse_executor *pool = fresh_pool(1, nothing);
    take_error(submitted(pool, burning_task, NULL, 0), POSSE_OK);
    assert_eventually(stats_of(pool).cpu_ns >= BURNT_NS);
    take_error(submitted(pool, burning_and_crashing_task, NULL, 0), POSSE_WORKER_LOST);
    assert_eventually(stats_of(pool).cpu_ns >= 2 * BURNT_NS);
    posse_future killed = SUBMIT_VALUE(pool, burning_on_task, gate);
    await_entered(gate, 1);
    assert_ok(posse_kill(killed));
    take_error(killed, POSSE_CANCELLED);
    assert_true(stats_of(pool).cpu_ns >= 3 * BURNT_NS);
    end_pool(pool);
    free_shared_gate(gate);
}
