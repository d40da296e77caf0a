/* completion_fd.c - reads numbers and prints results in one loop around poll, as either arrive.
 *
 * The pool has a descriptor for that, which is readable when a task has ended.
 */
#include "common.h"

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_N 10000000

/* Its result. */
struct primes {
    long below, count;
};

struct loop {
    posse_executor *pool;
    posse_completion_queue *completions;
    long pending; /* tasks whose results have not been printed */
    size_t length;
    char line[80]; /* what has been read of a line */
};

/* ---- the task ------------------------------------------------------------------------------- */

static long count_primes(char *struck_out, long below)
{
    long count = 0;
    for (long n = 2; n < below; n++) {
        if (struck_out[n])
            continue;
        count++;
        for (long multiple = 2 * n; multiple < below; multiple += n)
            struck_out[multiple] = 1;
    }
    return count;
}

static int primes_task(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    struct primes primes = {.below = *(const long *)arg};
    char *struck_out = calloc((size_t)primes.below + 1, 1);
    if (!struck_out)
        return posse_task_fail(task, 1, "no memory for the numbers below %ld", primes.below);
    primes.count = count_primes(struck_out, primes.below);
    free(struck_out);
    return posse_task_return(task, &primes, sizeof primes) == POSSE_OK ? 0 : 2;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void take_line(struct loop *loop)
{
    char *end;
    loop->line[loop->length] = '\0';
    loop->length = 0;
    errno = 0;
    long n = strtol(loop->line, &end, 10);
    if (end == loop->line || *end != '\0' || errno != 0 || n < 0 || n > MAX_N) {
        printf("'%s' is not a number from 0 to %d\n", loop->line, MAX_N);
        return;
    }
    posse_future future;
    demo_check(posse_submit(loop->pool, primes_task, &n, sizeof n, &future), "cannot submit");
    demo_check(posse_completion_queue_add(loop->completions, future, NULL), "cannot add");
    loop->pending++;
}

/* False: there is no more. What does not fit into a line is cut off. */
static bool read_input(struct loop *loop)
{
    char text[256];
    ssize_t size = read(STDIN_FILENO, text, sizeof text);
    if (size < 0 && errno != EINTR && errno != EAGAIN)
        err(1, "stdin");
    for (ssize_t k = 0; k < size; k++) {
        if (text[k] == '\n')
            take_line(loop);
        else if (loop->length < sizeof loop->line - 1)
            loop->line[loop->length++] = text[k];
    }
    if (size == 0 && loop->length > 0)
        take_line(loop);
    return size != 0;
}

static void print_result(posse_future future)
{
    struct primes primes;
    demo_check(posse_result_into(future, 0, &primes, sizeof primes, NULL), "no result");
    printf("%ld primes below %ld\n", primes.count, primes.below);
    demo_check(posse_release(future), "cannot release");
}

static void print_results(struct loop *loop)
{
    posse_completion taken[16];
    size_t count;
    while ((count = posse_completion_queue_take(loop->completions, taken, 16)) > 0) {
        for (size_t k = 0; k < count; k++)
            print_result(taken[k].future);
        loop->pending -= (long)count;
    }
}

static void run(struct loop *loop)
{
    struct pollfd fds[] = {
        {.fd = posse_completion_queue_fd(loop->completions), .events = POLLIN},
        {.fd = STDIN_FILENO, .events = POLLIN},
    };
    while (fds[1].fd >= 0 || loop->pending > 0) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            err(1, "poll");
        if (fds[0].revents != 0)
            print_results(loop);
        if (fds[1].revents != 0 && !read_input(loop))
            fds[1].fd = -1; /* poll passes over it from now on */
        if (fflush(stdout) != 0)
            err(1, "cannot write");
    }
}

static const char help[] = "usage: completion_fd [option...]\n"
                           "Reads numbers, one a line, and counts the primes below each.\n"
                           "\n"
                           "  --backend NAME  process, thread or inline (process)\n"
                           "  --workers N     how many work at the same time (4)\n"
                           "  --help          show this\n";

int main(int argc, char **argv)
{
    struct demo demo = demo_parse(argc, argv, help, DEMO_TAKES_INLINE | DEMO_TAKES_WORKERS);
    if (isatty(STDIN_FILENO))
        puts("Numbers, one a line, ended by Ctrl-D: how many primes are there below each?");
    struct loop loop = {.pool = demo_create(&demo)};
    demo_check(posse_completion_queue_create(&loop.completions), "no descriptor");
    run(&loop);
    posse_completion_queue_destroy(loop.completions);
    return demo_end(loop.pool);
}
