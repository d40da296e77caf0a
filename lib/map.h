/* map.h - posse_map: chunks (map_chunk.h) on their way through the executor.
 *
 * Runs in: program, worker.
 *
 * A chunk is a task like others: a map submits, awaits, cancels and releases it by the calls of
 * posse.h. Two things are its own: a writer puts the argument of the task together in shared memory
 * (pi_submit), and chunks that are given as they end have a completion queue (map_wait.c).
 *
 * Items are read, from the source or from the arrays, when their chunk is submitted; buffersize
 * bounds how far ahead. A chunk that has ended is given item by item. The chunk is released when
 * the next one is asked for.
 *
 *   map_plan.c    checks a job, and chooses the sizes
 *   map_ahead.c   reads items and submits chunks
 *   map_wait.c    the chunks on their way
 *   map_split.c   runs a lost chunk again, in halves
 *   map.c         the iterator: gives what comes out
 *   map_all.c     posse_map, which goes through all of it
 */
#pragma once

#include "internal.h"
#include "map_chunk.h"

/* Items that the source gave, input after input. */
struct pi_staged {
    size_t first;   /* item */
    size_t holders; /* the map while it fills this; later chunks that may run again */
    _Alignas(max_align_t) char items[];
};

/* A chunk on its way. */
struct pi_flight {
    struct pi_subscription sub; /* of its future; linked if the map is unordered */
    size_t first, count;        /* items */
    size_t ran;                 /* items of the future's task: more in a rest (map_split.c) */
    unsigned runs;              /* of its items in larger chunks, which were lost */
    struct pi_staged *staged;   /* where its items are, if it may run again; NULL: in the arrays */
    struct pi_flight *older, *younger;
};

struct posse_map_iter {
    posse_executor *executor;
    posse_map_job job; /* with `inputs` */
    posse_input inputs[POSSE_MAX_INPUTS];
    struct pi_chunk chunk; /* what all chunks have in common */
    struct pi_chunk_source from;
    bool in_place; /* workers use memory of the program */
    size_t chunksize, buffersize;
    uint64_t until;

    struct pi_staged *staged; /* for the next chunk that is submitted, or NULL */
    size_t n_staged;          /* items that the source gave for it */
    unsigned quick;           /* chunks in a row that the source gave at once */
    size_t taken;             /* items that were read */
    size_t on_the_way;        /* of these, not yet given */
    posse_status end;         /* why no more are read; POSSE_OK: there are more */

    /* In the order of their items. A flight stays where it is, as `sub` is linked. */
    struct pi_flight *oldest, *youngest;
    struct pi_flight *spare;   /* for the next one, or NULL */
    struct pi_flight *ready;   /* that ended and is given next; NULL: not known yet */
    struct pi_flight *to_help; /* the first that a task has not tried to run itself */
    struct pi_cq cq;

    /* The chunk that is being given. */
    struct pi_flight *current;
    posse_status status;
    size_t next; /* item of it */
    const char *results;
    size_t stride;
    const struct pi_failure *failures; /* of those items that are still to be given */
    size_t n_failures;
    const struct pi_failure *failed; /* of the item given last; NULL: it did not fail by itself */
    bool over;                       /* no more chunks are given */

    size_t given;                   /* items */
    struct posse_progress_bar *bar; /* drawn while this waits; NULL: none */
};

/* ---- map_plan.c ---- */

/* Checks what the program asks for. */
posse_status pi_map_check(posse_executor *executor, const posse_map_job *job);
/* Chooses what chunks copy, how large they are, and how many are on their way. */
posse_status pi_map_plan(posse_map_iter *map);

/* ---- map_ahead.c ---- */

/* Submits until `ahead` items are on their way, or there are no more, or an item can be given and
 * the source would have to be called. What cannot be submitted now is tried again when there is
 * room. POSSE_OK, or why a chunk was not accepted. */
posse_status pi_map_fill(posse_map_iter *map, size_t ahead);
/* Finds the items from `first` on, for the next chunk that is submitted. */
void pi_map_find_items(posse_map_iter *map, const struct pi_staged *staged, size_t first);
/* Submits a chunk, and sets its future. flags: as of posse_job. */
posse_status pi_map_submit(posse_map_iter *map, struct pi_flight *flight, unsigned flags);
/* The same without flags. If memory is short, it tries again for `ns`, while anything may begin: a
 * worker frees the argument of a task just after the end of the task can be seen. Also
 * POSSE_TIMEOUT and POSSE_SHUT_DOWN. */
posse_status pi_map_submit_patiently(posse_map_iter *map, struct pi_flight *flight, uint64_t ns);

/* ---- map_wait.c ---- */

void pi_map_wait_init(posse_map_iter *map);
/* Puts `spare`, which was submitted, on its way: before another chunk; NULL: as the youngest. */
void pi_map_depart(posse_map_iter *map, struct pi_flight *before);
/* Waits until map->ready is the chunk that is given next. There is one on its way. */
posse_status pi_map_wait(posse_map_iter *map, uint64_t until);
/* One holder less. NULL is fine. */
void pi_map_drop_staged(struct pi_staged *staged);
/* Releases a chunk, which is on its way no longer. */
void pi_map_land(posse_map_iter *map, struct pi_flight *flight);
/* Cancels chunks that have not begun, and asks the others to stop. */
void pi_map_cancel(posse_map_iter *map);
/* Releases all chunks, when none uses memory of the program in place any more. */
void pi_map_land_all(posse_map_iter *map);

/* ---- map_split.c ---- */

/* If the current chunk is lost and may run again, submits it in parts. True: there is no current
 * chunk any more; the map waits for the next one that ends. */
bool pi_map_split(posse_map_iter *map);

/* ---- map.c ---- */

/* Goes on to the next chunk that has ended. POSSE_END, or as posse_map_next: there is none. */
posse_status pi_map_next_chunk(posse_map_iter *map);
/* Goes on to the next item of the chunk. Returns how the item ended. */
posse_status pi_map_next_item(posse_map_iter *map);
/* Makes a chunk, which may not have ended, the one that is being given. */
void pi_map_begin(posse_map_iter *map, struct pi_flight *flight);
/* Closes *map, a posse_map_iter *, and sets it to NULL. */
void pi_map_close_left(void *map);
