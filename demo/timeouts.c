/* timeouts.c - limits for waiting and for running, and tasks that are not wanted any more.
 *
 * There is one worker, so it is known which task runs and which waits in the queue.
 */
#include "common.h"

#include <err.h>
#include <stdio.h>

#define SHORT 50 /* milliseconds */
#define LONG 500
#define FOR_EVER 10000

/* Sleeps, whatever it is told. */
static int sleep_through(posse_task *task, const void *arg, size_t size)
{
    (void)task;
    (void)size;
    demo_sleep(*(const long *)arg);
    return 0;
}

/* Looks now and then whether it is still wanted. */
static int sleep_lightly(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    for (long slept = 0; slept < *(const long *)arg; slept += 5) {
        if (posse_task_cancelled(task))
            return posse_task_fail(task, 1, "told to stop");
        demo_sleep(5);
    }
    return 0;
}

static posse_future submit(posse_executor *pool, posse_fn *fn, long sleep, long timeout)
{
    posse_future future;
    posse_job job = {.struct_size = sizeof job,
                     .fn = fn,
                     .arg = &sleep,
                     .size = sizeof sleep,
                     .timeout_ms = timeout};
    demo_check(posse_submit_with(pool, &job, &future), "cannot submit");
    return future;
}

static void wait_until_running(posse_future future)
{
    for (int tries = 0; !posse_running(future); tries++) {
        if (tries == 10000)
            errx(1, "the task does not start");
        demo_sleep(1);
    }
}

/* What was tried, what that gave, and how the task ended. */
static void report(const char *what, posse_status status, posse_future future)
{
    posse_error error = {.struct_size = sizeof error};
    demo_check(posse_exception(future, -1, &error), "cannot wait");
    printf("%-32s%-16s%s%s%s\n", what, posse_status_name(status), posse_status_name(error.status),
           error.message[0] ? ": " : "", error.message);
    demo_check(posse_release(future), "cannot release");
}

static void show_timeouts(posse_executor *pool)
{
    posse_future slow = submit(pool, sleep_through, LONG, 0);
    report("wait 50 ms for a task of 500 ms", posse_result(slow, SHORT, NULL, NULL), slow);
    slow = submit(pool, sleep_through, LONG, SHORT);
    report("allow 50 ms to a task of 500 ms", posse_result(slow, -1, NULL, NULL), slow);
}

static void show_cancelling(posse_executor *pool)
{
    posse_future running = submit(pool, sleep_lightly, FOR_EVER, 0);
    wait_until_running(running);
    posse_future queued = submit(pool, sleep_lightly, FOR_EVER, 0);
    report("cancel a queued task", posse_cancel(queued), queued);
    report("cancel a running task", posse_cancel(running), running);

    running = submit(pool, sleep_lightly, FOR_EVER, 0);
    wait_until_running(running);
    report("kill a running task", posse_kill(running), running);

    posse_future finished = submit(pool, sleep_through, 0, 0);
    demo_check(posse_result(finished, -1, NULL, NULL), "no result");
    report("cancel a finished task", posse_cancel(finished), finished);
}

static const char help[] = "usage: timeouts [option...]\n"
                           "Shows timeouts, and how tasks are cancelled.\n"
                           "\n"
                           "  --backend NAME  process or thread (process)\n"
                           "  --help          show this\n";

int main(int argc, char **argv)
{
    struct demo demo = demo_parse(argc, argv, help, 0);
    demo.workers = 1;
    posse_executor *pool = demo_create(&demo);
    printf("%-32s%-16s%s\n", "", "THE CALL SAYS", "THE TASK ENDS AS");
    show_timeouts(pool);
    show_cancelling(pool);
    return demo_end(pool);
}
