/* child.c - forked children: they never assert, they end with a code that the runner asserts. */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int child_says(const char *file, int line, const char *text)
{
    dprintf(STDERR_FILENO, "%s:%d: in a child: %s does not hold\n", file, line, text);
    return 1;
}

/* cmocka's handlers would jump back into the runner, in the child. */
static void drop_handlers(void)
{
    static const int caught[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS};
    for (size_t i = 0; i < COUNT(caught); i++)
        (void)signal(caught[i], SIG_DFL);
}

pid_t start_child(int (*body)(void *), void *context)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        drop_handlers();
        time_limit(TIME_LIMIT); /* a forked child starts without its parent's alarm */
        _exit(body(context));
    }
    return child;
}

int wait_status(pid_t child)
{
    int status = 0;
    pid_t ended;
    while ((ended = waitpid(child, &status, 0)) < 0 && errno == EINTR) {
    }
    assert_int_equal(ended, child);
    return status;
}

void assert_child(int (*body)(void *), void *context)
{
    int status = wait_status(start_child(body, context));
    assert_false(WIFSIGNALED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

void *make_shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

void free_shared(void *memory, size_t size) { munmap(memory, size); }

int pool_works(posse_executor *pool)
{
    for (long i = 0; i < 50; i++) {
        posse_future future;
        long value = 0;
        REQUIRE(posse_submit(pool, square_task, &i, sizeof i, &future) == POSSE_OK);
        REQUIRE(posse_result_into(future, -1, &value, sizeof value, NULL) == POSSE_OK);
        REQUIRE(value == i * i && posse_release(future) == POSSE_OK);
    }
    return 0;
}
