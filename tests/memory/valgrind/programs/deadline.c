/* deadline.c - a program with a task that runs too long, in a worker. */
#include "program.h"

#include <unistd.h>

static int endless(posse_task *task, const void *arg, size_t size)
{
    while (pause() == -1) {
    }
    return 1;
}

int main(int argc, char **argv)
{
    posse_executor *pool = open_program_pool(argc, argv);
    posse_job job = {.struct_size = sizeof job, .fn = endless, .timeout_ms = 100};
    posse_future future;
    if (pool == NULL || posse_submit_with(pool, &job, &future) != POSSE_OK ||
        posse_result(future, -1, NULL, NULL) != POSSE_DEADLINE || posse_release(future) != POSSE_OK)
        return 1;
    return cubes(pool) != 0 || posse_destroy(pool) != POSSE_OK;
}
