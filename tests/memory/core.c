/* core.c - what crashes leaves a core that is no larger than of a program without a pool, soon, and
 * its making takes no shared memory.
 *
 * The core goes to a file in a directory of the test, or through a pipe to a program that counts
 * its bytes. For the second kind, and where cores go elsewhere, the test changes
 * /proc/sys/kernel/core_pattern, which is the whole system's, and puts it back; where that may not
 * be written the test is skipped. One run of this test at a time has the pattern, by a lock on it.
 *
 * A cgroup and a /dev/shm of its own guard the machine.
 */
#include "kit/kit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATTERN "/proc/sys/kernel/core_pattern"
#define LIMIT (1024 * MB)
#define SHM "size=256m"
#define SLACK (64 * MB)
#define GROWTH (8 * MB) /* of shared memory */

struct place {
    char directory[64];
    char before[256]; /* the pattern, if it was changed */
    char pattern[160];
    int lock;
};

/* ---- the pattern ---- */

static bool read_pattern(char text[256])
{
    int fd = open(PATTERN, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, text, 255) : -1;
    if (fd >= 0)
        (void)close(fd);
    text[length > 0 ? length : 0] = '\0';
    return length > 0;
}

static bool write_pattern(const char *text)
{
    int fd = open(PATTERN, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        (void)close(fd);
    return written;
}

/* What the pipe leads to: leaves a file that has the size as its text. */
static bool make_counter_program(struct place *place)
{
    char path[128];
    snprintf(path, sizeof path, "%s/count", place->directory);
    FILE *script = fopen(path, "we");
    if (script == NULL)
        return false;
    fprintf(script, "#!/bin/sh\nwc -c >%s/new.$1\nmv %s/new.$1 %s/size.$1\n", place->directory,
            place->directory, place->directory);
    bool made = fchmod(fileno(script), 0755) == 0;
    snprintf(place->pattern, sizeof place->pattern, "|%s %%P", path);
    return fclose(script) == 0 && made;
}

static bool begin_place(struct place *place, bool piped)
{
    *place = (struct place){.directory = "/tmp/posse-core-XXXXXX",
                            .pattern = "core",
                            .lock = open(PATTERN, O_RDONLY | O_CLOEXEC)};
    (void)flock(place->lock, LOCK_EX); /* where it cannot be locked nobody else is expected */
    if (!read_pattern(place->before) || mkdtemp(place->directory) == NULL ||
        chmod(place->directory, 0777) != 0)
        return false;
    if (!piped && place->before[0] != '|' && strchr(place->before, '/') == NULL) {
        place->before[0] = '\0'; /* it may stay */
        return true;
    }
    return (!piped || make_counter_program(place)) && write_pattern(place->pattern);
}

/* ---- the directory ---- */

/* Calls it with each file of the directory, until it gives true. */
static bool find_file(const char *directory, bool (*call)(const char *path, size_t *size),
                      size_t *size)
{
    char path[384];
    bool found = false;
    DIR *files = opendir(directory);
    for (struct dirent *entry; files != NULL && !found && (entry = readdir(files)) != NULL;) {
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
            found = call(path, size);
        }
    }
    if (files != NULL)
        closedir(files);
    return found;
}

static bool remove_file(const char *path, size_t *size)
{
    (void)unlink(path);
    return false;
}

/* A core, or what the program at the end of the pipe has left: gives its size and removes it. */
static bool take_core(const char *path, size_t *size)
{
    struct stat status;
    const char *name = strrchr(path, '/') + 1;
    unsigned long number = 0;
    if (strncmp(name, "new", 3) == 0 || strcmp(name, "count") == 0 || stat(path, &status) != 0)
        return false;
    if (strncmp(name, "size", 4) == 0) {
        FILE *text = fopen(path, "re");
        if (text == NULL || fscanf(text, "%lu", &number) != 1)
            number = 0;
        (void)(text != NULL && fclose(text));
    }
    *size = number > 0 ? (size_t)number : (size_t)status.st_size;
    return unlink(path) == 0;
}

/* 0: none came. The program at the end of a pipe may end later than what crashed. */
static size_t core_size(const struct place *place)
{
    size_t size = 0;
    for (long end = now_ms() + PATIENCE_MS; now_ms() < end; pause_ms(5))
        if (find_file(place->directory, take_core, &size))
            return size;
    return 0;
}

static void end_place(struct place *place)
{
    if (place->before[0] != '\0' && !write_pattern(place->before))
        print_error("%s cannot be put back to %s\n", PATTERN, place->before);
    (void)find_file(place->directory, remove_file, NULL);
    (void)rmdir(place->directory);
    (void)flock(place->lock, LOCK_UN);
    (void)close(place->lock);
}

/* ---- what crashes, in a child that has the directory as its own ---- */

static int enter_place(const struct place *place)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    REQUIRE(chdir(place->directory) == 0);
    REQUIRE(setrlimit(RLIMIT_CORE, &limit) == 0);
    return 0;
}

/* The core of this program without a pool. */
static size_t plain_core(const struct place *place)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        abort();
    return child > 0 && waitpid(child, &status, 0) == child && WCOREDUMP(status) ? core_size(place)
                                                                                 : 0;
}

static int a_core_comes(void *context)
{
    REQUIRE(enter_place(context) == 0);
    return plain_core(context) > 0 ? 0 : 1;
}

static int crashing_task(posse_task *task, const void *arg, size_t size)
{
    (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would stand in between */
    raise((int)*(const long *)arg);
    return 1;
}

static int crash(posse_executor *pool, long number, const struct place *place, size_t plain)
{
    posse_future future;
    posse_error error = {.struct_size = sizeof error};
    size_t before = held();
    REQUIRE(posse_submit(pool, crashing_task, &number, sizeof number, &future) == POSSE_OK);
    REQUIRE(posse_exception(future, 20000, &error) == POSSE_OK);
    REQUIRE(error.status == POSSE_WORKER_LOST && error.signal == number);
    REQUIRE(posse_release(future) == POSSE_OK);
    REQUIRE(!tells_held() || held() <= before + GROWTH);
    size_t size = core_size(place);
    dprintf(STDOUT_FILENO, "core of a worker: %zu kB, without a pool: %zu kB\n", size / 1024,
            plain / 1024);
    REQUIRE(size > 0 && size <= plain + SLACK);
    return 0;
}

static int tasks_crash(void *context)
{
    const struct place *place = context;
    REQUIRE(enter_place(place) == 0);
    size_t plain = plain_core(place);
    posse_executor *pool = open_pool(2);
    REQUIRE(plain > 0 && pool != NULL && pool_works(pool) == 0);
    REQUIRE(crash(pool, SIGABRT, place, plain) == 0);
    REQUIRE(crash(pool, SIGSEGV, place, plain) == 0);
    REQUIRE(pool_works(pool) == 0);
    return posse_destroy(pool) == POSSE_OK ? 0 : 1;
}

/* The program itself crashes, with a pool that is at rest. */
static int pool_and_abort(void)
{
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL && pool_works(pool) == 0);
    abort();
}

static int program_crashes(void *context)
{
    const struct place *place = context;
    int status = 0;
    REQUIRE(enter_place(place) == 0);
    size_t plain = plain_core(place);
    pid_t child = fork();
    if (child == 0)
        _exit(pool_and_abort());
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && WCOREDUMP(status));
    size_t size = core_size(place);
    dprintf(STDOUT_FILENO, "core of a program: %zu kB, without a pool: %zu kB\n", size / 1024,
            plain / 1024);
    REQUIRE(plain > 0 && size > 0 && size <= plain + SLACK);
    return 0;
}

/* ---- */

static void assert_small_core(int (*body)(void *), bool piped)
{
    struct place place;
    if (geteuid() != 0) {
        print_message("only root has a /dev/shm of its own\n");
        skip();
    }
    if (!begin_place(&place, piped)) {
        place.before[0] = '\0';
        end_place(&place);
        print_message("%s may not be written here\n", PATTERN);
        skip();
    }
    if (piped && wait_status(start_child(a_core_comes, &place)) != 0) {
        end_place(&place);
        print_message("the kernel has another root, where it finds no program for the pipe\n");
        skip();
    }
    int status =
        run_guarded((struct guard){.limit = LIMIT, .shm = SHM, .body = body, .context = &place});
    end_place(&place);
    assert_ended_well(status);
}

TEST(core_of_a_worker_to_a_file, UNSANITIZED(PROCESSES)) { assert_small_core(tasks_crash, false); }

TEST(core_of_a_worker_to_a_pipe, UNSANITIZED(PROCESSES)) { assert_small_core(tasks_crash, true); }

TEST(core_of_a_program_to_a_file, UNSANITIZED(ALL)) { assert_small_core(program_crashes, false); }

TEST(core_of_a_program_to_a_pipe, UNSANITIZED(ALL)) { assert_small_core(program_crashes, true); }
