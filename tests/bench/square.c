#include "square.h"

#include <stdint.h>

int bench_square(posse_task *task, const void *const *items, void *result)
{
    uint64_t x = *(const uint64_t *)items[0];
    *(uint64_t *)result = x * x;
    return 0;
}
