/* create.c - posse_remote_create leaves all or nothing, whatever forks or dies meanwhile.
 *
 * The linker leads its steps here, so something happens between them.
 */
#include "remote/kit/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- between the steps ---- */

static enum { NEVER, AT_SOCKETS, AT_POOL } forks;
static pid_t forked; /* has a copy of all that the program has */
static int dies_at;  /* that many steps of it are made; 0: all */
static int steps_made;
static pid_t dying;
static bool next_pool_comes;   /* its file comes between the look and the removal of the keeper */
static bool has_links = true;  /* the file system */
static bool meets_a_directory; /* another process makes one just before the file gets its name */

pid_t __real_fork(void);
pid_t __wrap_fork(void);
int __real_socketpair(int, int, int, int[2]);
int __wrap_socketpair(int, int, int, int[2]);
posse_status __real_posse_create(const posse_options *, posse_executor **);
posse_status __wrap_posse_create(const posse_options *, posse_executor **);
int __real_rename(const char *, const char *);
int __wrap_rename(const char *, const char *);

static void step(void)
{
    if (dies_at && getpid() == dying && ++steps_made == dies_at)
        (void)kill(getpid(), SIGKILL);
}

static void fork_now(void)
{
    forks = NEVER;
    if ((forked = __real_fork()) == 0)
        for (;;)
            pause();
}

pid_t __wrap_fork(void)
{
    step();
    return __real_fork();
}

int __wrap_socketpair(int domain, int type, int protocol, int pair[2])
{
    step();
    int result = __real_socketpair(domain, type, protocol, pair);
    if (forks == AT_SOCKETS)
        fork_now();
    return result;
}

posse_status __wrap_posse_create(const posse_options *options, posse_executor **executor)
{
    step();
    if (forks == AT_POOL)
        fork_now();
    return __real_posse_create(options, executor);
}

int __wrap_rename(const char *from, const char *to)
{
    const char *name = strrchr(from, '/');
    step();
    if (next_pool_comes && name && strcmp(name, "/token") == 0)
        (void)__real_rename("other", from);
    if (meets_a_directory)
        (void)mkdir(to, 0700);
    return __real_rename(from, to);
}

int __real_link(const char *, const char *);
int __wrap_link(const char *, const char *);
int __wrap_link(const char *from, const char *to)
{
    errno = EPERM;
    return has_links ? __real_link(from, to) : -1;
}

static void end_forked(void)
{
    assert_true(forked > 0);
    assert_int_equal(kill(forked, SIGKILL), 0);
    assert_int_equal(waitpid(forked, NULL, 0), forked);
}

/* ---- a directory for the token ---- */

struct place {
    char directory[32], token[64], other[64];
};

static struct place make_place(void)
{
    struct place place = {.directory = "/tmp/posse-test-XXXXXX"};
    assert_non_null(mkdtemp(place.directory));
    snprintf(place.token, sizeof place.token, "%s/token", place.directory);
    snprintf(place.other, sizeof place.other, "%s/other", place.directory);
    return place;
}

static void assert_place_empties(const struct place *place)
{
    assert_eventually(rmdir(place->directory) == 0);
}

/* ---- tests ---- */

static posse_remote_options local(const char *token)
{
    return (posse_remote_options){
        .struct_size = sizeof(posse_remote_options), .nodes = "here:2", .token_file = token};
}

/* By shared memory of its own, as the program may be another process. */
static pid_t agent_of(posse_executor *pool)
{
    return (pid_t)take_long(submitted_long(pool, process_task, 0));
}

TEST(a_child_that_was_forked_meanwhile_keeps_nothing, PROCESSES)
{
    struct place place = make_place();
    posse_remote_options remote = local(place.token);
    posse_executor *pool;
    forks = AT_POOL;
    assert_ok(posse_remote_create(NULL, &remote, &pool));
    pid_t agent = agent_of(pool);
    assert_int_equal(access(place.token, F_OK), 0);
    assert_ok(posse_destroy(pool));
    assert_int_not_equal(access(place.token, F_OK), 0);
    assert_eventually(!process_lives(agent) && count_processes() == 1); /* the child */
    assert_place_empties(&place);
    end_forked();
}

/* The words of the launcher come through, though the child has a copy of its socket. */
TEST(a_child_that_was_forked_meanwhile_hides_no_end, PROCESSES)
{
    posse_remote_options remote = local(NULL);
    posse_error error = {.struct_size = sizeof error};
    posse_executor *pool;
    remote.launcher = POSSE_LAUNCH_COMMAND;
    struct place place = make_place();
    char command[160];
    snprintf(command, sizeof command,
             "while [ ! -e %s ]; do sleep 0.01; done; echo no way >&2; exit 3", place.other);
    remote.command = command;
    forks = AT_SOCKETS;
    assert_ok(posse_remote_create(NULL, &remote, &pool));
    assert_eventually(stats_of(pool).workers == 2);
    pause_ms(100); /* most often both wait by then */
    assert_int_equal(close(creat(place.other, 0600)), 0);
    assert_eventually(posse_why_broken(pool, &error) == POSSE_OK && error.status == POSSE_BROKEN);
    assert_string_equal(error.message, "no agent has joined: no way");
    assert_ok(posse_destroy(pool));
    end_forked();
    assert_int_equal(unlink(place.other), 0);
    assert_place_empties(&place);
}

struct death {
    struct place place;
    _Atomic pid_t forked;
    int at;
};

static int program_that_forks(void *context)
{
    struct death *death = context;
    posse_remote_options remote = local(death->place.token);
    posse_executor *pool;
    forks = AT_POOL;
    REQUIRE(posse_remote_create(NULL, &remote, &pool) == POSSE_OK);
    death->forked = forked;
    pause_ms(PATIENCE_MS);
    return 0;
}

TEST(nor_does_it_when_the_program_is_killed, PROCESSES)
{
    struct death *death = make_shared(sizeof *death);
    death->place = make_place();
    pid_t program = start_child(program_that_forks, death);
    assert_eventually(death->forked != 0);
    assert_int_equal(kill(program, SIGKILL), 0);
    assert_true(WIFSIGNALED(wait_status(program)));
    assert_eventually(count_processes() == 1); /* the child */
    assert_place_empties(&death->place);
    assert_int_equal(kill(death->forked, SIGKILL), 0);
    free_shared(death, sizeof *death);
}

static int program_that_dies(void *context)
{
    struct death *death = context;
    posse_remote_options remote = local(death->place.token);
    posse_executor *pool;
    dying = getpid();
    dies_at = death->at;
    posse_status status = posse_remote_create(NULL, &remote, &pool);
    dies_at = 0;
    return status == POSSE_OK && posse_destroy(pool) == POSSE_OK ? 0 : 1;
}

TEST(a_program_that_dies_meanwhile_leaves_no_file, PROCESSES)
{
    struct death *death = make_shared(sizeof *death);
    int how = 1;
    for (death->at = 1; how != 0; death->at++) {
        death->place = make_place();
        how = wait_status(start_child(program_that_dies, death));
        assert_true(how == 0 || WIFSIGNALED(how));
        assert_place_empties(&death->place);
    }
    assert_true(death->at > 5); /* two pairs of sockets, two forks, and the last, which goes well */
    free_shared(death, sizeof *death);
}

/* Neither a command runs nor is a file of that name replaced. */
TEST(what_posse_create_refuses_has_begun_nothing, PROCESSES)
{
    struct place place = make_place();
    char command[100];
    posse_options options = plain();
    posse_remote_options remote = local(place.token);
    posse_executor *pool;
    options.queue_limit = -1;
    remote.launcher = POSSE_LAUNCH_COMMAND;
    snprintf(command, sizeof command, ": >%s", place.other);
    remote.command = command;
    assert_status(posse_remote_create(&options, &remote, &pool), POSSE_INVALID);
    assert_null(pool);
    assert_int_not_equal(access(place.token, F_OK), 0);
    assert_eventually(count_processes() == 0);
    assert_int_not_equal(access(place.other, F_OK), 0);
    assert_place_empties(&place);
}

TEST(a_file_that_cannot_get_its_name, PROCESSES)
{
    struct place place = make_place();
    posse_remote_options remote = local(place.token);
    posse_executor *pool;
    meets_a_directory = true;
    assert_status(posse_remote_create(NULL, &remote, &pool), POSSE_SYSTEM);
    assert_int_equal(errno, EISDIR);
    meets_a_directory = false;
    assert_null(pool);
    assert_eventually(count_processes() == 0);
    assert_int_equal(rmdir(place.token), 0);
    assert_place_empties(&place);
}

/* ---- the next pool ---- */

static void assert_given_back(void)
{
    struct place place = make_place();
    posse_remote_options remote = local(place.token);
    posse_executor *pool;
    char there[6] = "";
    assert_int_equal(chdir(place.directory), 0);
    next_pool_comes = true;
    assert_ok(posse_remote_create(NULL, &remote, &pool));
    next_pool_comes = false;
    int fd = open("other", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "other", 5), 5);
    close(fd);
    assert_ok(posse_destroy(pool));
    assert_int_not_equal(access("other", F_OK), 0); /* it came */
    fd = open(place.token, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, there, 5), 5);
    close(fd);
    assert_string_equal(there, "other");
    assert_int_equal(unlink(place.token), 0);
    assert_int_equal(chdir("/"), 0);
    assert_place_empties(&place);
}

TEST(the_keeper_gives_the_file_of_the_next_pool_back, PROCESSES)
{
    assert_given_back();
    has_links = false;
    assert_given_back();
    has_links = true;
}

/* ---- a cancelled thread ---- */

struct making {
    posse_executor *pool;
    posse_remote_options remote;
    posse_status status;
};

static void *cancelled(void *making)
{
    struct making *m = making;
    pthread_cancel(pthread_self()); /* it ends at the first cancellation point */
    m->status = posse_remote_create(NULL, &m->remote, &m->pool);
    pthread_testcancel();
    return NULL;
}

TEST(the_call_is_no_cancellation_point, PROCESSES)
{
    struct place place = make_place();
    struct making making = {.remote = local(place.token), .status = POSSE_TIMEOUT};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancelled, &making), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ok(making.status);
    (void)agent_of(making.pool);
    assert_ok(posse_destroy(making.pool));
    assert_place_empties(&place);
}

/* ---- the same number in two pid namespaces ---- */

static int program_with_a_namespace(void *context)
{
    _Atomic int *created = context;
    if (unshare(CLONE_NEWPID) != 0)
        return 2;
    pid_t first = fork();
    if (first == 0) {
        posse_remote_options remote = local(NULL);
        posse_executor *pool;
        if (getpid() != 1 || posse_remote_create(NULL, &remote, &pool) != POSSE_OK)
            _exit(3);
        ++*created;
        for (long end = now_ms() + PATIENCE_MS; *created < 2 && now_ms() < end;)
            pause_ms(1);
        _exit(posse_destroy(pool) == POSSE_OK ? 0 : 4);
    }
    int how = 1;
    return waitpid(first, &how, 0) == first && WIFEXITED(how) ? WEXITSTATUS(how) : 5;
}

TEST(programs_of_two_namespaces_have_two_sockets, PROCESSES)
{
    _Atomic int *created = make_shared(sizeof *created);
    pid_t programs[2];
    for (int i = 0; i < 2; i++)
        programs[i] = start_child(program_with_a_namespace, (void *)(uintptr_t)created);
    int first = wait_status(programs[0]), second = wait_status(programs[1]);
    free_shared((void *)(uintptr_t)created, sizeof *created);
    if (WEXITSTATUS(first) == 2)
        skip(); /* it takes a right to make a namespace */
    assert_int_equal(first, 0);
    assert_int_equal(second, 0);
}
