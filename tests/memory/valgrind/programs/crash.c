/* crash.c - a program with tasks that crash, in workers. */
#include "program.h"

#include <stdlib.h>

static int aborting(posse_task *task, const void *arg, size_t size) { abort(); }

int main(int argc, char **argv)
{
    posse_executor *pool = open_program_pool(argc, argv);
    posse_future future;
    if (pool == NULL || posse_submit(pool, aborting, NULL, 0, &future) != POSSE_OK ||
        posse_result(future, -1, NULL, NULL) != POSSE_WORKER_LOST ||
        posse_release(future) != POSSE_OK)
        return 1;
    return cubes(pool) != 0 || posse_destroy(pool) != POSSE_OK;
}
