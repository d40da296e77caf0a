/* launchers.c - what the launcher does with commands that end, stay silent or cannot be run, and
 * what follows its own death.
 */
#include "remote/kit/remote.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where a command writes a pid. */
struct file {
    char path[32];
    char command[256];
};

/* end: what the command does after that. */
static struct file make_file(const char *begin, const char *end)
{
    struct file file = {.path = "/tmp/posse-test-XXXXXX"};
    int fd = mkstemp(file.path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(file.command, sizeof file.command, "%s >%s; %s", begin, file.path, end);
    return file;
}

static pid_t read_pid(const struct file *file)
{
    char line[24] = "";
    FILE *stream = fopen(file->path, "r");
    if (stream && !fgets(line, sizeof line, stream))
        line[0] = '\0';
    if (stream)
        (void)fclose(stream);
    return strchr(line, '\n') ? atoi(line) : 0;
}

static pid_t await_pid(const struct file *file)
{
    assert_eventually(read_pid(file) > 0);
    pid_t pid = read_pid(file);
    assert_int_equal(unlink(file->path), 0);
    return pid;
}

static posse_executor *launched(const char *command)
{
    posse_executor *pool = NULL;
    posse_remote_options remote = {.struct_size = sizeof remote,
                                   .launcher = POSSE_LAUNCH_COMMAND,
                                   .nodes = "n1:1",
                                   .command = command};
    assert_ok(posse_remote_create(NULL, &remote, &pool));
    return pool;
}

static void assert_breaks(posse_executor *pool, const char *words)
{
    posse_error error = {.struct_size = sizeof error};
    assert_eventually(posse_why_broken(pool, &error) == POSSE_OK && error.status == POSSE_BROKEN);
    assert_string_equal(error.message, words);
    assert_ok(posse_destroy(pool));
}

TEST(words_behind_a_longer_line, PROCESSES)
{
    assert_breaks(launched("echo -------------------- >&2; echo no way >&2; exit 3"),
                  "no agent has joined: no way");
}

TEST(a_command_that_is_too_long, PROCESSES)
{
    size_t most = 32 * (size_t)sysconf(_SC_PAGESIZE); /* of one word of a command line */
    char *command = malloc(most + 1);
    assert_non_null(command);
    memset(command, ' ', most);
    command[most] = '\0';
    assert_breaks(launched(command),
                  "no agent has joined: the launcher cannot run sh: its command may be too long");
    free(command);
}

TEST(a_launcher_that_is_killed, PROCESSES)
{
    struct file file = make_file("echo $PPID", "while kill -0 $PPID 2>&-; do sleep 0.05; done");
    posse_executor *pool = launched(file.command);
    pid_t launcher = await_pid(&file);
    assert_int_equal(kill(launcher, SIGKILL), 0);
    assert_breaks(pool, "no agent has joined: the launcher has ended and said nothing");
}

TEST(a_program_that_ignores_its_children, PROCESSES)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    assert_int_equal(sigaction(SIGCHLD, &ignore, &before), 0);
    posse_executor *pool = launched("echo no way >&2; exit 3");
    assert_breaks(pool, "no agent has joined: no way");
    assert_int_equal(sigaction(SIGCHLD, &before, NULL), 0);
}

/* The pool ends, and with it a command whose end nothing tells. */
TEST(a_command_without_stderr, PROCESSES)
{
    struct file file = make_file("exec 2>&-; echo $$", "exec sleep 600");
    posse_executor *pool = launched(file.command);
    pid_t command = await_pid(&file);
    assert_true(process_lives(command));
    assert_ok(posse_destroy(pool));
    assert_eventually(!process_lives(command));
}

TEST(a_command_without_stderr_ends, PROCESSES)
{
    assert_breaks(launched("exec 2>&-; exit 3"),
                  "no agent has joined: the launcher has ended and said nothing");
}

/* Nobody reads what commands say. */
static int program_with_full_stderr(void *context)
{
    const struct file *file = context;
    struct pollfd room = {.fd = 2, .events = POLLOUT};
    int ends[2];
    REQUIRE(pipe(ends) == 0 && dup2(ends[1], 2) == 2);
    posse_executor *pool;
    posse_remote_options remote = {.struct_size = sizeof remote,
                                   .launcher = POSSE_LAUNCH_COMMAND,
                                   .nodes = "n1:1",
                                   .command = file->command};
    REQUIRE(posse_remote_create(NULL, &remote, &pool) == POSSE_OK);
    long end = now_ms() + PATIENCE_MS;
    while (read_pid(file) == 0 || poll(&room, 1, 0) != 0) {
        REQUIRE(now_ms() < end);
        pause_ms(1);
    }
    pause_ms(100); /* most often the launcher wants to write by then */
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    while (process_lives(read_pid(file))) {
        REQUIRE(now_ms() < end);
        pause_ms(1);
    }
    return 0;
}

TEST(a_full_stderr_keeps_no_command, PROCESSES)
{
    struct file file = make_file("echo $$", "while :; do echo words >&2; done");
    assert_int_equal(wait_status(start_child(program_with_full_stderr, &file)), 0);
    assert_int_equal(unlink(file.path), 0);
}

static int has_variable_task(posse_task *task, const void *arg, size_t size)
{
    return getenv("POSSE_TEST_5999") ? 1 : 2;
}

TEST(commands_have_all_of_a_large_environment, PROCESSES)
{
    char name[32];
    for (int i = 0; i < 6000; i++) {
        snprintf(name, sizeof name, "POSSE_TEST_%d", i);
        assert_int_equal(setenv(name, "1", 1), 0);
    }
    posse_executor *pool = REMOTE("n1:1");
    posse_future future = submitted(pool, has_variable_task, NULL, 0);
    assert_int_equal(take_error(future, POSSE_TASK_FAILED).code, 1);
    end_remote(pool);
    for (int i = 0; i < 6000; i++) {
        snprintf(name, sizeof name, "POSSE_TEST_%d", i);
        assert_int_equal(unsetenv(name), 0);
    }
}

TEST(too_many_places, PROCESSES)
{
    posse_executor *pool;
    posse_remote_options remote = {.struct_size = sizeof remote, .launcher = POSSE_LAUNCH_LOCAL};
    static const char *const many[] = {"a:1001", "a:1,b:99999999999999999999", "a,b:1001"};
    for (size_t i = 0; i < COUNT(many); i++) {
        remote.nodes = many[i];
        assert_status(posse_remote_create(NULL, &remote, &pool), POSSE_TOO_LARGE);
        assert_null(pool);
    }
    remote.nodes = "a";
    remote.places = 1001;
    assert_status(posse_remote_create(NULL, &remote, &pool), POSSE_TOO_LARGE);
}

static int no_initializer(posse_task *task, const void *arg, size_t size)
{
    (void)task, (void)arg, (void)size;
    return 0;
}

TEST(arguments_that_are_too_large_together, PROCESSES)
{
    posse_executor *pool;
    posse_remote_options remote = {.struct_size = sizeof remote, .launcher = POSSE_LAUNCH_LOCAL};
    posse_options options = {.struct_size = sizeof options,
                             .initializer = no_initializer,
                             .initializer_arg = "",
                             .initializer_size = SIZE_MAX,
                             .finalizer = no_initializer,
                             .finalizer_arg = "",
                             .finalizer_size = 2};
    assert_status(posse_remote_create(&options, &remote, &pool), POSSE_TOO_LARGE);
    assert_null(pool);
}

static int parents_death(posse_task *task, const void *arg, size_t size)
{
    long agent;
    (void)task, (void)size;
    memcpy(&agent, arg, sizeof agent);
    return kill((pid_t)agent, SIGKILL);
}

/* The first one has read the token from stdin. */
TEST(a_command_starts_an_agent_again, PROCESSES)
{
    struct file file =
        make_file("sh -c 'echo $$", "eval exec $POSSE_AGENT'; eval exec $POSSE_AGENT");
    posse_executor *pool = launched(file.command);
    long agent = await_pid(&file);
    take_error(SUBMIT_VALUE(pool, parents_death, agent), POSSE_WORKER_LOST);
    assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    assert_ok(posse_destroy(pool));
}
