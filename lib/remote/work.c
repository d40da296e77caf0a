#include "base/tuning.h"
#include "remote/agent.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- what goes ---- */

static void answer(struct pi_spot *s, const struct pi_result *result, const void *bytes,
                   size_t size)
{
    pi_result_write(&s->out, result, size);
    s->out_tail = bytes;
    s->out_tail_size = size;
    pi_net_allow(s->fd, s->agent->silence_ms, size, &s->longer);
    s->state = PI_ANSWERING;
}

void pi_work_fail(struct pi_spot *s, const char *words)
{
    const struct pi_result result = {.number = s->submit.number, .outcome = PI_FAILED};
    pi_work_drop(s);
    snprintf(s->text, sizeof s->text, "%s: %s", s->agent->join.node, words);
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

/* The task goes back to the queue. */
static void answer_not_begun(struct pi_spot *s)
{
    const struct pi_result result = {.number = s->submit.number, .outcome = PI_NOT_BEGUN};
    s->future = (posse_future){.executor = NULL};
    if (!pi_spot_writes(s)) /* else the program hears why the pool is broken */
        answer(s, &result, NULL, 0);
}

void pi_work_give_back(struct pi_spot *s)
{
    if (pi_spot_writes(s))
        return;
    if (s->state == PI_IDLE) {
        s->submit.number = 0;
        answer_not_begun(s);
    } else if (s->state == PI_BUSY && posse_cancel(s->future) == POSSE_OK) {
        (void)posse_release(s->future);
        answer_not_begun(s);
    }
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * (int64_t)PI_SECOND + now.tv_nsec;
}

/* Waits a moment for the end of a small task. The completion queue tells an end by two threads,
 * which have to wake first. Meanwhile no other place is served, so after a task that took longer
 * the agent does not wait for the next ones of that place. */
static bool ends_soon(struct pi_spot *s)
{
    if (s->no_spins > 0) {
        s->no_spins--;
        return false;
    }
    for (int64_t until = now_ns() + PI_AGENT_SPIN_NS; !posse_done(s->future); (void)sched_yield())
        if (now_ns() >= until) {
            s->no_spins = PI_AGENT_NO_SPINS;
            return false;
        }
    return true;
}

static void await_end(struct pi_spot *s)
{
    if (ends_soon(s)) {
        s->ended = true;
        pi_work_next(s);
    } else if (posse_completion_queue_add(s->agent->ended, s->future, &s->end) == POSSE_OK) {
        pi_told_listen(s);
        pi_work_next(s); /* what it has told before that */
    } else {
        pi_work_fail(s, posse_status_message(POSSE_NO_MEMORY));
    }
}

void pi_work_begin(struct pi_spot *s)
{
    struct pi_agent *a = s->agent;
    uintptr_t fn;
    if (!pi_modules_resolve(&a->modules, &s->submit.fn, &fn) || !fn || !translate(s)) {
        pi_work_fail(s, "the function of the task is not here");
        return;
    }
    posse_job job = {.struct_size = sizeof job,
                     .fn = (posse_fn *)fn,
                     .arg = s->tail_got ? s->tail : NULL,
                     .size = s->tail_got,
                     .retries = -1,
                     .timeout_ms = s->submit.time_left_ms > 0 ? (long)s->submit.time_left_ms : 0,
                     .max_memory = (size_t)s->submit.max_memory,
                     .max_cpu_ms = (long)s->submit.max_cpu_ms,
                     .runs_before = (long)s->submit.runs};
    posse_status status = posse_submit_with(a->pool, &job, &s->future);
    if (status == POSSE_OK) {
        s->state = PI_BUSY;
        s->asked = false;
        pi_told_begin(s);
        await_end(s);
        return;
    }
    if (status == POSSE_BROKEN || status == POSSE_SHUT_DOWN) {
        pi_agent_pool_ended(a, status);
        answer_not_begun(s);
    } else {
        pi_work_fail(s, posse_last_error()[0] ? posse_last_error() : posse_status_message(status));
    }
}

/* A task that has not begun is asked later: a cancel would end it, which the program has not. */
void pi_work_ask(struct pi_spot *s)
{
    if (s->state != PI_BUSY || !s->asked || !posse_running(s->future))
        return;
    (void)posse_cancel(s->future);
    s->asked = false;
}

void pi_work_cancel(struct pi_spot *s, uint64_t number)
{
    s->asked = s->state == PI_BUSY && s->submit.number == number;
    pi_work_ask(s);
}

void pi_work_drop(struct pi_spot *s)
{
    if ((s->state != PI_BUSY && s->state != PI_ANSWERING) || !s->future.executor)
        return;
    (void)posse_kill(s->future);
    (void)posse_release(s->future);
}

/* ---- its end ---- */

static enum pi_outcome outcome_of(const posse_error *error, uint32_t runs)
{
    char nothing[sizeof error->message];
    switch (error->status) {
    case POSSE_OK: return PI_RETURNED;
    case POSSE_TASK_FAILED: /* with a message of its own? */
        snprintf(nothing, sizeof nothing, "the task returned %d", error->code);
        return error->code && strcmp(nothing, error->message) == 0 ? PI_RETURNED : PI_FAILED;
    case POSSE_DEADLINE: return PI_LATE;
    case POSSE_OVER_MEMORY: return PI_OVER_MEMORY;
    case POSSE_OVER_CPU: return PI_OVER_CPU;
    case POSSE_CANCELLED: return error->attempt == (int)runs ? PI_NOT_BEGUN : PI_LOST;
    default: return PI_LOST;
    }
}

/* What the task itself has said: all of the message, or what follows the words about a limit. */
static const char *own_words(const posse_error *error, enum pi_outcome outcome)
{
    if (outcome == PI_FAILED)
        return error->message;
    bool over = outcome == PI_OVER_MEMORY || outcome == PI_OVER_CPU;
    const char *own = over ? strstr(error->message, ": ") : NULL;
    return own ? own + 2 : "";
}

static void end(struct pi_spot *s)
{
    posse_error error = {.struct_size = sizeof error};
    const void *data = NULL;
    size_t size = 0;
    posse_status status = posse_exception(s->future, 0, &error);
    if (status == POSSE_OK && error.status == POSSE_OK)
        status = posse_result(s->future, 0, &data, &size);
    if (status != POSSE_OK) {
        if (status == POSSE_BROKEN && !pi_agent_pool_is_broken(s->agent))
            pi_work_fail(s, "a task has overwritten the result");
        else
            pi_agent_pool_ended(s->agent, status);
        return;
    }
    if (size > PI_REMOTE_BYTES) {
        pi_work_fail(s, "the result of the task is over " PI_REMOTE_BYTES_TEXT);
        return;
    }
    struct pi_result result = {.number = s->submit.number,
                               .outcome = outcome_of(&error, s->submit.runs),
                               .code = error.code,
                               .signal = error.signal,
                               .exit_code = error.exit_code,
                               .pid = error.pid,
                               .peak_memory = error.peak_memory,
                               .cpu_ns = error.cpu_ns};
    if (error.status != POSSE_OK) {
        const char *words = own_words(&error, (enum pi_outcome)result.outcome);
        size = strnlen(words, PI_TEXT_SIZE - 1);
        data = memcpy(s->text, words, size);
    }
    pi_told_end(s, &result);
    answer(s, &result, data, size);
}

void pi_work_next(struct pi_spot *s)
{
    if (s->state != PI_BUSY || pi_spot_writes(s))
        return;
    posse_status status = pi_told_next(s);
    if (status == POSSE_NO_MEMORY)
        pi_work_fail(s, "no memory for a message of the task");
    else if (status != POSSE_OK && s->ended)
        end(s);
}
