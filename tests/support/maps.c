/* maps.c - maps over longs, and over orders. */
#include "maps.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static bool heed(posse_task *task, struct gate *gate)
{
    enter_gate(gate);
    for (long end = now_ms() + PATIENCE_MS; !posse_task_cancelled(task); pause_ms(1))
        if (now_ms() > end)
            return false;
    atomic_fetch_add(&gate->passed, 1);
    return true;
}

static int do_more(posse_task *task, const struct order *order, long *result)
{
    switch (order->deed) {
    case MESSAGE: return posse_task_fail(task, (int)order->value, "failed with %ld", order->value);
    case RETURN: *result = posse_task_return(task, "no", 2); return 0;
    case HEED: return heed(task, order->gate) ? 0 : GAVE_UP;
    case DIE:
        enter_gate(order->gate);
        raise(SIGKILL);
        return GAVE_UP;
    default: return WRONG_ARG;
    }
}

int obey(posse_task *task, const void *const *items, void *result)
{
    const struct order *order = items[0];
    if (order->deed == HOLD && !pass_gate(order->gate))
        return GAVE_UP;
    *(long *)result = order->value;
    switch (order->deed) {
    case HOLD:
    case GIVE: return 0;
    case COUNT_IT: atomic_fetch_add(&order->gate->passed, 1); return 0;
    case FAIL: return (int)order->value;
    default: return do_more(task, order, result);
    }
}

int square_item(posse_task *task, const void *const *items, void *result)
{
    long value = *(const long *)items[0];
    *(long *)result = value * value;
    return 0;
}

int add_item(posse_task *task, const void *const *items, void *result)
{
    *(long *)result = *(const long *)items[0] + *(const long *)items[1];
    return 0;
}

posse_map_job map_job(posse_map_fn *fn, const posse_input *inputs, size_t n_inputs, size_t count)
{
    return (posse_map_job){.struct_size = sizeof(posse_map_job),
                           .fn = fn,
                           .inputs = inputs,
                           .n_inputs = n_inputs,
                           .count = count,
                           .result_size = sizeof(long)};
}

posse_status give_numbers(void *context, void *const *elements)
{
    struct numbers *numbers = context;
    long value = numbers->next;
    numbers->calls++;
    if (value == numbers->end)
        return numbers->last;
    for (size_t k = 0; k < numbers->n_inputs; k++, value *= 10)
        *(long *)elements[k] = value;
    numbers->next++;
    return POSSE_OK;
}

posse_map_job source_job(struct numbers *numbers, const posse_input *inputs)
{
    posse_map_fn *fn = numbers->n_inputs == 1 ? square_item : add_item;
    posse_map_job job = map_job(fn, inputs, numbers->n_inputs, 0);
    job.source = give_numbers;
    job.source_context = numbers;
    return job;
}

posse_map_iter *open_map(posse_executor *pool, posse_map_job job)
{
    posse_map_iter *map = NULL;
    assert_ok(posse_map_open(pool, &job, &map));
    assert_non_null(map);
    return map;
}

posse_item next_item(posse_map_iter *map)
{
    posse_item item = {.struct_size = sizeof item, .index = SIZE_MAX};
    assert_ok(posse_map_next(map, &item));
    return item;
}

long next_value(posse_map_iter *map)
{
    posse_item item = next_item(map);
    assert_ok(item.status);
    assert_non_null(item.result);
    return *(const long *)item.result;
}

void assert_squares(posse_map_iter *map, long first, long end)
{
    for (long i = first; i < end; i++)
        assert_int_equal(next_value(map), i * i);
}

void assert_map_ends(posse_map_iter *map)
{
    posse_item item = {.struct_size = sizeof item};
    assert_status(posse_map_next(map, &item), POSSE_END);
    assert_status(posse_map_next(map, &item), POSSE_END);
    assert_status(posse_map_exception(map, &(posse_error){.struct_size = sizeof(posse_error)}),
                  POSSE_INVALID);
    close_map(map);
}

posse_status sum_map(posse_executor *pool, const posse_map_job *job, long *sum)
{
    posse_map_iter *map;
    posse_item item = {.struct_size = sizeof item};
    posse_status status = posse_map_open(pool, job, &map);
    if (status != POSSE_OK)
        return status;
    while ((status = posse_map_next(map, &item)) == POSSE_OK && item.status == POSSE_OK)
        *sum += *(const long *)item.result;
    status = status == POSSE_OK ? item.status : status;
    posse_map_close(map);
    return status;
}

struct factor *make_factor(void *memory, long factor, size_t size)
{
    struct factor *made = memory;
    if (made) {
        memset(made, 42, size);
        *made = (struct factor){.factor = factor, .size = size};
    }
    return made;
}

struct factor *new_factor(long factor, size_t size)
{
    struct factor *made = make_factor(malloc(size), factor, size);
    assert_non_null(made);
    return made;
}

void set_arg(posse_map_job *job, const struct factor *factor)
{
    job->arg = factor;
    job->arg_size = factor->size;
}

const struct factor *factor_of(const posse_task *task)
{
    size_t size = 0;
    const struct factor *factor = posse_map_arg(task, &size);
    if (!factor || factor->size != size || (uintptr_t)factor % _Alignof(max_align_t) != 0)
        return NULL;
    bool whole = size == sizeof *factor || ((const unsigned char *)factor)[size - 1] == 42;
    return whole && factor == posse_map_arg(task, NULL) ? factor : NULL;
}

int scale_item(posse_task *task, const void *const *items, void *result)
{
    const struct factor *factor = factor_of(task);
    if (!factor)
        return WRONG_ARG;
    *(long *)result = *(const long *)items[0] * factor->factor;
    return 0;
}

void close_map(posse_map_iter *map) { assert_ok(posse_map_close(map)); }

void make_stage(struct stage *stage, long workers)
{
    *stage = (struct stage){.pool = make_pool(workers)};
    stage->gate = make_gate(stage->pool);
    for (long i = 0; i < STAGE_ITEMS; i++)
        stage->orders[i] = (struct order){.gate = stage->gate, .value = i};
    stage->input = (posse_input){.data = stage->orders, .size = sizeof(struct order)};
    stage->job = map_job(obey, &stage->input, 1, STAGE_ITEMS);
    stage->job.chunksize = 1;
}

void end_stage(struct stage *stage)
{
    free_gate(stage->pool, stage->gate);
    end_pool(stage->pool);
}

posse_status give_order(void *context, void *const *elements)
{
    struct feed *feed = context;
    atomic_fetch_add(&feed->calls, 1);
    if (feed->next == feed->end)
        return POSSE_END;
    posse_status status = feed->next == feed->special ? feed->before(feed) : POSSE_OK;
    if (status == POSSE_OK) {
        struct order order = feed->stage->orders[feed->next % STAGE_ITEMS];
        order.value = feed->next++;
        memcpy(elements[0], &order, sizeof order);
    }
    return status;
}

posse_map_iter *open_feed(struct stage *stage, struct feed *feed, posse_map_job job)
{
    feed->stage = stage;
    job.source = give_order;
    job.source_context = feed;
    job.count = 0;
    return open_map(stage->pool, job);
}
