/* relay.c - agents whose connections posse-relay carries by MPI, on this machine. One program for
 * each MPI. TEST_RELAY is the relay that was built with it (empty: it is not here), the mpirun in
 * TEST_PATH its own, that in TEST_OTHER_PATH of the other MPI. */
#include "remote/kit/remote.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LARGE ((size_t)8 << 20)

/* ---- pools ---- */

struct relayed {
    posse_executor *pool;
    posse_remote_options remote;
    char scratch[32]; /* of MPI, which leaves files behind when it is killed */
};

/* False: no MPI here. */
static bool set_up(struct relayed *r, const char *path)
{
    char searched[4096];
    *r = (struct relayed){.scratch = "/tmp/posse-mpi-XXXXXX"};
    if (TEST_RELAY[0] == '\0' || path[0] == '\0' || !mkdtemp(r->scratch))
        return false;
    snprintf(searched, sizeof searched, "%s:%s", path, getenv("PATH"));
    return setenv("PATH", searched, 1) == 0 && setenv("TMPDIR", r->scratch, 1) == 0 &&
           setenv("OMPI_MCA_btl_vader_backing_directory", r->scratch, 1) == 0 &&
           setenv("UCX_NET_DEVICES", "lo", 1) == 0 && /* others come and go in network.c */
           setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1) == 0 &&
           setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1) == 0;
}

static posse_status make(struct relayed *r, const char *nodes, const char *relay)
{
    r->remote = (posse_remote_options){.struct_size = sizeof r->remote,
                                       .launcher = POSSE_LAUNCH_MPI_RELAY,
                                       .nodes = nodes,
                                       .relay = relay};
    return posse_remote_create(NULL, &r->remote, &r->pool);
}

static void clear(const struct relayed *r)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", r->scratch);
    assert_int_equal(system(command), 0);
}

static struct relayed relayed_pool(const char *nodes)
{
    struct relayed r;
    if (!set_up(&r, TEST_PATH)) {
        print_message("this MPI is not installed\n");
        skip();
    }
    assert_ok(make(&r, nodes, TEST_RELAY));
    return r;
}

/* ---- the processes of a pool ---- */

struct words {
    char text[8192];
    size_t size;
};

static bool read_words(pid_t pid, struct words *w)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/cmdline", (long)pid);
    FILE *file = fopen(path, "re");
    w->size = file ? fread(w->text, 1, sizeof w->text - 1, file) : 0;
    w->text[w->size] = '\0';
    if (file)
        (void)fclose(file);
    return w->size > 0;
}

static bool has_word(const struct words *w, const char *word)
{
    for (const char *at = w->text; at < w->text + w->size; at += strlen(at) + 1)
        if (strcmp(at, word) == 0)
            return true;
    return false;
}

static pid_t parent_of(pid_t pid)
{
    char path[64], line[512] = "";
    long parent = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (file && fgets(line, sizeof line, file) && strrchr(line, ')'))
        (void)sscanf(strrchr(line, ')') + 1, " %*c %ld", &parent);
    if (file)
        (void)fclose(file);
    return (pid_t)parent;
}

enum role { MPIRUN, RANK, AGENT };

static bool has_role(const struct relayed *r, pid_t pid, enum role role)
{
    struct words w;
    if (!read_words(pid, &w))
        return false;
    if (role == AGENT)
        return strcmp(w.text, TEST_RELAY) != 0 && has_word(&w, "--token-stdin") &&
               has_role(r, parent_of(pid), RANK);
    bool is_relay = strcmp(w.text, TEST_RELAY) == 0;
    return has_word(&w, r->remote.address) && has_word(&w, TEST_RELAY) &&
           is_relay == (role == RANK);
}

/* How many there are; pids gets the first ones. */
static int find(const struct relayed *r, enum role role, pid_t pids[8])
{
    DIR *proc = opendir("/proc");
    int n = 0;
    assert_non_null(proc);
    for (struct dirent *entry; (entry = readdir(proc));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && n < 8 && process_lives(pid) && has_role(r, pid, role))
            pids[n++] = pid;
    }
    closedir(proc);
    return n;
}

static void end_relayed(struct relayed *r)
{
    pid_t pids[8];
    assert_ok(posse_destroy(r->pool));
    assert_eventually(find(r, MPIRUN, pids) + find(r, RANK, pids) == 0);
    clear(r);
}

/* ---- tests ---- */

static void echo_large(posse_executor *pool)
{
    const void *data;
    size_t size;
    char *bytes = malloc(LARGE);
    assert_non_null(bytes);
    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    posse_future future = submitted(pool, echo_task, bytes, LARGE);
    assert_ok(posse_result(future, -1, &data, &size));
    assert_int_equal(size, LARGE);
    assert_memory_equal(data, bytes, LARGE);
    assert_ok(posse_release(future));
    free(bytes);
}

TEST(tasks_by_the_relay, PROCESSES)
{
    struct relayed r = relayed_pool("localhost:2,localhost:1");
    posse_future futures[200];
    pid_t pids[8];
    for (long i = 0; i < 200; i++)
        futures[i] = submitted_long(r.pool, square_task, i);
    for (long i = 0; i < 200; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    assert_eventually(find(&r, RANK, pids) == 3);
    assert_eventually(find(&r, AGENT, pids) == 2);
    echo_large(r.pool);
    posse_error error = take_error(submitted_long(r.pool, signal_task, SIGSEGV), POSSE_WORKER_LOST);
    assert_int_equal(error.signal, SIGSEGV);
    assert_int_equal(take_long(submitted_long(r.pool, square_task, 5)), 25);
    assert_at_rest(r.pool);
    end_relayed(&r);
}

static int environment_task(posse_task *task, const void *arg, size_t size)
{
    long n = 0;
    (void)arg, (void)size;
    for (char **e = environ; *e; e++)
        n += strncmp(*e, "PMI", 3) == 0 || strncmp(*e, "OMPI_", 5) == 0 ||
             strncmp(*e, "POSSE_REMOTE_", 13) == 0;
    return return_long(task, n);
}

TEST(an_agent_is_no_rank_and_its_environment_has_no_token, PROCESSES)
{
    struct relayed r = relayed_pool("localhost:1");
    assert_int_equal(take_long(submitted(r.pool, environment_task, NULL, 0)), 0);
    end_relayed(&r);
}

TEST(a_task_that_is_late_is_killed_there, PROCESSES)
{
    struct relayed r = relayed_pool("localhost:1");
    long there = take_long(submitted(r.pool, process_task, NULL, 0)), ms = PATIENCE_MS;
    posse_job job = {.fn = sleep_task, .arg = &ms, .size = sizeof ms, .timeout_ms = 200};
    take_error(submitted_job(r.pool, job), POSSE_DEADLINE);
    assert_eventually(!process_lives((pid_t)there));
    assert_int_equal(take_long(submitted_long(r.pool, square_task, 5)), 25);
    end_relayed(&r);
}

/* Path of a file: makes it, with its process in it, and sleeps. */
static int marking_task(posse_task *task, const void *arg, size_t size)
{
    char made[128];
    (void)task, (void)size;
    snprintf(made, sizeof made, "%s.made", (const char *)arg);
    FILE *file = fopen(made, "we");
    if (!file || fprintf(file, "%ld", (long)getpid()) < 0 || fclose(file) != 0 ||
        rename(made, arg) != 0)
        return 1;
    pause_ms(PATIENCE_MS);
    return 0;
}

static pid_t read_mark(const char *path)
{
    char text[32] = "";
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    (void)fgets(text, sizeof text, file);
    (void)fclose(file);
    return (pid_t)strtol(text, NULL, 10);
}

TEST(a_task_that_the_program_kills_ends_there, PROCESSES)
{
    struct relayed r = relayed_pool("localhost:1");
    char mark[64];
    snprintf(mark, sizeof mark, "%s/mark", r.scratch);
    for (int i = 0; i < 5; i++) {
        posse_future future = submitted(r.pool, marking_task, mark, strlen(mark) + 1);
        assert_eventually(access(mark, F_OK) == 0);
        pid_t there = read_mark(mark);
        assert_int_equal(unlink(mark), 0);
        assert_ok(posse_kill(future));
        take_error(future, POSSE_CANCELLED);
        assert_eventually(!process_lives(there));
    }
    echo_large(r.pool);
    end_relayed(&r);
}

TEST(agents_die_under_load_and_every_task_is_accounted_for, PROCESSES)
{
    enum { TASKS = 1000 };
    struct relayed r = relayed_pool("localhost:1,localhost:1");
    static posse_future futures[TASKS];
    pid_t agents[8];
    assert_eventually(find(&r, AGENT, agents) == 2);
    for (long i = 0; i < TASKS; i++)
        futures[i] = submitted_long(r.pool, square_task, i);
    (void)posse_result(futures[100], -1, NULL, NULL);
    assert_int_equal(kill(agents[0], SIGKILL), 0);
    long lost = count_lost_squares(futures, TASKS);
    assert_true(lost <= 1);
    assert_int_equal(stats_of(r.pool).lost, lost);
    assert_int_equal(find(&r, RANK, agents), 3); /* its rank stays */
    end_relayed(&r);
}

TEST(when_the_last_agent_ends_the_relay_ends, PROCESSES)
{
    struct relayed r = relayed_pool("localhost:1");
    pid_t pids[8];
    assert_int_equal(take_long(submitted_long(r.pool, square_task, 5)), 25);
    assert_eventually(find(&r, AGENT, pids) == 1);
    posse_future future = submitted_long(r.pool, sleep_task, PATIENCE_MS);
    assert_eventually(posse_running(future));
    assert_int_equal(kill(pids[0], SIGKILL), 0);
    posse_error error = take_error(future, POSSE_WORKER_LOST);
    assert_int_equal(error.signal, SIGHUP);
    assert_int_equal(error.pid, pids[0]);
    assert_eventually(find(&r, MPIRUN, pids) + find(&r, RANK, pids) == 0);
    end_relayed(&r);
}

/* A stopped agent takes no bytes: what waits for it is bounded, and the other one goes on. */
TEST(a_slow_agent_holds_up_no_other, PROCESSES)
{
    struct relayed r = relayed_pool("localhost:1,localhost:1");
    pid_t agents[8];
    char *bytes = calloc(1, LARGE);
    assert_non_null(bytes);
    assert_eventually(find(&r, AGENT, agents) == 2);
    posse_future both[2] = {submitted_long(r.pool, sleep_task, 300),
                            submitted_long(r.pool, sleep_task, 300)};
    assert_eventually(posse_running(both[0]) && posse_running(both[1]));
    assert_int_equal(kill(agents[0], SIGSTOP), 0);
    posse_future large[2] = {submitted(r.pool, echo_task, bytes, LARGE),
                             submitted(r.pool, echo_task, bytes, LARGE)};
    /* One of the first two tasks never comes back; the other place runs all the rest. */
    for (long i = 0; i < 50; i++)
        assert_int_equal(take_long(submitted_long(r.pool, square_task, i)), i * i);
    assert_int_equal(kill(agents[0], SIGCONT), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(take_long(both[i]), 300);
        assert_ok(posse_result(large[i], -1, NULL, NULL));
        assert_ok(posse_release(large[i]));
    }
    free(bytes);
    end_relayed(&r);
}

struct program {
    struct relayed r;
    volatile long ready, process;
};

static int program_with_relay(void *context)
{
    struct program *p = context;
    posse_future future;
    long ms = PATIENCE_MS, process;
    REQUIRE(make(&p->r, "localhost:1,localhost:1", TEST_RELAY) == POSSE_OK);
    REQUIRE(posse_submit(p->r.pool, process_task, NULL, 0, &future) == POSSE_OK);
    REQUIRE(posse_result_into(future, -1, &process, sizeof process, NULL) == POSSE_OK);
    p->process = process;
    REQUIRE(posse_submit(p->r.pool, sleep_task, &ms, sizeof ms, &future) == POSSE_OK);
    REQUIRE(posse_submit(p->r.pool, sleep_task, &ms, sizeof ms, &future) == POSSE_OK);
    p->ready = 1;
    pause_ms(PATIENCE_MS);
    return 0;
}

TEST(when_the_program_dies_all_ends, PROCESSES)
{
    struct program *p = make_shared(sizeof *p);
    pid_t pids[8];
    if (!set_up(&p->r, TEST_PATH)) {
        free_shared(p, sizeof *p);
        print_message("this MPI is not installed\n");
        skip();
    }
    pid_t program = start_child(program_with_relay, p);
    assert_eventually(p->ready == 1);
    assert_int_equal(kill(program, SIGKILL), 0);
    assert_true(WIFSIGNALED(wait_status(program)));
    assert_eventually(!process_lives((pid_t)p->process));
    assert_eventually(find(&p->r, MPIRUN, pids) + find(&p->r, RANK, pids) == 0);
    assert_eventually(count_processes() == 0);
    clear(&p->r);
    free_shared(p, sizeof *p);
}

TEST(mpirun_is_killed_and_the_program_lives, PROCESSES)
{
    struct relayed r = relayed_pool("localhost:1,localhost:1");
    pid_t pids[8];
    long there = take_long(submitted(r.pool, process_task, NULL, 0));
    posse_future future = submitted_long(r.pool, sleep_task, PATIENCE_MS);
    assert_eventually(posse_running(future));
    assert_eventually(find(&r, MPIRUN, pids) == 1);
    assert_int_equal(kill(pids[0], SIGKILL), 0);
    assert_int_equal(take_error(future, POSSE_WORKER_LOST).signal, SIGHUP);
    assert_eventually(find(&r, RANK, pids) == 0);
    assert_eventually(!process_lives((pid_t)there));
    future = submitted_long(r.pool, square_task, 5);
    assert_status(posse_result(future, 50, NULL, NULL), POSSE_TIMEOUT);
    assert_ok(posse_cancel(future));
    assert_ok(posse_release(future));
    end_relayed(&r);
}

TEST(a_rank_is_killed_and_the_program_lives, PROCESSES)
{
    struct relayed r = relayed_pool("localhost:1,localhost:1");
    pid_t pids[8];
    posse_future future = submitted_long(r.pool, sleep_task, PATIENCE_MS);
    assert_eventually(posse_running(future));
    assert_eventually(find(&r, RANK, pids) == 3);
    assert_int_equal(kill(pids[2], SIGKILL), 0);
    assert_int_equal(take_error(future, POSSE_WORKER_LOST).signal, SIGHUP);
    assert_eventually(find(&r, MPIRUN, pids) + find(&r, RANK, pids) == 0);
    end_relayed(&r);
}

static void assert_says(const char *path, const char *relay, const char *words)
{
    struct relayed r;
    if (!set_up(&r, path)) {
        print_message("this MPI, or the other one, is not installed\n");
        skip();
    }
    assert_ok(make(&r, "localhost:1", relay));
    posse_error error = {.struct_size = sizeof error};
    posse_future future;
    long value = 3;
    posse_status status = posse_submit(r.pool, square_task, &value, sizeof value, &future);
    if (status == POSSE_OK)
        status = posse_result(future, -1, NULL, NULL);
    assert_status(status, POSSE_BROKEN);
    assert_ok(posse_why_broken(r.pool, &error));
    const char *said = error.message + strlen("no agent has joined: ");
    if (strncmp(error.message, "no agent has joined: ", strlen("no agent has joined: ")) != 0 ||
        said[0] == '\0' || !strstr(said, words))
        fail_msg("%s", error.message);
    end_relayed(&r);
}

/* Each mpirun has words of its own. */
TEST(no_relay_there, PROCESSES) { assert_says(TEST_PATH, "/no/such/relay", ""); }

/* In words of the relay, "is it of another MPI?", or of MPI_Init, which may fail before. */
TEST(mpirun_of_another_mpi, PROCESSES) { assert_says(TEST_OTHER_PATH, TEST_RELAY, "MPI"); }
