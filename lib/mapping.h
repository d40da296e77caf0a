/* mapping.h - posse_map: a window of chunks (chunk.h) that are on their way through the executor.
 *
 * Items are read from the source, or their place in the arrays, as chunks are submitted, which
 * buffersize bounds. A chunk is given item by item when it has ended: the oldest, or if order does
 * not matter the first that has. It is released when the next one is asked for.
 *
 * mapping.c makes it and fills the window; map.c gives what comes out.
 */
#ifndef PI_MAPPING_H
#define PI_MAPPING_H

#include "api.h"
#include "chunk.h"

/* A chunk on its way. */
struct pi_flight {
    posse_future future;
    size_t first, count; /* items */
    bool used;
};

struct posse_mapping {
    posse_executor *executor;
    posse_map_job job;
    struct pi_chunk chunk; /* what all chunks have in common */
    struct pi_chunk_source from;
    bool in_place; /* workers use memory of the program's */
    size_t chunksize, buffersize;
    uint64_t until;

    char *staged; /* what the source gave for a chunk not yet submitted, input after input */
    size_t n_staged;
    size_t taken;      /* items that were read */
    size_t on_the_way; /* of these, not yet given */
    posse_status end;  /* why no more are read; POSSE_OK: there are more */

    /* A ring, the oldest at head; or, if unordered, any places, each with its sub of the watch. */
    struct pi_flight *flights;
    size_t window, head, n_flights;
    struct pi_watch watch;
    struct pi_place place; /* of it */
    struct pi_sub *subs;

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

/* Submits as far ahead as it may. What cannot be submitted now is tried again when there is room. */
void pi_mapping_fill(posse_mapping *mapping);
/* Takes a chunk out of the window. */
void pi_mapping_land(posse_mapping *mapping, struct pi_flight *flight);

#endif
