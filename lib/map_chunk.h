/* map_chunk.h - some items of a map in one task: how they get to a worker, and their results back.
 *
 * The task's argument is a struct pi_chunk, and behind it copies of what the worker cannot use in
 * place: of the map's argument, and of the items of inputs. So each chunk has a copy of the map's
 * argument, which lives as long as the chunk, whatever dies or stops waiting. Its result is room
 * for the results of all its items, unless they go to an array in place; and behind them a struct
 * pi_failure for each item that failed. */
#ifndef PI_MAP_CHUNK_H
#define PI_MAP_CHUNK_H

#include "posse.h"

/* Where a column of items begins, and how far they are apart. */
struct pi_column {
    char *at; /* of the program or the shared memory, used in place; NULL: copied */
    size_t size, stride;
};

struct pi_chunk {
    posse_map_fn *fn;
    posse_block_fn *block_fn;
    size_t first, count; /* items */
    struct pi_column results;
    const char *arg; /* of the map, used in place; NULL: copied */
    size_t arg_size;
    size_t n_inputs;
    struct pi_column inputs[POSSE_MAX_INPUTS]; /* the argument of the task ends with the last one */
};

#define PI_MESSAGE_SIZE 256 /* of a failure */

/* How an item failed. */
struct pi_failure {
    size_t item; /* in its chunk */
    int code;
    char message[PI_MESSAGE_SIZE];
};

/* Where failures begin, behind so many bytes of results. */
static inline size_t pi_failures_at(size_t results)
{
    const size_t align = _Alignof(struct pi_failure);
    return (results + align - 1) / align * align;
}

/* Bytes of the argument: of the chunk and the copies. */
size_t pi_chunk_size(const struct pi_chunk *chunk);

/* Writes the argument: a pi_writer. `arg` is the map's, from[k] the first item of input k, if they
 * are to be copied, and strides[k] how far its items are apart. */
struct pi_chunk_source {
    const struct pi_chunk *chunk;
    const void *arg;
    const char *from[POSSE_MAX_INPUTS];
    size_t strides[POSSE_MAX_INPUTS];
};
void *pi_chunk_write(void *to, const void *source, size_t size);

/* Copies n items of a column to another place. */
void pi_copy_items(char *to, size_t to_stride, const char *from, size_t from_stride, size_t size,
                   size_t n);

/* The task. */
int pi_chunk_run(posse_task *task, const void *arg, size_t size);

#endif
