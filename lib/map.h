/* map.h - posse_map: chunks (map_chunk.h) that are on their way through the executor.
 *
 * Items are read from the source, or their place in the arrays, as chunks are submitted, which
 * buffersize bounds; from a slow source only while no chunk can be given. A chunk is given item by
 * item when it has ended: the oldest, or if order does not matter the first that has. It is
 * released when the next one is asked for.
 *
 * map_plan.c     checks what is asked for, and chooses the sizes
 * map_open.c     opens and closes it
 * map_ahead.c   reads items, and sends chunks on their way
 * map_wait.c    waits for chunks to end
 * map.c         gives what comes out
 */
#ifndef PI_MAP_H
#define PI_MAP_H

#include "internal.h"
#include "map_chunk.h"

/* A chunk on its way. */
struct pi_flight {
    struct pi_subscription sub; /* its future; in the mail box if order does not matter */
    size_t first, count;        /* items */
    struct pi_flight *older, *younger;
};

struct posse_map_iter {
    posse_executor *executor;
    posse_map_job job; /* with `inputs` */
    posse_input inputs[POSSE_MAX_INPUTS];
    struct pi_chunk chunk; /* what all chunks have in common */
    struct pi_chunk_source from;
    bool in_place; /* workers use memory of the program's */
    size_t chunksize, buffersize;
    uint64_t until;

    char *staged; /* what the source gave for a chunk not yet submitted, input after input */
    size_t n_staged;
    unsigned quick;    /* chunks in a row that the source gave at once */
    size_t taken;      /* items that were read */
    size_t on_the_way; /* of these, not yet given */
    posse_status end;  /* why no more are read; POSSE_OK: there are more */

    /* In the order of their items. They stay where they are, as the mail box knows their subs. */
    struct pi_flight *oldest, *youngest;
    size_t n_flights;
    struct pi_flight *spare;   /* to be used again, linked by `younger` */
    struct pi_flight *ready;   /* taken from the cq, to be given next; NULL: none */
    struct pi_flight *to_help; /* the first that a task has not tried to run itself */
    struct pi_cq cq;
    struct pi_membership place; /* of it */

    /* The chunk that is being given. */
    struct pi_flight *current;
    posse_status status;
    size_t next; /* item of it */
    const char *results;
    size_t stride;
    const struct pi_failure *failures; /* of those items that are still to be given */
    size_t n_failures;
    const struct pi_failure *failed; /* the item given last, if it failed by itself */
    bool over;                       /* no more chunks are given */
};

/* ---- map_plan.c ---- */

/* Reads what the program asks for. False: it is NULL, or its size is not known. */
bool pi_map_read(const posse_map_job *given, posse_map_job *job);
posse_status pi_map_check(posse_executor *executor, const posse_map_job *job);
/* Lays out the chunks, and chooses how large they are and how many. False: one would be too
 * large. */
bool pi_map_plan(posse_map_iter *mapping);

/* ---- map_ahead.c ---- */

/* Submits until `ahead` items are on their way, or there are no more, or an item can be given and
 * the source would have to be asked. What cannot be submitted now is tried again when there is
 * room. POSSE_OK, or why a chunk was not accepted. */
posse_status pi_map_fill(posse_map_iter *mapping, size_t ahead);

/* ---- map_wait.c ---- */

/* Whether pi_map_await would return at once. */
bool pi_map_is_ready(posse_map_iter *mapping);
/* Waits for the chunk that is given next. There is one on its way. */
posse_status pi_map_await(posse_map_iter *mapping, struct pi_flight **flight);

/* ---- map_open.c ---- */

/* Cancels those that have not begun, and asks the others to stop. */
void pi_map_cancel(posse_map_iter *mapping);
/* Closes *mapping, a posse_map_iter *, and sets it to NULL: for os/unwind.h. */
void pi_map_close_unwound(void *mapping);
/* It is on its way no longer. */
void pi_map_land(posse_map_iter *mapping, struct pi_flight *flight);

#endif
