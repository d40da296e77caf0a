#include "remote/agent.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ---- the pool ---- */

bool pi_work_prepare(struct pi_agent *a, struct pi_pack *hello)
{
    posse_options options = {
        .struct_size = sizeof options, .max_workers = (long)a->n, .worker_name_prefix = "agent"};
    if (a->pool)
        return true; /* of the same program, as it had the token */
    if (!pi_modules_match(hello, &a->modules, a->why))
        return false;
    posse_status status = posse_create(&options, &a->pool);
    if (status == POSSE_OK)
        status = posse_completion_queue_create(&a->ended);
    if (status != POSSE_OK)
        snprintf(a->why, sizeof a->why, "no pool here: %.200s", posse_status_message(status));
    return status == POSSE_OK;
}

/* ---- what goes ---- */

static void answer(struct pi_spot *s, const struct pi_result *result, const void *bytes,
                   size_t size)
{
    pi_result_write(&s->out, result, size);
    s->out_tail = bytes;
    s->out_tail_size = size;
    s->state = PI_ANSWERING;
}

static void fail(struct pi_spot *s, const char *text)
{
    const struct pi_result result = {.number = s->submit.number, .outcome = PI_FAILED};
    snprintf(s->text, sizeof s->text, "%s: %s", s->agent->join.node, text);
    s->future = (posse_future){.executor = NULL};
    answer(s, &result, s->text, strlen(s->text));
}

/* ---- the task ---- */

/* Puts the functions of this process where the argument has those of the program. */
static bool translate(struct pi_spot *s)
{
    for (uint32_t i = 0; i < s->submit.n_pointers; i++) {
        uintptr_t pointer;
        uint64_t at = s->submit.pointers[i].at;
        if (s->tail_got < sizeof pointer || at > s->tail_got - sizeof pointer ||
            !pi_modules_resolve(&s->agent->modules, &s->submit.pointers[i].value, &pointer))
            return false;
        memcpy(s->tail + at, &pointer, sizeof pointer);
    }
    return true;
}

void pi_work_begin(struct pi_spot *s)
{
    struct pi_agent *a = s->agent;
    uintptr_t fn;
    if (!pi_modules_resolve(&a->modules, &s->submit.fn, &fn) || !fn || !translate(s)) {
        fail(s, "the function of the task is not here");
        return;
    }
    posse_job job = {.struct_size = sizeof job,
                     .fn = (posse_fn *)fn,
                     .arg = s->tail_got ? s->tail : NULL,
                     .size = s->tail_got,
                     .retries = -1,
                     .timeout_ms = s->submit.time_left_ms > 0 ? (long)s->submit.time_left_ms : 0,
                     .max_memory = (size_t)s->submit.max_memory,
                     .max_cpu_ms = (long)s->submit.max_cpu_ms};
    posse_status status = posse_submit_with(a->pool, &job, &s->future);
    if (status == POSSE_OK && posse_completion_queue_add(a->ended, s->future, s) != POSSE_OK) {
        (void)posse_kill(s->future);
        (void)posse_release(s->future);
        status = POSSE_NO_MEMORY;
    }
    if (status == POSSE_OK)
        s->state = PI_BUSY;
    else
        fail(s, posse_last_error()[0] ? posse_last_error() : posse_status_message(status));
}

/* A task that has not begun is not asked: a cancel would end it, which the program has not. */
void pi_work_cancel(struct pi_spot *s, uint64_t number)
{
    if (s->state == PI_BUSY && s->submit.number == number && posse_running(s->future))
        (void)posse_cancel(s->future);
}

void pi_work_drop(struct pi_spot *s)
{
    if ((s->state != PI_BUSY && s->state != PI_ANSWERING) || !s->future.executor)
        return;
    (void)posse_kill(s->future);
    (void)posse_release(s->future);
}

/* ---- its end ---- */

static enum pi_outcome outcome_of(const posse_error *error)
{
    char nothing[sizeof error->message];
    switch (error->status) {
    case POSSE_OK: return PI_RETURNED;
    case POSSE_TASK_FAILED: /* with a message of its own? */
        snprintf(nothing, sizeof nothing, "the task returned %d", error->code);
        return strcmp(nothing, error->message) == 0 ? PI_RETURNED : PI_FAILED;
    case POSSE_DEADLINE: return PI_LATE;
    case POSSE_OVER_MEMORY: return PI_OVER_MEMORY;
    case POSSE_OVER_CPU: return PI_OVER_CPU;
    case POSSE_CANCELLED: return error->attempt == 0 ? PI_NOT_BEGUN : PI_LOST;
    default: return PI_LOST;
    }
}

void pi_work_end(struct pi_spot *s)
{
    posse_error error = {.struct_size = sizeof error};
    const void *data = NULL;
    size_t size = 0;
    if (posse_exception(s->future, 0, &error) != POSSE_OK) {
        snprintf(s->agent->why, sizeof s->agent->why, "%.250s", error.message);
        s->agent->code = 1; /* the pool is broken */
        return;
    }
    const struct pi_result result = {.number = s->submit.number,
                                     .outcome = outcome_of(&error),
                                     .code = error.code,
                                     .signal = error.signal,
                                     .exit_code = error.exit_code,
                                     .pid = error.pid,
                                     .peak_memory = error.peak_memory,
                                     .cpu_ns = error.cpu_ns};
    if (error.status == POSSE_OK) {
        (void)posse_result(s->future, 0, &data, &size);
    } else if (result.outcome == PI_FAILED) {
        size = strnlen(error.message, PI_TEXT_SIZE - 1);
        data = memcpy(s->text, error.message, size);
    }
    answer(s, &result, data, size);
}
