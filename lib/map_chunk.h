/* map_chunk.h - some items of a map in one task: how they get to a worker, and their results back.
 *
 * Runs in: program, worker.
 *
 * The task's argument is a struct pi_chunk. Behind it lie copies of what the worker cannot use in
 * place: of the map's argument, and of the items of inputs. So each chunk has a copy of the map's
 * argument, which lives as long as the chunk, whatever dies or stops waiting. The task's result is
 * room for the results of all items, unless they go to an array in place. Behind them lies a struct
 * pi_failure for each item that failed. */
#pragma once

#include "posse.h"

/* Where the elements of items lie, and how far they are apart. */
struct pi_column {
    char *at;    /* memory of the program or shared memory, used in place; NULL: there are copies */
    size_t copy; /* where these begin, from the beginning of the chunk */
    size_t size, stride;
};

struct pi_chunk {
    posse_map_fn *fn;
    posse_block_fn *block_fn;
    size_t first, count; /* items */
    struct pi_column results;
    struct pi_column arg; /* of the map; of one item */
    uint32_t n_inputs;
    uint32_t runs;                             /* of its items before, in larger chunks */
    struct pi_column inputs[POSSE_MAX_INPUTS]; /* the argument of the task ends with the last one */
};

/* What a chunk copies: the map's argument; and of input k, from its first item on, items that are
 * strides[k] apart. */
struct pi_chunk_source {
    const struct pi_chunk *chunk;
    const void *arg;
    const char *from[POSSE_MAX_INPUTS];
    size_t strides[POSSE_MAX_INPUTS];
};

#define PI_MESSAGE_SIZE 256 /* of a failure */

/* How an item failed. */
struct pi_failure {
    size_t item; /* in its chunk */
    int code;
    char message[PI_MESSAGE_SIZE];
};

/* Where failures begin, behind that number of bytes of results. */
static inline size_t pi_failures_at(size_t results)
{
    const size_t align = _Alignof(struct pi_failure);
    return (results + align - 1) / align * align;
}

/* Chooses where the copies lie. Returns the bytes of the task's argument. */
size_t pi_chunk_lay_out(struct pi_chunk *chunk);
/* Writes the task's argument, as pi_writer; source is a struct pi_chunk_source. */
void *pi_chunk_write(void *to, const void *source, size_t size);
/* Copies n items to another place. */
void pi_copy_items(char *to, size_t to_stride, const char *from, size_t from_stride, size_t size,
                   size_t n);
/* The task. */
int pi_chunk_run(posse_task *task, const void *arg, size_t size);
