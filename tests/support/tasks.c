/* tasks.c - the tasks that most tests need. */
#include "support.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long long_of(const void *arg, size_t size)
{
    long value = 0;
    memcpy(&value, arg, size < sizeof value ? size : sizeof value);
    return value;
}

static void *pointer_of(const void *arg)
{
    void *pointer;
    memcpy(&pointer, arg, sizeof pointer);
    return pointer;
}

long identity(void) { return syscall(SYS_gettid); }

int return_long(posse_task *task, long value)
{
    return posse_task_return(task, &value, sizeof value) == POSSE_OK ? 0 : GAVE_UP;
}

int square_task(posse_task *task, const void *arg, size_t size)
{
    long value = long_of(arg, size);
    return return_long(task, value * value);
}

int echo_task(posse_task *task, const void *arg, size_t size)
{
    return posse_task_return(task, arg, size) == POSSE_OK ? 0 : GAVE_UP;
}

int code_task(posse_task *task, const void *arg, size_t size) { return (int)long_of(arg, size); }

int message_task(posse_task *task, const void *arg, size_t size)
{
    int code = (int)long_of(arg, size);
    return posse_task_fail(task, code, "failed with %d", code);
}

int sleep_task(posse_task *task, const void *arg, size_t size)
{
    long ms = long_of(arg, size);
    pause_ms(ms);
    return return_long(task, ms);
}

int identity_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, identity());
}

int process_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, getpid());
}

int parent_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, getppid());
}

int worker_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, posse_task_worker(task));
}

int attempt_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, posse_task_attempt(task));
}

int hold_task(posse_task *task, const void *arg, size_t size)
{
    return pass_gate(pointer_of(arg)) ? return_long(task, identity()) : GAVE_UP;
}

int heed_task(posse_task *task, const void *arg, size_t size)
{
    struct gate *gate = pointer_of(arg);
    enter_gate(gate);
    for (long end = now_ms() + PATIENCE_MS; !posse_task_cancelled(task); pause_ms(1))
        if (now_ms() > end)
            return GAVE_UP;
    atomic_fetch_add(&gate->passed, 1);
    return return_long(task, identity());
}

int count_task(posse_task *task, const void *arg, size_t size)
{
    _Atomic long *counter = pointer_of(arg);
    atomic_fetch_add(counter, 1);
    return 0;
}

int signal_task(posse_task *task, const void *arg, size_t size)
{
    raise((int)long_of(arg, size));
    return GAVE_UP; /* it came back: the signal was ignored or handled */
}

int exit_task(posse_task *task, const void *arg, size_t size) { _exit((int)long_of(arg, size)); }

/* Adds the result of a task to *sum and releases it. */
static posse_status add_result(posse_future future, long *sum)
{
    long value = 0;
    posse_status status = posse_result_into(future, -1, &value, sizeof value, NULL);
    posse_release(future);
    *sum += value;
    return status;
}

int fib_task(posse_task *task, const void *arg, size_t size)
{
    long n = long_of(arg, size);
    if (n < 2)
        return return_long(task, n);
    long sum = 0;
    posse_status worst = POSSE_OK;
    posse_future half[2];
    for (int i = 0; i < 2; i++) {
        long smaller = n - 1 - i;
        posse_executor *pool = posse_task_executor(task);
        posse_status status = posse_submit(pool, fib_task, &smaller, sizeof smaller, &half[i]);
        if (status != POSSE_OK)
            return posse_task_fail(task, INNER_FAILED, "submit: %s", posse_status_name(status));
    }
    for (int i = 0; i < 2; i++) {
        posse_status status = add_result(half[i], &sum);
        worst = status == POSSE_OK ? worst : status;
    }
    if (worst != POSSE_OK)
        return posse_task_fail(task, INNER_FAILED, "%s", posse_status_name(worst));
    return return_long(task, sum);
}

_Atomic long *make_counter(posse_executor *pool)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, sizeof(_Atomic long), &memory));
    _Atomic long *counter = memory;
    atomic_init(counter, 0);
    return counter;
}
