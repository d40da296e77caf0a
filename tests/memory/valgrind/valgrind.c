/* valgrind.c - small programs under valgrind as its users run it: they end soon and well, and a
 * look for leaks takes no shared memory.
 *
 * Each has a /dev/shm of its own, whose use is watched until it ends.
 */
#include "memory/kit/kit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHM "size=256m"
#define LIMIT (2048 * MB)
#define MAX_SHARED (16 * MB)
enum { SECONDS = 50, FOUND = 99 };

static const char *const backend_words[] = {"process", "thread", "inline"};

static bool has_valgrind(void)
{
    const char *path = getenv("PATH");
    char copy[4096], file[4200];
    snprintf(copy, sizeof copy, "%s", path != NULL ? path : "");
    for (char *rest, *at = strtok_r(copy, ":", &rest); at != NULL;
         at = strtok_r(NULL, ":", &rest)) {
        snprintf(file, sizeof file, "%s/valgrind", at);
        if (access(file, X_OK) == 0)
            return true;
    }
    return false;
}

static size_t shm_used(void)
{
    struct statvfs now;
    return statvfs("/dev/shm", &now) == 0 ? (size_t)(now.f_blocks - now.f_bfree) * now.f_frsize : 0;
}

struct run {
    const char *program;
    bool leaks; /* looked for in full */
};

/* Threads that live at the end have memory of the C library's that is "possibly lost". */
static void exec_valgrind(const struct run *run)
{
    char path[1024], code[32];
    const char *leaks = run->leaks ? "--leak-check=full" : "--leak-check=summary";
    snprintf(path, sizeof path, "%s/%s", POSSE_TEST_PROGRAMS, run->program);
    snprintf(code, sizeof code, "--error-exitcode=%d", FOUND);
    int null = open("/dev/null", O_WRONLY);
    (void)dup2(null, STDOUT_FILENO);
    execlp("valgrind", "valgrind", "--quiet", code, leaks, "--errors-for-leak-kinds=definite", path,
           backend_words[backend()], (char *)NULL);
    _exit(FOUND);
}

/* Waits for its end, and looks at the shared memory meanwhile. */
static int run_watched(void *context)
{
    int status = 0;
    size_t peak = 0;
    long begin = now_ms();
    pid_t child = fork();
    if (child == 0)
        exec_valgrind(context);
    REQUIRE(child > 0);
    while (waitpid(child, &status, WNOHANG) == 0 && peak <= MAX_SHARED) {
        size_t now = shm_used();
        peak = now > peak ? now : peak;
        pause_ms(5);
    }
    dprintf(STDOUT_FILENO, "%ld ms, %zu kB of shared memory\n", now_ms() - begin, peak / 1024);
    if (peak > MAX_SHARED)
        (void)kill(child, SIGKILL);
    REQUIRE(peak <= MAX_SHARED);
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}

static void assert_clean(const char *program)
{
    if (!has_valgrind()) {
        print_message("there is no valgrind\n");
        skip();
    }
    for (int leaks = 0; leaks < 2; leaks++) {
        struct run run = {program, leaks};
        assert_guarded((struct guard){
            .limit = LIMIT, .shm = SHM, .seconds = SECONDS, .body = run_watched, .context = &run});
    }
}

TEST(example_of_the_readme, ALL) { assert_clean("example"); }

TEST(exit_without_destroy, ALL) { assert_clean("no_destroy"); }

TEST(task_that_crashes, PROCESSES) { assert_clean("crash"); }

TEST(task_that_is_killed_by_its_deadline, PROCESSES) { assert_clean("deadline"); }
