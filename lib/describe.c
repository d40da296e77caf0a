/* Runs in: program, worker.
 *
 * How a task ended, what it does until then, and why an executor broke, in words. Those about a
 * task begin with its name, if it has one: "thumbnail: worker 123 was killed by signal 9 (Killed)",
 * "thumbnail: pending".
 *
 * What is read from a slot may be another task's if the handle was released meanwhile. So it is
 * copied first, and pi_confirm then looks whether the handle is still valid.
 */
#include "internal.h"
#include "base/utf8.h"
#include "os/calls.h"
#include "pool/block.h"
#include "pool/park.h"
#include "worker/place.h"

#include <stdio.h>
#include <string.h>

#define MAX_MESSAGE 255 /* of posse_task_fail */

/* The message that the task gave, or one of ours. */
static void describe_failure(posse_executor *e, struct pi_slot *slot, posse_error *error)
{
    struct pi_bytes message = pi_slot_result(e, slot);
    error->code = slot->code;
    if (message.bytes && message.size)
        snprintf(error->message, sizeof error->message, "%.*s",
                 message.size < sizeof error->message ? (int)message.size
                                                      : (int)sizeof error->message,
                 (const char *)message.bytes);
    else
        snprintf(error->message, sizeof error->message, "the task returned %d", error->code);
}

void pi_error_of_death(const struct pi_death *death, posse_error *error)
{
    error->signal = death->signal;
    error->exit_code = death->exit_code;
    error->pid = (long)death->pid;
    if (error->status == POSSE_FORBIDDEN) {
        error->call = pi_forbidden_call(death);
        error->call_name = pi_os_call_name(error->call);
    }
    pi_describe_death(death, error->message, sizeof error->message);
}

/* What the task used of its limits. */
static void describe_usage(posse_executor *e, struct pi_slot *slot, posse_error *error)
{
    struct pi_details *details = pi_slot_is_limited(slot) ? pi_slot_details(e, slot) : NULL;
    if (!details)
        return;
    error->peak_memory = pi_load_relaxed(&details->peak); /* relaxed, both: published with the */
    error->cpu_ns = pi_load_relaxed(&details->cpu_ns);    /* state */
}

/* With the task's own message, if it has failed. */
static void describe_over(posse_executor *e, struct pi_slot *slot, posse_error *error)
{
    const struct pi_details *details = pi_slot_details(e, slot);
    struct pi_bytes own = pi_slot_result(e, slot);
    bool memory = error->status == POSSE_OVER_MEMORY;
    int length = snprintf(error->message, sizeof error->message,
                          memory ? "the task needed over %llu bytes of memory"
                                 : "the task used over %llu ms of processor time",
                          !details ? 0
                          : memory ? (unsigned long long)details->max_memory
                                   : (unsigned long long)details->max_cpu_ms);
    if (own.bytes && own.size && own.size <= MAX_MESSAGE) /* else it is the record of a crash */
        snprintf(error->message + length, sizeof error->message - (size_t)length, ": %.*s",
                 (int)own.size, (const char *)own.bytes);
}

/* Where it was lost, if it ran elsewhere (worker/place.c). */
static void describe_loss(posse_executor *e, const struct pi_seen *seen, posse_error *error)
{
    struct pi_bytes node = pi_slot_result(e, seen->slot);
    struct pi_death death = pi_slot_death(seen->slot, seen->word);
    pi_error_of_death(&death, error);
    size_t length = strlen(error->message);
    if (e->runner && node.size == PI_NODE_NAME && node.bytes)
        snprintf(error->message + length, sizeof error->message - length, " on %.*s",
                 PI_NODE_NAME - 1, (const char *)node.bytes);
}

/* Of two limits it is not known which one was the first, unless the task never began. order:
 * relaxed: constant after FILLING */
static void describe_deadline(struct pi_slot *slot, posse_error *error)
{
    static const char group[] = "the time of its group was up";
    uint64_t kind = pi_load_relaxed(&slot->arg_size);
    int length = 0;
    if ((kind & PI_TIMED) && (error->attempt > 0 || !(kind & PI_BOUNDED)))
        length =
            snprintf(error->message, sizeof error->message, "the task ran longer than %lu ms%s",
                     (unsigned long)slot->timeout_ms, kind & PI_BOUNDED ? ", or " : "");
    if (kind & PI_BOUNDED)
        snprintf(error->message + length, sizeof error->message - (size_t)length, "%s", group);
}

static void describe_end(posse_executor *e, const struct pi_seen *seen, posse_error *error)
{
    struct pi_slot *slot = seen->slot;
    error->status = pi_end_of(e, seen);
    describe_usage(e, slot, error);
    error->attempt = pi_load_relaxed(&slot->attempt); /* relaxed: published with the state */
    if (error->status == POSSE_TASK_FAILED)
        describe_failure(e, slot, error);
    else if (error->status == POSSE_WORKER_LOST || error->status == POSSE_FORBIDDEN)
        describe_loss(e, seen, error);
    else if (error->status == POSSE_DEADLINE)
        describe_deadline(slot, error);
    else if (error->status == POSSE_OVER_MEMORY || error->status == POSSE_OVER_CPU)
        describe_over(e, slot, error);
    else if (error->status == POSSE_CANCELLED)
        snprintf(error->message, sizeof error->message, "%s",
                 posse_status_message(POSSE_CANCELLED));
}

void pi_error_of_call(posse_status status, posse_error *error)
{
    *error = (posse_error){.struct_size = sizeof *error, .status = status};
    if (status != POSSE_OK)
        snprintf(error->message, sizeof error->message, "%s", posse_status_message(status));
}

void pi_error_of_break(posse_executor *e, posse_error *error)
{
    struct pi_error why;
    *error = (posse_error){.struct_size = sizeof *error, .status = POSSE_OK};
    if (pi_phase_of(e) < PI_DEAD)
        return;
    /* Nothing is written if the process that broke it has died, or is about to write. */
    if (!pi_error_cell_read(&e->segment.header->broken, &why))
        why = pi_error_from_words(posse_status_message(POSSE_BROKEN));
    bool death = why.death.pid >= 0;
    error->status = POSSE_BROKEN;
    error->code = why.code;
    error->attempt = (int)why.failures;
    error->signal = death ? why.death.signal : 0;
    error->exit_code = death ? why.death.exit_code : 0;
    error->pid = death ? (long)why.death.pid : 0;
    memcpy(error->message, why.message, sizeof why.message);
}

/* Puts the name before the message, which is empty if there is a result. */
static void put_name(posse_error *error)
{
    size_t length = strlen(error->name), before = length + 2;
    if (length == 0 || error->message[0] == '\0')
        return;
    memmove(error->message + before, error->message, sizeof error->message - before - 1);
    memcpy(error->message, error->name, length);
    memcpy(error->message + length, ": ", 2);
}

void pi_error_of_task(posse_executor *e, const struct pi_seen *seen, posse_error *error)
{
    const struct pi_details *details = pi_slot_details(e, seen->slot);
    *error = (posse_error){.struct_size = sizeof *error};
    if (details)
        memcpy(error->name, details->name, sizeof error->name - 1);
    describe_end(e, seen, error);
    put_name(error);
}

/* As posse_exception, but the name does not stand in the message. */
static posse_status tell(posse_future future, long timeout_ms, posse_error *error)
{
    struct pi_seen seen;
    posse_status status = pi_await(future, timeout_ms, &seen);
    pi_error_of_call(status, error);
    if (status == POSSE_OK || status == POSSE_TIMEOUT || status == POSSE_DEADLOCK) {
        const struct pi_details *details = pi_slot_details(future.executor, seen.slot);
        if (details)
            memcpy(error->name, details->name, sizeof error->name - 1);
        if (status == POSSE_OK)
            describe_end(future.executor, &seen, error);
        status = pi_confirm(future, seen.slot, status);
        if (status == POSSE_INVALID)
            pi_error_of_call(status, error);
    } else if (status == POSSE_BROKEN) {
        pi_error_of_break(future.executor, error);
    }
    if (seen.entered)
        pi_call_exit(future.executor);
    return status;
}

static posse_status await_end(posse_future future, long timeout_ms)
{
    struct pi_seen seen;
    posse_status status = pi_await(future, timeout_ms, &seen);
    if (seen.entered)
        pi_call_exit(future.executor);
    return status;
}

posse_status posse_exception(posse_future future, long timeout_ms, posse_error *error)
{
    posse_error seen;
    if (!error)
        return await_end(future, timeout_ms);
    posse_status status = pi_sized_check(error);
    if (status != POSSE_OK)
        return status;
    status = tell(future, timeout_ms, &seen);
    put_name(&seen);
    pi_sized_write(error, &seen, sizeof seen);
    return status;
}

posse_status posse_why_broken(posse_executor *e, posse_error *error)
{
    posse_error seen;
    posse_status status = pi_sized_check(error);
    if (status != POSSE_OK)
        return status;
    status = pi_check(e);
    if (status == POSSE_OK) {
        (void)pi_check_supervisor(e);
        pi_error_of_break(e, &seen);
    } else {
        pi_error_of_call(status, &seen);
    }
    pi_sized_write(error, &seen, sizeof seen);
    return status;
}

/* ---- posse_describe ---- */

static int describe_ended(posse_future future, const posse_error *error, char text[512])
{
    size_t size = 0;
    switch (error->status) {
    case POSSE_OK:
        (void)posse_result(future, 0, NULL, &size);
        return snprintf(text, 512, "finished: returned %zu bytes", size);
    case POSSE_CANCELLED: return snprintf(text, 512, "cancelled");
    case POSSE_TASK_FAILED:
        return snprintf(text, 512, "finished: failed with code %d: %s", error->code,
                        error->message);
    default: return snprintf(text, 512, "finished: %s", error->message);
    }
}

size_t posse_describe(posse_future future, char *buffer, size_t capacity)
{
    posse_error error;
    char text[512];
    posse_status status = tell(future, 0, &error);
    if (status == POSSE_OK)
        (void)describe_ended(future, &error, text);
    else if (status == POSSE_TIMEOUT || status == POSSE_DEADLOCK)
        snprintf(text, sizeof text, "%s", posse_running(future) ? "running" : "pending");
    else /* or it will never end */
        snprintf(text, sizeof text, "%s", status == POSSE_INVALID ? "stale" : error.message);
    pi_utf8_clean(error.name, sizeof error.name, error.name, sizeof error.name);
    pi_utf8_clean(text, sizeof text, text, sizeof text);
    int length = snprintf(buffer, buffer ? capacity : 0, "%s%s%s", error.name,
                          error.name[0] ? ": " : "", text);
    return length < 0 ? 0 : (size_t)length;
}
