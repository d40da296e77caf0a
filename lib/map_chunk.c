#include "map_chunk.h"
#include "internal.h"
#include "os/unwind.h"
#include "pool/pool.h"
#include "pool/self.h"

#include <stdlib.h>
#include <string.h>

/* Copies begin where any type may, and on a cache line. */
static size_t aligned(size_t size) { return (size + 63) & ~(size_t)63; }

/* Bytes of the chunk itself, before the copies. */
static size_t head(const struct pi_chunk *chunk)
{
    return offsetof(struct pi_chunk, inputs) + chunk->n_inputs * sizeof *chunk->inputs;
}

/* Bytes of the copy of the map's argument. */
static size_t arg_copy(const struct pi_chunk *chunk)
{
    return chunk->arg ? 0 : aligned(chunk->arg_size);
}

size_t pi_chunk_size(const struct pi_chunk *chunk)
{
    size_t size = head(chunk), copies = arg_copy(chunk);
    for (size_t k = 0; k < chunk->n_inputs; k++)
        if (!chunk->inputs[k].at)
            copies += aligned(chunk->count * chunk->inputs[k].size);
    return copies ? aligned(size) + copies : size;
}

void pi_copy_items(char *to, size_t to_stride, const char *from, size_t from_stride, size_t size,
                   size_t n)
{
    if (to_stride == size && from_stride == size) {
        memcpy(to, from, n * size);
        return;
    }
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * to_stride, from + i * from_stride, size);
}

void *pi_chunk_write(void *to, const void *source, size_t size)
{
    const struct pi_chunk_source *from = source;
    const struct pi_chunk *chunk = from->chunk;
    (void)size;
    char *at = (char *)to + aligned(head(chunk));
    memcpy(to, chunk, head(chunk));
    if (arg_copy(chunk))
        memcpy(at, from->arg, chunk->arg_size);
    at += arg_copy(chunk);
    for (size_t k = 0; k < chunk->n_inputs; k++) {
        const struct pi_column *input = &chunk->inputs[k];
        if (input->at)
            continue;
        pi_copy_items(at, input->size, from->from[k], from->strides[k], input->size, chunk->count);
        at += aligned(chunk->count * input->size);
    }
    return to;
}

/* ---- in the worker --------------------------------------------------------------------------- */

/* A chunk as its function sees it. */
struct work {
    const struct pi_chunk *chunk;
    posse_block block;
    size_t room;         /* bytes of results in the task's own result */
    struct pi_item item; /* the map's argument; how the item that runs has failed */
};

static void lay_out(const struct pi_chunk *chunk, struct work *work)
{
    const char *copies = (const char *)chunk + aligned(head(chunk));
    work->item.arg = chunk->arg ? chunk->arg : chunk->arg_size ? copies : NULL;
    work->item.arg_size = chunk->arg_size;
    copies += arg_copy(chunk);
    work->block.first = chunk->first;
    work->block.count = chunk->count;
    work->block.result_stride = chunk->results.stride;
    for (size_t k = 0; k < chunk->n_inputs; k++) {
        const struct pi_column *input = &chunk->inputs[k];
        work->block.inputs[k] = input->at ? input->at : copies;
        work->block.strides[k] = input->stride;
        if (!input->at)
            copies += aligned(chunk->count * input->size);
    }
}

/* What failed so far, in memory of the worker. */
struct failures {
    struct pi_failure *at;
    size_t count, room;
    bool stopped; /* before all items were done */
};

static bool note(struct failures *failures, size_t item, int code, const struct pi_item *how)
{
    if (failures->count == failures->room) {
        size_t room = failures->room ? 2 * failures->room : 4;
        struct pi_failure *more = realloc(failures->at, room * sizeof *more);
        if (!more)
            return false;
        failures->at = more;
        failures->room = room;
    }
    struct pi_failure *failure = &failures->at[failures->count++];
    *failure = (struct pi_failure){.item = item, .code = how->failed ? how->code : code};
    if (how->failed)
        memcpy(failure->message, how->message, sizeof failure->message);
    return true;
}

/* The program has closed the map, or killed the task. */
static bool is_stopped(const posse_task *task)
{
    uint64_t word = pi_load_relaxed(&task->slot->word); /* relaxed: seen soon enough */
    return pi_state(word) != PI_RUNNING || (word & PI_CANCEL_REQUESTED);
}

/* Runs item after item. A task has one failure, an item of a map its own: so posse_task_fail writes
 * to `item` meanwhile. */
static bool run_items(posse_task *task, struct work *work, struct failures *failures)
{
    const struct pi_chunk *chunk = work->chunk;
    const posse_block *block = &work->block;
    bool ok = true;
    task->item = &work->item;
    for (size_t i = 0; i < block->count && ok; i++) {
        const void *items[POSSE_MAX_INPUTS];
        for (size_t k = 0; k < chunk->n_inputs; k++)
            items[k] = block->inputs[k] + i * block->strides[k];
        char *result = block->results ? block->results + i * block->result_stride : NULL;
        int code = chunk->fn(task, items, result);
        if (code != 0 || work->item.failed) {
            ok = note(failures, i, code, &work->item);
            work->item.failed = false;
        }
        failures->stopped = i + 1 < block->count && is_stopped(task);
        ok = ok && !failures->stopped;
    }
    task->item = NULL;
    return ok;
}

/* Puts the failures behind the results, of which there are `size` bytes. */
static bool append_failures(posse_task *task, const void *results, size_t size,
                            const struct failures *failures)
{
    size_t at = pi_failures_at(size), more = failures->count * sizeof *failures->at;
    char *all = calloc(1, at + more);
    if (!all)
        return false;
    if (size)
        memcpy(all, results, size);
    memcpy(all + at, failures->at, more);
    bool ok = posse_task_return(task, all, at + more) == POSSE_OK;
    free(all);
    return ok;
}

static void free_failures(void *failures) { free(((struct failures *)failures)->at); }

static int run_all_items(posse_task *task, struct work *work)
{
    struct failures failures = {.at = NULL};
    bool ok;
    PI_OS_IF_LEFT(free_failures, &failures);
    ok = run_items(task, work, &failures);
    PI_OS_END_IF_LEFT;
    if (ok && failures.count > 0)
        ok = append_failures(task, work->block.results, work->room, &failures);
    free_failures(&failures);
    if (ok)
        return 0;
    return posse_task_fail(task, 0, "%s",
                           failures.stopped ? "the map has ended"
                                            : "no memory for what the items of a map gave");
}

/* A failure is kept until the function has returned, as its message takes the place of the results,
 * which it may still be writing. */
static int run_block(posse_task *task, struct work *work)
{
    const struct pi_item *item = &work->item;
    task->item = &work->item;
    int code = work->chunk->block_fn(task, &work->block);
    task->item = NULL;
    return item->failed ? posse_task_fail(task, item->code, "%s", item->message) : code;
}

/* What a task has scribbled on need not be one. */
static bool is_whole(const struct pi_chunk *chunk, size_t size)
{
    return size >= offsetof(struct pi_chunk, inputs) && chunk->n_inputs <= POSSE_MAX_INPUTS &&
           size >= pi_chunk_size(chunk);
}

int pi_chunk_run(posse_task *task, const void *arg, size_t size)
{
    const struct pi_chunk *chunk = arg;
    if (!is_whole(chunk, size))
        return posse_task_fail(task, 0, "the argument of a map is damaged");
    struct work work = {.chunk = chunk, .block.results = chunk->results.at};
    if (!chunk->results.at)
        work.room = chunk->count * chunk->results.size;
    if (work.room && !(work.block.results = posse_task_reserve(task, work.room)))
        return posse_task_fail(task, 0, "no memory for the results of a map");
    lay_out(chunk, &work);
    return chunk->fn ? run_all_items(task, &work) : run_block(task, &work);
}
