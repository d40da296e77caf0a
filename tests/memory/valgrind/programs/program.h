/* program.h - what the small programs share: a pool of the backend that argv[1] names. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <posse.h>

#include <string.h>

static inline posse_executor *open_program_pool(int argc, char **argv)
{
    posse_options options = {.struct_size = sizeof options, .max_workers = 2};
    posse_executor *pool = NULL;
    if (argc > 1 && strcmp(argv[1], "process") != 0)
        options.backend = strcmp(argv[1], "thread") == 0 ? POSSE_THREAD : POSSE_INLINE;
    return posse_create(&options, &pool) == POSSE_OK ? pool : NULL;
}

static int cube(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    long n = *(const long *)arg, result = n * n * n;
    return posse_task_return(task, &result, sizeof result) == POSSE_OK ? 0 : 1;
}

/* 0 if ten tasks give their results. */
static inline int cubes(posse_executor *pool)
{
    posse_future futures[10];
    for (long n = 0; n < 10; n++)
        if (posse_submit(pool, cube, &n, sizeof n, &futures[n]) != POSSE_OK)
            return 1;
    for (long n = 0, result; n < 10; n++)
        if (posse_result_into(futures[n], -1, &result, sizeof result, NULL) != POSSE_OK ||
            result != n * n * n)
            return 1;
    return 0;
}

#endif
