/* errors.c - four ways to meet an error.
 *
 * In the task, by the status of its result, by posse_exception, and by the loss of the worker.
 */
#include "common.h"

#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct division {
    long dividend, divisor;
};

/* Tells of its error: the future ends as POSSE_TASK_FAILED. */
static int divide(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    const struct division *it = arg;
    if (it->divisor == 0)
        return posse_task_fail(task, 33, "%ld cannot be divided by 0", it->dividend);
    long quotient = it->dividend / it->divisor;
    return posse_task_return(task, &quotient, sizeof quotient) == POSSE_OK ? 0 : 1;
}

/* Handles its error itself: the program gets a result in any case. */
static int divide_or_give_0(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    const struct division *it = arg;
    long quotient = it->divisor == 0 ? 0 : it->dividend / it->divisor;
    return posse_task_return(task, &quotient, sizeof quotient) == POSSE_OK ? 0 : 1;
}

/* Dies, as a task with a bad pointer would. */
static int die(posse_task *task, const void *arg, size_t size)
{
    (void)task;
    (void)arg;
    (void)size;
    return raise(SIGKILL);
}

static posse_future submit(posse_executor *pool, posse_fn *fn, long dividend, long divisor)
{
    struct division division = {dividend, divisor};
    posse_future future;
    demo_check(posse_submit(pool, fn, &division, sizeof division, &future), "cannot submit");
    return future;
}

static void show_result(const char *what, posse_future future)
{
    long quotient;
    posse_status status = posse_result_into(future, -1, &quotient, sizeof quotient, NULL);
    if (status == POSSE_OK)
        printf("%s: %ld\n", what, quotient);
    else
        printf("%s: %s, %s\n", what, posse_status_name(status), posse_status_message(status));
    demo_check(posse_release(future), "cannot release");
}

static void show_exception(const char *what, posse_future future)
{
    posse_error error = {.struct_size = sizeof error};
    demo_check(posse_exception(future, -1, &error), "cannot wait");
    if (error.status == POSSE_TASK_FAILED)
        printf("%s: %s, code %d, %s\n", what, posse_status_name(error.status), error.code,
               error.message);
    else
        printf("%s: %s, %s\n", what, posse_status_name(error.status), error.message);
    demo_check(posse_release(future), "cannot release");
}

static const char help[] = "usage: errors [option...]\n"
                           "Shows how a program learns of errors in tasks.\n"
                           "\n"
                           "  --backend NAME  process, thread or inline (process)\n"
                           "  --workers N     how many work at the same time (4)\n"
                           "  --help          show this\n";

int main(int argc, char **argv)
{
    struct demo demo = demo_parse(argc, argv, help, DEMO_TAKES_INLINE | DEMO_TAKES_WORKERS);
    posse_executor *pool = demo_create(&demo);
    show_result("inside the task", submit(pool, divide_or_give_0, 7, 0));
    show_result("by its result", submit(pool, divide, 7, 0));
    show_exception("by posse_exception", submit(pool, divide, 7, 0));
    if (demo.backend == POSSE_PROCESS)
        show_exception("by a lost worker", submit(pool, die, 0, 0));
    else
        puts("by a lost worker: cannot be shown here, as the program would die with it");
    show_result("and the pool goes on", submit(pool, divide, 84, 2));
    return demo_end(pool);
}
