/* terminal.c - tasks of a program that runs on a terminal may set it, write to it, and have
 * programs do so; in a worker process, a read from it fails. No task stops.
 *
 * The program is a child of the runner, on a terminal made for it. */
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* ---- tasks; 0: as it should be ---- */

static int set_task(posse_task *task, const void *arg, size_t size)
{
    struct termios mode;
    return tcgetattr(STDIN_FILENO, &mode) != 0 || tcsetattr(STDIN_FILENO, TCSANOW, &mode) != 0;
}

static int print_task(posse_task *task, const void *arg, size_t size)
{
    return printf("a line\n") < 0 || fflush(stdout) != 0;
}

static int run_task(posse_task *task, const void *arg, size_t size)
{
    return system("stty sane") != 0; /* NOLINT(cert-env33-c) */
}

static int read_task(posse_task *task, const void *arg, size_t size)
{
    char byte;
    return read(STDIN_FILENO, &byte, 1) >= 0 ? 1 : errno == EIO ? 0 : errno;
}

/* ---- the program ---- */

/* The child becomes a program of that terminal, which stops what writes to it from the background.
 */
static bool take_terminal(const char *name)
{
    struct termios mode;
    int terminal = setsid() < 0 ? -1 : open(name, O_RDWR);
    if (terminal < 0 || ioctl(terminal, TIOCSCTTY, 0) != 0)
        return false;
    for (int fd = 0; fd < 3; fd++)
        if (dup2(terminal, fd) != fd)
            return false;
    if (terminal > 2)
        close(terminal);
    (void)signal(SIGHUP, SIG_IGN); /* what the end of the session is told with */
    return tcgetattr(0, &mode) == 0 && (mode.c_lflag |= TOSTOP) != 0 &&
           tcsetattr(0, TCSANOW, &mode) == 0;
}

static int run_on_terminal(posse_executor *pool, posse_fn *fn)
{
    posse_job job = {.struct_size = sizeof job, .fn = fn, .timeout_ms = PATIENCE_MS};
    posse_future future;
    REQUIRE(posse_submit_with(pool, &job, &future) == POSSE_OK);
    REQUIRE(posse_result(future, -1, NULL, NULL) == POSSE_OK);
    REQUIRE(posse_release(future) == POSSE_OK);
    return 0;
}

static int program(void *name)
{
    static posse_fn *const tasks[] = {set_task, print_task, run_task};
    int error_stream = dup(STDERR_FILENO);
    int wrong = 0;
    REQUIRE(take_terminal(name));
    REQUIRE(dup2(error_stream, STDERR_FILENO) == STDERR_FILENO && close(error_stream) == 0);
    posse_executor *pool = open_pool(1);
    REQUIRE(pool != NULL);
    for (size_t i = 0; i < COUNT(tasks); i++)
        wrong |= run_on_terminal(pool, tasks[i]);
    if (backend() == POSSE_PROCESS) /* else it is the program that reads, and waits for a line */
        wrong |= run_on_terminal(pool, read_task);
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    return wrong;
}

TEST(tasks_touch_the_terminal, FORKED)
{
    char name[128];
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0)
        skip();
    assert_int_equal(grantpt(master) | unlockpt(master), 0);
    assert_int_equal(ptsname_r(master, name, sizeof name), 0);
    assert_child(program, name);
    close(master);
}
