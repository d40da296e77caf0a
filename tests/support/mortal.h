/* mortal.h - maps some of whose items end their worker. */
#ifndef MORTAL_H
#define MORTAL_H

#include "maps.h"

#define MAX_MORTALS 40
#define EACH_RUN 1000

/* What the items are to do, and how often each has run. In shared memory. */
struct tally {
    _Atomic int runs[MAX_MORTALS];
    int deaths[MAX_MORTALS]; /* in this number of first runs it ends its worker */
    int waits[MAX_MORTALS];  /* in this run it waits at the gate; 0: in none */
    int heeds[MAX_MORTALS];  /* in this run, or EACH_RUN, it waits until it is to stop */
    struct gate *gate;
};

struct mortal {
    struct tally *tally;
    long index;
};

posse_map_fn mortal_item; /* struct mortal -> the square of its index */
posse_block_fn mortal_block;

/* A pool, and a map of n such items in one chunk, with POSSE_SPLIT. The items are in shared
 * memory. */
struct mortals {
    posse_executor *pool;
    struct tally *tally;
    struct mortal *items;
    posse_input input;
    posse_map_job job; /* its inputs: the one above */
};
void make_mortals(struct mortals *mortals, posse_executor *pool, size_t n); /* asserts */
void free_mortals(struct mortals *mortals); /* asserts; all but the pool */
void end_mortals(struct mortals *mortals);  /* asserts, as end_pool */

#endif
