/* maps.h - what the tests of posse_map share. */
#ifndef MAPS_H
#define MAPS_H

#include "support.h"

/* What an item is to do, for the function `obey`, whose result is a long. */
enum deed {
    GIVE,     /* gives the value */
    COUNT_IT, /* passed + 1, and gives the value */
    HOLD,     /* waits at the gate, then gives the value */
    FAIL,     /* returns the value as its code */
    MESSAGE,  /* posse_task_fail with the value and a message */
    RETURN,   /* gives what posse_task_return said */
    HEED,     /* comes to the gate, and gives the value once the task is to stop */
    DIE       /* comes to the gate, and is killed */
};

struct order {
    struct gate *gate;
    long deed;
    long value;
};

#define STAGE_ITEMS 12

posse_map_fn obey;
posse_map_fn square_item; /* long -> long */
posse_map_fn add_item;    /* long, long -> long */

/* A job whose results are longs; struct_size is set. */
posse_map_job map_job(posse_map_fn *fn, const posse_input *inputs, size_t n_inputs, size_t count);

/* A source of longs: next, next + 1, ..., before `end`; input k gets them times 10 to the k. At the
 * end it says `last`. */
struct numbers {
    long next, end;
    posse_status last;
    size_t n_inputs;
    long calls;
};
posse_source give_numbers;

/* A job with such a source. */
posse_map_job source_job(struct numbers *numbers, const posse_input *inputs);

posse_map_iter *open_map(posse_executor *pool, posse_map_job job); /* asserts */
posse_item next_item(posse_map_iter *map);                         /* asserts that there is one */
long next_value(posse_map_iter *map); /* asserts that the next one has a result */
/* Asserts that the next items have the squares of first to end - 1 as results, in order. */
void assert_squares(posse_map_iter *map, long first, long end);
/* Asserts that nothing more comes, also when asked again, and closes. */
void assert_map_ends(posse_map_iter *map);
void close_map(posse_map_iter *map); /* asserts */

/* Adds the results up; POSSE_END, or what else ended it. Also for tasks. */
posse_status sum_map(posse_executor *pool, const posse_map_job *job, long *sum);

/* The argument of a map: a factor, and bytes up to `size` in all, the last of which tells whether
 * they are all there. */
struct factor {
    long factor;
    struct gate *gate;
    size_t size;
    unsigned char fill[];
};
struct factor *make_factor(void *memory, long factor, size_t size); /* in place; NULL: no memory */
struct factor *new_factor(long factor, size_t size);                /* asserts; for free */
void set_arg(posse_map_job *job, const struct factor *factor);

/* For functions: the argument of the map, NULL if it is not whole. */
const struct factor *factor_of(const posse_task *task);
posse_map_fn scale_item; /* long -> long times the factor */

/* A pool with a gate, and a map of orders that give their own numbers, in chunks of one. */
struct stage {
    posse_executor *pool;
    struct gate *gate;
    struct order orders[STAGE_ITEMS];
    posse_input input;
    posse_map_job job; /* its inputs: the one above */
};
void make_stage(struct stage *stage, long workers); /* asserts */
void end_stage(struct stage *stage);                /* asserts, as end_pool */

/* Gives the orders of a stage over and over, with the number of the item as value. `before` is
 * called before the item with the number `special`, and may end the map. */
struct feed {
    struct stage *stage;
    _Atomic long calls;
    long next, end, special;
    posse_status (*before)(struct feed *feed);
    void *context; /* of it */
    _Atomic bool allowed;
};
posse_source give_order;
posse_map_iter *open_feed(struct stage *stage, struct feed *feed, posse_map_job job); /* asserts */

/* Runs a block with the job in chunks of one to three, in order and not. */
#define EACH_KIND(job)                                                                             \
    for (int kind = 0;                                                                             \
         kind < 6 && ((job).chunksize = kind / 2 + 1, (job).unordered = kind % 2, 1); kind++)

#endif
