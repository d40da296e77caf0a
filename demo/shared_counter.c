/* shared_counter.c - ten tasks count to 100,000 together, in shared memory under a lock.
 *
 * Without the lock increments would be lost: each is a read, an addition and a write.
 */
#include "common.h"

#include <err.h>
#include <stdio.h>

#define TASKS 10
#define TIMES 10000

/* Pointers to memory of posse_alloc mean the same in the program and in all workers. */
struct share {
    posse_lock lock;
    long *counter;
};

static int count(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    const struct share *share = arg;
    for (int k = 0; k < TIMES; k++) {
        posse_status status = posse_lock_acquire(share->lock, -1);
        if (status != POSSE_OK)
            return posse_task_fail(task, 1, "lock: %s", posse_status_message(status));
        ++*share->counter;
        status = posse_lock_release(share->lock);
        if (status != POSSE_OK)
            return posse_task_fail(task, 2, "unlock: %s", posse_status_message(status));
    }
    return 0;
}

static struct share make_share(posse_executor *pool)
{
    struct share share;
    void *memory;
    demo_check(posse_alloc(pool, sizeof *share.counter, &memory), "cannot share memory");
    demo_check(posse_lock_create(pool, &share.lock), "cannot make a lock");
    share.counter = memory;
    *share.counter = 0;
    return share;
}

static void count_together(posse_executor *pool, const struct share *share)
{
    posse_future futures[TASKS];
    for (int k = 0; k < TASKS; k++)
        demo_check(posse_submit(pool, count, share, sizeof *share, &futures[k]), "cannot submit");
    for (int k = 0; k < TASKS; k++) {
        posse_error error = {.struct_size = sizeof error};
        demo_check(posse_exception(futures[k], -1, &error), "cannot wait");
        if (error.status != POSSE_OK)
            errx(1, "task %d: %s", k + 1, error.message);
        demo_check(posse_release(futures[k]), "cannot release");
    }
}

static const char help[] = "usage: shared_counter [option...]\n"
                           "Ten tasks count to 100,000 together.\n"
                           "\n"
                           "  --backend NAME  process, thread or inline (process)\n"
                           "  --workers N     how many work at the same time (4)\n"
                           "  --help          show this\n";

int main(int argc, char **argv)
{
    struct demo demo = demo_parse(argc, argv, help, DEMO_TAKES_INLINE | DEMO_TAKES_WORKERS);
    posse_executor *pool = demo_create(&demo);
    struct share share = make_share(pool);
    count_together(pool, &share);
    printf("%d tasks added 1 to the same counter %d times each: %ld\n", TASKS, TIMES,
           *share.counter);
    demo_check(posse_lock_destroy(share.lock), "cannot end the lock");
    demo_check(posse_free(pool, share.counter), "cannot free the counter");
    return demo_end(pool);
}
