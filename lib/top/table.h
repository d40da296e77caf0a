/* table.h - a round as people read it, and as programs do.
 *
 * Runs in: posse-top.
 */
#pragma once

#include "top/sample.h"
#include "top/text.h"

/* What the workers of each executor are sorted by: constant, name. */
#define PI_TOP_SORTS(X)                                                                            \
    X(NUMBER, "number")                                                                            \
    X(CPU, "processor time")                                                                       \
    X(MEMORY, "memory")                                                                            \
    X(TIME, "running time")                                                                        \
    X(ENDED, "tasks")

enum pi_top_sort {
#define PI_TOP_SORT_CONSTANT(name, text) PI_TOP_BY_##name,
    PI_TOP_SORTS(PI_TOP_SORT_CONSTANT)
#undef PI_TOP_SORT_CONSTANT
        PI_TOP_SORT_COUNT
};

struct pi_top_style {
    bool colors;
    bool screen; /* each line replaces one of the screen, and is cut to the columns */
    int columns; /* 0: any number */
    int rows;    /* 0: any number */
    bool paused;
    enum pi_top_sort sort;
};

/* Sorts the round's workers, too. */
void pi_top_table(struct pi_top_text *text, struct pi_top_round *round,
                  const struct pi_top_style *style);

/* One line: an object, see posse-top(1). */
void pi_top_json(struct pi_top_text *text, const struct pi_top_round *round);
