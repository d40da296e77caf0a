/* square.h - the item of the maps that are compared. It is in a file of its own, so no compiler can
 * put it into the loop of a caller. */
#ifndef POSSE_BENCH_SQUARE_H
#define POSSE_BENCH_SQUARE_H

#include <posse.h>

int bench_square(posse_task *task, const void *const *items, void *result);

#endif
