/* alone.c - a library with a task in it that calls nothing of posse. */
#include <posse.h>

posse_fn seven_task;

int seven_task(posse_task *task, const void *arg, size_t size)
{
    (void)task, (void)arg, (void)size;
    return 7;
}
