#include "remote/agent.h"

#include <stdio.h>
#include <string.h>

/* ---- the pool ---- */

static posse_status make_pool(struct pi_agent *a, const struct pi_setup *setup)
{
    posse_options options = {.struct_size = sizeof options, .max_workers = (long)a->n};
    if (!pi_setup_apply(setup, &a->modules, &options))
        return POSSE_NOT_LOADED;
    a->initializes = options.initializer;
    a->message_memory = setup->message_memory;
    a->silence_ms = (int)setup->silence_ms;
    posse_status status = posse_create(&options, &a->pool);
    a->finalizes = options.finalizer && status == POSSE_OK;
    return status == POSSE_OK ? posse_completion_queue_create(&a->ended) : status;
}

bool pi_agent_pool_prepare(struct pi_agent *a, struct pi_pack *hello)
{
    struct pi_setup setup;
    if (a->pool)
        return true; /* of the same program, as it had the token */
    if (!pi_modules_match(hello, &a->modules, a->why))
        return false;
    bool whole = pi_setup_read(hello, &setup) && hello->used == hello->size;
    posse_status status = whole ? make_pool(a, &setup) : POSSE_INVALID;
    if (!whole)
        snprintf(a->why, sizeof a->why, "the options of the pool are damaged");
    else if (status != POSSE_OK)
        snprintf(a->why, sizeof a->why, "no pool here: %.200s",
                 posse_last_error()[0] ? posse_last_error() : posse_status_message(status));
    return status == POSSE_OK;
}

/* ---- its workers ---- */

/* How many places the workers that have started can serve. */
static uint64_t count_started(const struct pi_agent *a)
{
    posse_stats stats = {.struct_size = sizeof stats};
    if (!a->initializes || posse_get_stats(a->pool, &stats) != POSSE_OK)
        return a->n;
    return stats.workers_idle + stats.running;
}

static uint64_t count_welcomed(const struct pi_agent *a)
{
    uint64_t n = 0;
    for (size_t i = 0; i < a->n; i++)
        n += a->spots[i].state >= PI_IDLE;
    return n;
}

void pi_agent_pool_welcome(struct pi_spot *s)
{
    bool started = count_welcomed(s->agent) < count_started(s->agent);
    pi_plain_write(&s->out, started ? PI_WELCOME : PI_PREPARING, 0);
    s->state = started ? PI_IDLE : PI_GREETED;
}

/* The program's executor breaks, as one of this machine would. */
static void tell_failure(struct pi_agent *a)
{
    for (size_t i = 0; i < a->n; i++) {
        struct pi_spot *s = &a->spots[i];
        if (s->state < PI_GREETED || pi_spot_writes(s))
            continue;
        pi_plain_write(&s->out, PI_POOL_FAILED, strlen(a->why));
        s->out_tail = a->why;
        s->out_tail_size = strlen(a->why);
    }
}

static bool read_why(const struct pi_agent *a, posse_error *error)
{
    *error = (posse_error){.struct_size = sizeof *error};
    return posse_why_broken(a->pool, error) == POSSE_OK && error->status == POSSE_BROKEN;
}

bool pi_agent_pool_is_broken(const struct pi_agent *a)
{
    posse_error error;
    return read_why(a, &error);
}

void pi_agent_pool_ended(struct pi_agent *a, posse_status status)
{
    posse_error error;
    bool broken = read_why(a, &error);
    if (a->code >= 0)
        return;
    a->code = 1;
    snprintf(a->why, sizeof a->why, "%.250s",
             broken ? error.message : posse_status_message(status));
    if (broken && error.attempt > 0)
        tell_failure(a);
}

void pi_agent_pool_look(struct pi_agent *a)
{
    if (!a->initializes || count_welcomed(a) == a->n)
        return;
    if (pi_agent_pool_is_broken(a)) {
        pi_agent_pool_ended(a, POSSE_BROKEN);
        return;
    }
    uint64_t left = count_started(a), welcomed = count_welcomed(a);
    for (size_t i = 0; i < a->n && welcomed < left; i++) {
        struct pi_spot *s = &a->spots[i];
        if (s->state != PI_GREETED || pi_spot_writes(s))
            continue;
        welcomed++;
        s->state = PI_IDLE;
        pi_plain_write(&s->out, PI_WELCOME, 0);
    }
}
