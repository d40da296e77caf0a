#include "map_chunk.h"
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

/* Puts copies of n items at the end. Returns where they end. */
static size_t append_copies(struct pi_column *column, size_t n, size_t end)
{
    if (column->at)
        return end;
    column->copy = aligned(end);
    return column->copy + n * column->size;
}

size_t pi_chunk_lay_out(struct pi_chunk *chunk)
{
    size_t end = append_copies(&chunk->arg, 1, head(chunk));
    for (size_t k = 0; k < chunk->n_inputs; k++)
        end = append_copies(&chunk->inputs[k], chunk->count, end);
    return end;
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
    memcpy(to, chunk, head(chunk));
    if (!chunk->arg.at && chunk->arg.size)
        memcpy((char *)to + chunk->arg.copy, from->arg, chunk->arg.size);
    for (size_t k = 0; k < chunk->n_inputs; k++) {
        const struct pi_column *input = &chunk->inputs[k];
        if (!input->at)
            pi_copy_items((char *)to + input->copy, input->size, from->from[k], from->strides[k],
                          input->size, chunk->count);
    }
    return to;
}

/* ---- in the worker --------------------------------------------------------------------------- */

/* A chunk that runs. */
struct work {
    posse_task *task;
    struct pi_chunk chunk;
    posse_block block;   /* the items, as the function sees them */
    size_t room;         /* bytes of results in the task's own result */
    struct pi_item item; /* the map's argument, and the failure of the item that runs */
    char *kept; /* room for the results, and behind it the failures; NULL: there are none */
    size_t n_failures, max_failures;
};

/* Notes the failure of item i. False: no memory. */
static bool note_failure(struct work *work, size_t i, int code)
{
    const struct pi_item *item = &work->item;
    if (work->n_failures == work->max_failures) {
        size_t max = work->max_failures ? 2 * work->max_failures : 4;
        char *more =
            realloc(work->kept, pi_failures_at(work->room) + max * sizeof(struct pi_failure));
        if (!more)
            return false;
        work->kept = more;
        work->max_failures = max;
    }
    struct pi_failure *failures = (void *)(work->kept + pi_failures_at(work->room));
    struct pi_failure *failure = &failures[work->n_failures++];
    *failure = (struct pi_failure){.item = i, .code = item->failed ? item->code : code};
    if (item->failed)
        memcpy(failure->message, item->message, sizeof failure->message);
    work->item.failed = false;
    return true;
}

/* Whether the program has closed the map, or killed the task. order: relaxed: a later item may see
 * it. */
static bool is_stopped(const posse_task *task)
{
    uint64_t word = pi_load_relaxed(&task->slot->word);
    return pi_state(word) != PI_RUNNING || (word & PI_CANCEL_REQUESTED);
}

static int run_item(struct work *work, size_t i)
{
    const posse_block *block = &work->block;
    const void *items[POSSE_MAX_INPUTS];
    for (size_t k = 0; k < work->chunk.n_inputs; k++)
        items[k] = block->inputs[k] + i * block->strides[k];
    return work->chunk.fn(work->task, items,
                          block->results ? block->results + i * block->result_stride : NULL);
}

/* Runs item after item. NULL, or why the whole task fails. */
static const char *run_items(struct work *work)
{
    static const char *const no_memory = "no memory for what the items of a map gave";
    size_t size = pi_failures_at(work->room);
    for (size_t i = 0; i < work->block.count; i++) {
        if (i > 0 && is_stopped(work->task))
            return "the map has ended";
        int code = run_item(work, i);
        if ((code != 0 || work->item.failed) && !note_failure(work, i, code))
            return no_memory;
    }
    work->task->item = NULL;
    if (!work->kept)
        return NULL;
    if (work->room)
        memcpy(work->kept, work->block.results, work->room);
    memset(work->kept + work->room, 0, size - work->room);
    size += work->n_failures * sizeof(struct pi_failure);
    return posse_task_return(work->task, work->kept, size) == POSSE_OK ? NULL : no_memory;
}

static void free_kept(void *work) { free(((struct work *)work)->kept); }

static int run_each(struct work *work)
{
    const char *failure;
    work->task->item = &work->item; /* posse_task_fail writes there: an item fails by itself */
    PI_OS_IF_LEFT(free_kept, work);
    failure = run_items(work);
    PI_OS_END_IF_LEFT;
    free_kept(work);
    work->task->item = NULL;
    return failure ? posse_task_fail(work->task, 0, "%s", failure) : 0;
}

/* The task fails only when the function has returned: the message takes the place of the results,
 * which the function may still write. */
static int run_block(struct work *work)
{
    const struct pi_item *item = &work->item;
    work->task->item = &work->item;
    int code = work->chunk.block_fn(work->task, &work->block);
    work->task->item = NULL;
    return item->failed ? posse_task_fail(work->task, item->code, "%s", item->message) : code;
}

/* False: a task has overwritten it, and it is none any more. */
static bool read_chunk(struct pi_chunk *chunk, const char *arg, size_t size)
{
    const size_t at = offsetof(struct pi_chunk, inputs);
    if (size < at)
        return false;
    memcpy(chunk, arg, at);
    if (chunk->n_inputs > POSSE_MAX_INPUTS || size < head(chunk))
        return false;
    memcpy(chunk->inputs, arg + at, chunk->n_inputs * sizeof *chunk->inputs);
    return pi_chunk_lay_out(chunk) <= size;
}

static const char *place_of(const struct pi_column *column, const char *arg)
{
    return column->at ? column->at : arg + column->copy;
}

/* Shows the function where its items are. */
static void show(struct work *work, const char *arg)
{
    const struct pi_chunk *chunk = &work->chunk;
    work->block.first = chunk->first;
    work->block.count = chunk->count;
    work->block.result_stride = chunk->results.stride;
    for (size_t k = 0; k < chunk->n_inputs; k++) {
        work->block.inputs[k] = place_of(&chunk->inputs[k], arg);
        work->block.strides[k] = chunk->inputs[k].stride;
    }
    work->item.runs = chunk->runs;
    work->item.arg_size = chunk->arg.size;
    if (chunk->arg.size)
        work->item.arg = place_of(&chunk->arg, arg);
}

int pi_chunk_run(posse_task *task, const void *arg, size_t size)
{
    struct work work = {.task = task};
    task->of_map = true;
    if (!read_chunk(&work.chunk, arg, size))
        return posse_task_fail(task, 0, "the argument of a map is damaged");
    work.block.results = work.chunk.results.at;
    if (!work.block.results)
        work.room = work.chunk.count * work.chunk.results.size;
    if (work.room && !(work.block.results = posse_task_reserve(task, work.room)))
        return posse_task_fail(task, 0, "no memory for the results of a map");
    show(&work, arg);
    return work.chunk.fn ? run_each(&work) : run_block(&work);
}
