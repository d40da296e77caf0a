/* Runs in: program, worker.
 *
 * Messages of a task to the holders of its future, before it ends. The ring that holds them is in
 * core/feed.h. A reader sleeps on the parker that the slot's word names, as a caller that waits
 * for the end does (pool/await.c).
 */
#include "core/feed.h"
#include "internal.h"
#include "os/clock.h"
#include "pool/await.h"
#include "pool/park.h"
#include "pool/feed_block.h"
#include "pool/self.h"
#include "pool/verify.h"
#include "pool/wake.h"
#include "posse_progress.h"
#include "posse_runner.h"
#include "worker/help.h"

/* ---- sending ---- */

static posse_status check(const posse_task *task, const void *data, size_t size)
{
    if (!task)
        return pi_refuse(POSSE_INVALID, "task is NULL");
    if (size && !data)
        return pi_refuse(POSSE_INVALID, "data is NULL, but size is not 0");
    if (task->item)
        return pi_refuse(POSSE_INVALID, "the function of a map has no future");
    posse_status status = pi_check(task->executor);
    if (status == POSSE_OK && size >= task->executor->ring_bytes)
        status = POSSE_TOO_LARGE;
    if (status == POSSE_OK && pi_message_room(size) > task->executor->ring_bytes)
        status = POSSE_TOO_LARGE;
    return status != POSSE_TOO_LARGE
               ? status
               : pi_refuse(status, "the message is over options.message_memory");
}

/* POSSE_FULL: there is no room now. */
static posse_status send(const posse_task *task, const struct pi_messages *ring, const void *data,
                         size_t size)
{
    if (pi_final(pi_load_acquire(&task->slot->word))) /* with the pi_finish that ended it */
        return POSSE_TOO_LATE;
    if (!pi_messages_put(ring, data, size))
        return POSSE_FULL;
    if (pi_load_seq(&ring->feed->awaited)) { /* seq, all: with is_ready, after the message */
        pi_store_seq(&ring->feed->awaited, 0);
        pi_wake_readers(task->executor, pi_load_seq(&task->slot->word));
    }
    return POSSE_OK;
}

posse_status posse_task_emit(posse_task *task, const void *data, size_t size)
{
    struct pi_messages ring;
    posse_status status = check(task, data, size);
    if (status == POSSE_OK)
        status = pi_messages_open(task, &ring);
    return status == POSSE_OK ? send(task, &ring, data, size) : status;
}

/* Whether a message may still be read. POSSE_TIMEOUT: it may. */
static posse_status may_wait(const posse_task *task, const struct pi_messages *ring)
{
    posse_executor *e = task->executor;
    if (task->worker == PI_OWNER_PROGRAM || task->outer)
        return pi_refuse(POSSE_DEADLOCK, "the caller of the task waits for it on the same stack");
    if (pi_destroying(e) || pi_phase_of(e) == PI_DEAD)
        return pi_destroying(e) ? POSSE_SHUT_DOWN : POSSE_BROKEN;
    bool released = pi_load_seq(&task->slot->word) & PI_DETACHED; /* with posse_release */
    return released || pi_messages_are_closed(ring) ? POSSE_FULL : POSSE_TIMEOUT;
}

struct sending {
    posse_task *task;
    struct pi_messages ring;
    const void *data;
    size_t size;
};

/* On a parker. Looks once a second whether there may still be a reader. */
static posse_status await_room(const struct sending *s, uint64_t until)
{
    posse_executor *e = s->task->executor;
    posse_status status;
    uint32_t parker = pi_park_acquire(e, pi_owner_here(e));
    if (parker == PI_NO_INDEX)
        return pi_failure(PI_NO_PARKER);
    for (;;) {
        pi_messages_await_room(&s->ring, parker);
        status = send(s->task, &s->ring, s->data, s->size);
        if (status == POSSE_FULL)
            status = may_wait(s->task, &s->ring);
        if (status != POSSE_TIMEOUT || pi_os_now() >= until)
            break;
        if (pi_park_until(e, parker, until) == PI_PARK_VERIFY)
            pi_verify_pool(e);
    }
    pi_parkers_release(&e->segment.parkers, parker);
    return status;
}

posse_status posse_task_emit_wait(posse_task *task, const void *data, size_t size, long timeout_ms)
{
    struct sending s = {.task = task, .data = data, .size = size};
    posse_status status = check(task, data, size);
    if (status == POSSE_OK && timeout_ms < -1)
        status = pi_refuse(POSSE_INVALID, PI_WRONG_TIMEOUT);
    if (status == POSSE_OK)
        status = pi_messages_open(task, &s.ring);
    if (status == POSSE_OK)
        status = send(task, &s.ring, data, size);
    if (status != POSSE_FULL)
        return status;
    uint64_t until = timeout_ms ? pi_os_after_ms(timeout_ms) : 0;
    pi_call_enter(task->executor);
    status = await_room(&s, until);
    pi_call_exit(task->executor);
    return status;
}

uint64_t posse_run_unread(const posse_run *run)
{
    struct pi_messages ring;
    if (!run || !run->task || !pi_os_fork_detect_holds(&run->task->executor->guard))
        return 0;
    if (pi_load_seq(&run->task->slot->word) & PI_DETACHED) /* with posse_release */
        return UINT64_MAX;
    bool found = pi_messages_find(run->task->executor, run->task->slot, &ring);
    return found ? pi_messages_used(&ring) : 0;
}

/* ---- reading ---- */

/* Where the caller wants the message. */
struct reader {
    posse_future future;
    void *buffer;
    size_t capacity, size; /* of the buffer; of the message */
};

/* POSSE_TIMEOUT: there is none now. POSSE_END: another caller has taken it; the caller looks again.
 * The handle is confirmed between the look at the message and its taking: so the message is this
 * task's. */
static posse_status take(struct reader *reader, const struct pi_messages *ring)
{
    struct pi_message message;
    posse_future future = reader->future;
    struct pi_slot *slot = &future.executor->segment.slots.at[future.slot];
    enum pi_peek found = pi_messages_peek(ring, &message);
    posse_status status = pi_confirm(future, slot, POSSE_OK);
    if (status != POSSE_OK || found != PI_PEEK_FOUND)
        return status != POSSE_OK ? status : found == PI_PEEK_EMPTY ? POSSE_TIMEOUT : POSSE_BROKEN;
    reader->size = message.size;
    if (message.size > reader->capacity)
        return pi_refuse(POSSE_TOO_LARGE, "the message is larger than capacity");
    pi_messages_copy(ring, &message, reader->buffer);
    if (!pi_messages_take(ring, &message))
        return POSSE_END;
    uint32_t writer = pi_messages_claim_writer(ring, &message);
    if (writer != PI_NO_INDEX)
        (void)pi_post_parker(future.executor, writer);
    return POSSE_OK;
}

static posse_status try_next(struct reader *reader)
{
    struct pi_seen seen;
    struct pi_messages ring;
    posse_status status;
    do {
        status =
            pi_future_look(reader->future, &seen); /* first: the last message precedes the end */
        if (status != POSSE_OK)
            return status;
        pi_see_blocks(reader->future.executor); /* the slot may name one */
        bool found = pi_messages_find(reader->future.executor, seen.slot, &ring);
        status = found ? take(reader, &ring) : pi_confirm(reader->future, seen.slot, POSSE_TIMEOUT);
    } while (status == POSSE_END);
    return status == POSSE_TIMEOUT && pi_final(seen.word) ? POSSE_END : status;
}

static bool is_ready(const struct pi_await *wait)
{
    posse_executor *e = wait->future.executor;
    pi_see_blocks(e);
    return pi_feed_has_message(e, &e->segment.slots.at[wait->future.slot]);
}

static posse_status await_next(struct reader *reader, uint64_t until)
{
    posse_status status;
    while ((status = try_next(reader)) == POSSE_TIMEOUT) {
        struct pi_await wait = {.future = reader->future, .help = pi_help, .ready = is_ready};
        status = pi_await_final(&wait, until);
        if (wait.entered)
            pi_call_exit(reader->future.executor);
        if (status != POSSE_OK)
            break;
    }
    return status;
}

posse_status posse_next_message(posse_future future, long timeout_ms, void *buffer, size_t capacity,
                                size_t *size)
{
    struct reader reader = {.future = future, .buffer = buffer, .capacity = capacity};
    if (size)
        *size = 0;
    if (capacity && !buffer)
        return pi_refuse(POSSE_INVALID, "buffer is NULL");
    if (timeout_ms < -1)
        return pi_refuse(POSSE_INVALID, PI_WRONG_TIMEOUT);
    posse_status status = await_next(&reader, timeout_ms ? pi_os_after_ms(timeout_ms) : 0);
    if (size && (status == POSSE_OK || status == POSSE_TOO_LARGE))
        *size = reader.size;
    if (status == POSSE_END)
        (void)posse_done(future); /* delivers the end, as posse_result does */
    return status;
}

posse_status posse_close_messages(posse_future future)
{
    struct pi_seen seen;
    struct pi_messages ring;
    posse_status status = pi_future_look(future, &seen);
    if (status != POSSE_OK)
        return status;
    pi_see_blocks(future.executor); /* the slot may name one */
    uint32_t writer = pi_messages_find(future.executor, seen.slot, &ring) ? pi_messages_close(&ring)
                                                                          : PI_NO_INDEX;
    if (writer != PI_NO_INDEX)
        (void)pi_post_parker(future.executor, writer);
    return POSSE_OK;
}
