/* many.c - calls on many futures at once, and maps. */
#include "scribble.h"

#include <string.h>

/* Those that are valid; how many. */
static size_t valid(struct program *p, posse_future *futures)
{
    size_t n = 0;
    for (size_t i = 0; i < MAX_FUTURES; i++)
        if (posse_result(p->futures[i], 0, NULL, NULL) != POSSE_INVALID)
            futures[n++] = p->futures[i];
    return n;
}

void wait_for_many(struct program *p)
{
    posse_future futures[MAX_FUTURES];
    bool done[MAX_FUTURES];
    size_t n = valid(p, futures), n_done;
    posse_when when = (posse_when)below(&p->dice, 3);
    long limit = a_limit(p);
    (void)CALL(p, limit, posse_wait(futures, n, when, limit, done, &n_done));
}

void as_completed(struct program *p)
{
    posse_future futures[MAX_FUTURES], future;
    posse_completion_iter *completed;
    size_t n = valid(p, futures), index;
    long limit = a_limit(p);
    if (CALL(p, 0, posse_as_completed(futures, n, limit, &completed)) != POSSE_OK)
        return;
    for (size_t i = 0; i <= n; i++)
        if (CALL(p, limit, posse_completion_iter_next(completed, &future, &index)) != POSSE_OK)
            break;
    posse_completion_iter_close(completed);
}

static int item(posse_task *task, const void *const *items, void *result)
{
    memcpy(result, items[0], sizeof(long));
    return 0;
}

void map_items(struct program *p)
{
    long inputs[40] = {0}, results[40];
    posse_status statuses[40];
    long limit = a_limit(p);
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = item,
                         .inputs = &(posse_input){inputs, sizeof inputs[0], 0},
                         .n_inputs = 1,
                         .count = 1 + below(&p->dice, 40),
                         .results = one_in(&p->dice, 2) ? results : NULL,
                         .result_size = sizeof results[0],
                         .chunksize = (long)below(&p->dice, 6),
                         .unordered = one_in(&p->dice, 2),
                         .timeout_ms = limit < 0 ? 0 : limit + 1};
    if (one_in(&p->dice, 2)) {
        job.results = results;
        (void)CALL(p, limit, posse_map(p->pool, &job, statuses));
        return;
    }
    posse_map_iter *mapping;
    posse_item shown = {.struct_size = sizeof shown};
    if (CALL(p, limit, posse_map_open(p->pool, &job, &mapping)) != POSSE_OK)
        return;
    while (CALL(p, limit, posse_map_next(mapping, &shown)) == POSSE_OK) {
        read_all(shown.result, shown.result ? sizeof(long) : 0);
        (void)posse_map_exception(mapping, &(posse_error){.struct_size = sizeof(posse_error)});
    }
    (void)CALL(p, 0, posse_map_close(mapping));
}
