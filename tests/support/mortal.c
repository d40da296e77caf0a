/* mortal.c - maps some of whose items end their worker. */
#include "mortal.h"

#include <signal.h>
#include <string.h>

/* As a worker process that crashes. A thread ends itself. */
static void die(void)
{
    if (backend() == POSSE_PROCESS)
        raise(SIGKILL);
    pthread_exit(NULL);
}

static bool heed(posse_task *task, struct gate *gate)
{
    enter_gate(gate);
    for (long end = now_ms() + PATIENCE_MS; !posse_task_cancelled(task); pause_ms(1))
        if (now_ms() > end)
            return false;
    return true;
}

int mortal_item(posse_task *task, const void *const *items, void *result)
{
    const struct mortal *mortal = items[0];
    struct tally *tally = mortal->tally;
    long i = mortal->index;
    int run = 1 + atomic_fetch_add(&tally->runs[i], 1);
    if (run > posse_task_attempt(task)) /* another item may have ended runs before it */
        return WRONG_ARG;
    if (tally->waits[i] == run && !pass_gate(tally->gate))
        return GAVE_UP;
    if (run <= tally->deaths[i])
        die();
    if ((tally->heeds[i] == run || tally->heeds[i] == EACH_RUN) && !heed(task, tally->gate))
        return GAVE_UP;
    *(long *)result = i * i;
    return 0;
}

int mortal_block(posse_task *task, const posse_block *block)
{
    int code = 0;
    for (size_t i = 0; i < block->count && code == 0; i++) {
        const void *items[1] = {block->inputs[0] + i * block->strides[0]};
        if (((const struct mortal *)items[0])->index != (long)(block->first + i))
            return WRONG_ARG;
        code = mortal_item(task, items, block->results + i * block->result_stride);
    }
    return code;
}

void make_mortals(struct mortals *mortals, posse_executor *pool, size_t n)
{
    void *tally, *items;
    assert_ok(posse_alloc(pool, sizeof(struct tally), &tally));
    assert_ok(posse_alloc(pool, MAX_MORTALS * sizeof(struct mortal), &items));
    *mortals = (struct mortals){.pool = pool, .tally = tally, .items = items};
    memset(tally, 0, sizeof(struct tally));
    mortals->tally->gate = make_gate(pool);
    for (long i = 0; i < MAX_MORTALS; i++)
        mortals->items[i] = (struct mortal){tally, i};
    mortals->input = (posse_input){.data = items, .size = sizeof(struct mortal)};
    mortals->job = map_job(mortal_item, &mortals->input, 1, n);
    mortals->job.on_lost = POSSE_SPLIT;
    mortals->job.chunksize = mortals->job.buffersize = (long)n;
}

void free_mortals(struct mortals *mortals)
{
    free_gate(mortals->pool, mortals->tally->gate);
    assert_ok(posse_free(mortals->pool, mortals->items));
    assert_ok(posse_free(mortals->pool, mortals->tally));
}

void end_mortals(struct mortals *mortals)
{
    free_mortals(mortals);
    end_pool(mortals->pool);
}
