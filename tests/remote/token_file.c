/* token_file.c - the file with the token: whose it is, what it replaces, and who removes it. The
 * token stands on no command line. */
#include "remote/kit/remote.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(the_token_is_for_its_user, PROCESSES)
{
    struct stat file;
    struct hand hand = make_by_hand(1, plain()), second = hand;
    second.options.token_file = hand.token;
    mode_t before = umask(0777);
    posse_status status = posse_remote_create(NULL, &second.options, &second.pool);
    (void)umask(before);
    assert_ok(status);
    assert_ok(posse_destroy(hand.pool));
    hand = second;
    assert_int_equal(stat(hand.token, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    assert_true(strncmp(hand.options.address, "127.0.0.1:", 10) == 0);
    end_hand(&hand);
}

/* An old file is replaced at once, so one that reads it has the old token or the new one. */
TEST(a_token_file_of_another_pool_is_replaced_and_stays, PROCESSES)
{
    struct hand first = make_by_hand(1, plain()), second = first;
    struct stat before, after;
    assert_int_equal(stat(first.token, &before), 0);
    assert_int_equal(chmod(first.token, 0644), 0);
    posse_options options = plain();
    options.max_workers = 1;
    second.options.token_file = first.token;
    assert_ok(posse_remote_create(&options, &second.options, &second.pool));
    assert_int_equal(stat(first.token, &after), 0);
    assert_true(before.st_ino != after.st_ino);
    assert_int_equal(after.st_mode & 0777, 0600);
    assert_ok(posse_destroy(first.pool));
    pid_t agent = start_agent(&second, 1); /* by the file of the second pool */
    assert_int_equal(take_long(submitted_long(second.pool, square_task, 4)), 16);
    end_hand(&second);
    (void)end_of(agent);
}

static int program_by_hand(void *context)
{
    posse_executor *pool;
    posse_remote_options remote = {
        .struct_size = sizeof remote, .launcher = POSSE_LAUNCH_NONE, .token_file = context};
    REQUIRE(posse_remote_create(NULL, &remote, &pool) == POSSE_OK);
    pause_ms(PATIENCE_MS);
    return 0;
}

TEST(the_token_goes_when_the_program_is_killed, PROCESSES)
{
    char directory[] = "/tmp/posse-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/token", directory);
    pid_t program = start_child(program_by_hand, path);
    assert_eventually(access(path, F_OK) == 0);
    assert_int_equal(kill(program, SIGKILL), 0);
    assert_true(WIFSIGNALED(wait_status(program)));
    assert_eventually(access(path, F_OK) != 0);
    assert_int_equal(rmdir(directory), 0);
}

TEST(a_token_file_that_cannot_be_made, PROCESSES)
{
    posse_executor *pool;
    posse_remote_options remote = {.struct_size = sizeof remote, .launcher = POSSE_LAUNCH_NONE};
    assert_status(posse_remote_create(NULL, &remote, &pool), POSSE_INVALID); /* no agent can come */
    remote.token_file = "/nowhere/token";
    assert_status(posse_remote_create(NULL, &remote, &pool), POSSE_SYSTEM);
    assert_null(pool);
}

static void assert_stays(char *path, mode_t type)
{
    posse_executor *pool;
    struct stat before, after;
    posse_remote_options remote = {
        .struct_size = sizeof remote, .launcher = POSSE_LAUNCH_NONE, .token_file = path};
    assert_int_equal(lstat(path, &before), 0);
    assert_int_equal(before.st_mode & S_IFMT, type);
    assert_status(posse_remote_create(NULL, &remote, &pool), POSSE_SYSTEM);
    assert_int_equal(errno, EEXIST);
    assert_null(pool);
    assert_int_equal(lstat(path, &after), 0);
    assert_true(before.st_ino == after.st_ino);
}

TEST(only_a_file_is_replaced, PROCESSES)
{
    char directory[] = "/tmp/posse-test-XXXXXX", path[64], target[64];
    assert_non_null(mkdtemp(directory));
    assert_stays(directory, S_IFDIR);
    snprintf(path, sizeof path, "%s/fifo", directory);
    assert_int_equal(mkfifo(path, 0600), 0); /* a device is not made without root */
    assert_stays(path, S_IFIFO);
    assert_int_equal(unlink(path), 0);
    snprintf(target, sizeof target, "%s/target", directory);
    int fd = open(target, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(symlink(target, path), 0);
    assert_stays(path, S_IFLNK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(target), 0);
    assert_int_equal(rmdir(directory), 0);
}

/* What stands there when the pool ends is not its file. */
TEST(the_end_of_a_pool_removes_only_its_own_file, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    struct stat after;
    assert_int_equal(unlink(hand.token), 0);
    assert_int_equal(mkfifo(hand.token, 0600), 0);
    assert_ok(posse_destroy(hand.pool));
    assert_int_equal(lstat(hand.token, &after), 0);
    assert_true(S_ISFIFO(after.st_mode));
    assert_int_equal(unlink(hand.token), 0);
    assert_int_equal(rmdir(hand.directory), 0); /* nor has it left another name */
}

/* The longest name that a directory takes. */
TEST(a_long_name, PROCESSES)
{
    char directory[] = "/tmp/posse-test-XXXXXX", path[300];
    posse_executor *pool;
    posse_remote_options remote = {
        .struct_size = sizeof remote, .launcher = POSSE_LAUNCH_NONE, .token_file = path};
    assert_non_null(mkdtemp(directory));
    size_t used = (size_t)snprintf(path, sizeof path, "%s/", directory);
    memset(path + used, 'n', 255);
    path[used + 255] = '\0';
    assert_ok(posse_remote_create(NULL, &remote, &pool));
    assert_int_equal(access(path, F_OK), 0);
    assert_ok(posse_destroy(pool));
    assert_int_equal(rmdir(directory), 0);
}

/* A file that may not grow kills whoever writes it. */
static int program_without_file_size(void *context)
{
    const struct rlimit none = {0};
    posse_executor *pool;
    posse_remote_options remote = {
        .struct_size = sizeof remote, .launcher = POSSE_LAUNCH_NONE, .token_file = context};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &none) == 0);
    REQUIRE(posse_remote_create(NULL, &remote, &pool) == POSSE_SYSTEM && errno == EFBIG);
    return 0;
}

TEST(no_file_may_have_a_byte, PROCESSES)
{
    char directory[] = "/tmp/posse-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/token", directory);
    assert_child(program_without_file_size, path);
    assert_eventually(rmdir(directory) == 0);
}

/* ---- command lines ---- */

static bool has_on_its_line(const char *pid, const char *words)
{
    static char line[65536];
    char path[64];
    snprintf(path, sizeof path, "/proc/%.20s/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line);
    if (fd >= 0)
        close(fd);
    return n > 0 && memmem(line, (size_t)n, words, strlen(words));
}

/* Of all processes of this machine. */
static int count_lines_with(const char *words)
{
    int n = 0;
    DIR *processes = opendir("/proc");
    assert_non_null(processes);
    for (const struct dirent *one; (one = readdir(processes));)
        n += has_on_its_line(one->d_name, words);
    (void)closedir(processes);
    return n;
}

/* An agent is there. */
static void assert_on_no_line(const char *path, const posse_remote_options *remote)
{
    char token[33] = "", line[8192];
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(token, sizeof token, file));
    (void)fclose(file);
    assert_int_equal(strlen(token), 32);
    assert_true(count_lines_with(remote->address) > 0);
    assert_int_equal(count_lines_with(token), 0);
    assert_true(posse_remote_line(remote, 1, line, sizeof line) < sizeof line);
    assert_null(strstr(line, token));
}

TEST(the_token_is_on_no_command_line, PROCESSES)
{
    char directory[] = "/tmp/posse-test-XXXXXX", path[64], command[80];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/token", directory);
    /* The shell stays: its text names the directory. */
    snprintf(command, sizeof command, "eval \"$POSSE_AGENT\"; : %s", directory);
    static const long launchers[] = {POSSE_LAUNCH_LOCAL, POSSE_LAUNCH_COMMAND};
    for (size_t i = 0; i < COUNT(launchers); i++) {
        bool by_command = launchers[i] == POSSE_LAUNCH_COMMAND;
        posse_executor *pool;
        posse_remote_options remote = {.struct_size = sizeof remote,
                                       .launcher = launchers[i],
                                       .nodes = "n1:1",
                                       .command = by_command ? command : NULL,
                                       .token_file = path};
        assert_ok(posse_remote_create(NULL, &remote, &pool));
        assert_int_equal(take_long(submitted_long(pool, square_task, 4)), 16);
        assert_on_no_line(path, &remote);
        assert_int_equal(count_lines_with(directory) > 0, by_command);
        end_remote(pool);
    }
    assert_eventually(rmdir(directory) == 0);
}

TEST(nor_is_it_on_that_of_an_agent_by_hand, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    pid_t agent = start_agent(&hand, 1);
    assert_int_equal(take_long(submitted_long(hand.pool, square_task, 4)), 16);
    assert_on_no_line(hand.token, &hand.options);
    end_hand(&hand);
    (void)end_of(agent);
}
