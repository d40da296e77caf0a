/* load.c - tasks that wait, and so hold memory. */
#include "kit.h"

#include <stdlib.h>
#include <string.h>

static const long patience_ms = 60000; /* for all tasks of a load, in a long run too */

static int await_held(struct load *load)
{
    for (int i = 0; i < HELD_WORKERS; i++) {
        REQUIRE(posse_submit(load->pool, hold_task, &load->gate, sizeof load->gate,
                             &load->holders[i]) == POSSE_OK);
    }
    for (long end = now_ms() + PATIENCE_MS; atomic_load(&load->gate->entered) < HELD_WORKERS;) {
        REQUIRE(now_ms() < end);
        pause_ms(1);
    }
    return 0;
}

int hold_workers(struct load *load, posse_options options)
{
    void *memory;
    *load = (struct load){.status = POSSE_OK};
    options.max_workers = HELD_WORKERS;
    REQUIRE(posse_create(&options, &load->pool) == POSSE_OK);
    REQUIRE(posse_alloc(load->pool, sizeof *load->gate, &memory) == POSSE_OK);
    load->gate = memset(memory, 0, sizeof *load->gate);
    REQUIRE(posse_alloc(load->pool, sizeof *load->counter, &memory) == POSSE_OK);
    load->counter = memset(memory, 0, sizeof *load->counter);
    return await_held(load);
}

int hold_again(struct load *load)
{
    memset(load->gate, 0, sizeof *load->gate);
    return await_held(load);
}

void submit_many(struct load *load, size_t size, long most)
{
    char *arg = malloc(size);
    load->status = arg != NULL ? POSSE_OK : POSSE_SYSTEM;
    for (long i = 0; load->status == POSSE_OK && i < most; i++) {
        memset(arg, 0, size);
        memcpy(arg, &load->counter, sizeof load->counter);
        load->status = posse_submit(load->pool, count_task, arg, size, NULL);
        load->accepted += load->status == POSSE_OK;
    }
    free(arg);
}

static bool at_rest(struct load *load)
{
    posse_stats stats = {.struct_size = sizeof stats};
    return posse_get_stats(load->pool, &stats) == POSSE_OK && stats.running == 0 &&
           stats.queued == 0 && stats.futures == 0;
}

int let_go(struct load *load)
{
    open_gate(load->gate);
    for (int i = 0; i < HELD_WORKERS; i++) {
        REQUIRE(posse_result(load->holders[i], patience_ms, NULL, NULL) == POSSE_OK);
        REQUIRE(posse_release(load->holders[i]) == POSSE_OK);
    }
    for (long end = now_ms() + patience_ms; !at_rest(load); pause_ms(1))
        REQUIRE(now_ms() < end);
    REQUIRE(atomic_load(load->counter) == load->accepted);
    return 0;
}

int end_load(struct load *load)
{
    posse_stats stats = {.struct_size = sizeof stats};
    REQUIRE(posse_get_stats(load->pool, &stats) == POSSE_OK);
    REQUIRE(stats.lost == 0 && stats.workers_lost == 0);
    return posse_destroy(load->pool) == POSSE_OK ? 0 : 1;
}

posse_status run_task(posse_executor *pool, posse_fn *fn, long arg, long *value)
{
    posse_future future;
    posse_status status = posse_submit(pool, fn, &arg, sizeof arg, &future);
    if (status == POSSE_OK) {
        status = posse_result_into(future, 30000, value, sizeof *value, NULL);
        (void)posse_release(future);
    }
    return status;
}
