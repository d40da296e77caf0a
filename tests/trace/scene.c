/* scene.c - a program whose trace has something of everything: tasks with names and without, on
 * each other, that fail, crash, are late, are killed, run again. The tests look at the file.
 *
 * scene BACKEND FILE: prints how many runs of each outcome the trace has.
 */
#include <dirent.h>
#include <poll.h>
#include <posse.h>
#include <posse_trace.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DONE 20 /* plain tasks */

static void must(posse_status status)
{
    if (status == POSSE_OK)
        return;
    fprintf(stderr, "%s: %s\n", posse_status_name(status), posse_last_error());
    exit(1);
}

static int plain(posse_task *task, const void *arg, size_t size)
{
    (void)task, (void)arg, (void)size;
    poll(NULL, 0, 2);
    return 0;
}

static int failing(posse_task *task, const void *arg, size_t size)
{
    (void)arg, (void)size;
    return posse_task_fail(task, 3, "on purpose");
}

static int crashing(posse_task *task, const void *arg, size_t size)
{
    (void)arg, (void)size;
    return posse_task_attempt(task) == 1 ? raise(SIGKILL) : 0;
}

static atomic_bool let_go;

/* It does not look whether it is to stop: then it could end before the supervisor ends it. A thread
 * leaves it when the program lets go. */
static int staying(posse_task *task, const void *arg, size_t size)
{
    (void)task, (void)arg, (void)size;
    for (int ms = 0; ms < 60000 && !atomic_load(&let_go); ms++)
        poll(NULL, 0, 1);
    return 0;
}

static int outer(posse_task *task, const void *arg, size_t size)
{
    (void)arg, (void)size;
    posse_future inner;
    if (posse_submit(posse_task_executor(task), plain, NULL, 0, &inner) != POSSE_OK)
        return 1;
    poll(NULL, 0, 1);
    posse_status status = posse_result(inner, -1, NULL, NULL);
    return status == POSSE_OK ? (int)posse_release(inner) : 2;
}

static posse_future submit(posse_executor *pool, posse_job job)
{
    posse_future future;
    job.struct_size = sizeof job;
    must(posse_submit_with(pool, &job, &future));
    return future;
}

static void await_end(posse_future future)
{
    (void)posse_exception(future, -1, NULL);
    must(posse_release(future));
}

static void await(posse_executor *pool, posse_job job) { await_end(submit(pool, job)); }

static posse_future running(posse_executor *pool, posse_job job)
{
    posse_future future = submit(pool, job);
    while (!posse_running(future))
        poll(NULL, 0, 1);
    return future;
}

/* `dying` takes its worker with it in its first run. */
static void end_badly(posse_executor *pool, posse_fn *dying)
{
    await(pool, (posse_job){.fn = dying, .name = "dies"});
    await(pool, (posse_job){.fn = dying, .name = "runs again", .retries = 1});
    await(pool, (posse_job){.fn = staying, .name = "is late", .timeout_ms = 5});
    posse_future future = running(pool, (posse_job){.fn = staying, .name = "is killed"});
    must(posse_kill(future));
    await_end(future);
}

/* Only what a process can bear. */
static void be_hard(posse_executor *pool)
{
    end_badly(pool, crashing);
    /* the last one starts another worker, which is in the trace when a task ends on it */
    await(pool, (posse_job){.fn = plain, .name = "after all"});
}

static int count_threads(void)
{
    int n = 0;
    DIR *threads = opendir("/proc/self/task");
    if (!threads)
        exit(1);
    while (readdir(threads))
        n++;
    closedir(threads);
    return n;
}

static int heeding(posse_task *task, const void *arg, size_t size)
{
    (void)arg, (void)size;
    while (!posse_task_cancelled(task))
        poll(NULL, 0, 1);
    return 0;
}

static int leaving(posse_task *task, const void *arg, size_t size)
{
    (void)arg, (void)size;
    if (posse_task_attempt(task) == 1)
        pthread_exit(NULL);
    return 0;
}

static void await_threads(int n)
{
    for (int ms = 0; ms < 60000 && count_threads() != n; ms++)
        poll(NULL, 0, 1);
}

/* The same for threads, as far as they can: a run whose task was ended goes on until its thread
 * leaves it, and another thread takes the place. */
static void be_soft(posse_executor *pool)
{
    int threads = count_threads();
    end_badly(pool, leaving);
    await_threads(threads + 2); /* so that the number below tells that both have left */
    atomic_store(&let_go, true);
    /* asked to stop, and given the time for that: it ends by itself */
    const posse_job stops = {.fn = heeding, .name = "stops", .grace_ms = 60000};
    posse_future future = running(pool, stops);
    (void)posse_cancel(future);
    await_end(future);
    await_threads(threads);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    bool process = strcmp(argv[1], "process") == 0, thread = strcmp(argv[1], "thread") == 0;
    bool svg = strstr(argv[2], ".svg");
    posse_options options = {.struct_size = sizeof options, .max_workers = 2, .stamps = 1};
    options.backend = process ? POSSE_PROCESS : thread ? POSSE_THREAD : POSSE_INLINE;
    posse_executor *pool;
    must(posse_create(&options, &pool));
    must(posse_trace_start(pool, argv[2], svg ? POSSE_TRACE_SVG : POSSE_TRACE_JSON));
    for (int i = 0; i < DONE; i++)
        await(pool,
              (posse_job){.fn = plain, .name = i % 2 ? NULL : "<a> & \"b\" \\ \xc3\xa9 \x1b"});
    await(pool, (posse_job){.fn = outer, .name = "outer"});
    await(pool, (posse_job){.fn = failing});
    if (process)
        be_hard(pool);
    if (thread)
        be_soft(pool);
    must(posse_trace_stop(pool));
    must(posse_destroy(pool));
    printf("done %d\nfailed 1\n", DONE + 2 + 2 * (process || thread));
    if (process || thread)
        printf("lost 1\nlost, runs again 1\ntimed out 1\ncancelled 1\n");
    return 0;
}
