/* late.c - a library that a test loads after its pool was made. */
#include <posse.h>

posse_fn late_task;

int late_task(posse_task *task, const void *arg, size_t size)
{
    return posse_task_return(task, arg, size) == POSSE_OK ? 0 : 1;
}
