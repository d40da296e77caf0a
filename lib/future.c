/* Runs in: program, worker.
 *
 * The calls about one future. A handle names a slot and a generation; each call reads the slot's
 * word first, and does nothing if the word is of another life (pi_future_look). What a call has
 * read of a slot counts only if the word is still the same after that (pi_confirm), as another
 * thread may release the future meanwhile.
 */
#include "internal.h"
#include "os/clock.h"
#include "pool/await.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "pool/dispatch.h"
#include "pool/finish.h"
#include "pool/park.h"
#include "pool/wake.h"
#include "worker/help.h"

#include <stdio.h>
#include <string.h>

/* The calls for a result inline look and await: what these fill stays in registers. */
#define ALWAYS_INLINE __attribute__((always_inline)) static inline

ALWAYS_INLINE posse_status look(posse_future future, struct pi_seen *seen)
{
    seen->entered = false;
    if (!future.executor)
        return pi_refuse(POSSE_INVALID, "the future is empty");
    posse_status status = pi_check(future.executor);
    if (status != POSSE_OK)
        return status;
    struct pi_slots *slots = &future.executor->segment.slots;
    if (!pi_slots_has(slots, future.slot))
        return pi_refuse(POSSE_INVALID, PI_STALE);
    seen->slot = &slots->at[future.slot];
    seen->word = pi_load_acquire(&seen->slot->word); /* with the release of pi_slot_transition */
    return pi_handle_valid(seen->word, future) ? POSSE_OK : pi_refuse(POSSE_INVALID, PI_STALE);
}

posse_status pi_future_look(posse_future future, struct pi_seen *seen)
{
    return look(future, seen);
}

/* ---- waiting for its end ---- */

/* A task ends before the dispatcher knows it (core/done_list.h). This delivers the end, so that a
 * caller that has seen it here also finds it in posse_completion_iter_next, or in a descriptor. */
static void deliver(posse_future future, uint64_t word)
{
    if (pi_final(word) && pi_parker(word))
        (void)pi_dispatch_slot(future.executor, future.slot, pi_parker(word) - 1);
}

/* Until the task is final. */
static posse_status await_end(posse_future future, long timeout_ms, struct pi_seen *seen)
{
    struct pi_await wait = {.future = future, .help = pi_help};
    posse_status status = pi_await_final(&wait, timeout_ms ? pi_os_after_ms(timeout_ms) : 0);
    seen->word = wait.word;
    seen->entered = wait.entered;
    return status;
}

ALWAYS_INLINE posse_status await(posse_future future, long timeout_ms, struct pi_seen *seen)
{
    posse_status status = look(future, seen);
    if (status == POSSE_OK && timeout_ms < -1)
        status = pi_refuse(POSSE_INVALID, PI_WRONG_TIMEOUT);
    if (status == POSSE_OK && !pi_final(seen->word))
        status = await_end(future, timeout_ms, seen);
    if (status == POSSE_OK) {
        deliver(future, seen->word);
        pi_see_blocks(future.executor); /* the result may name one */
    }
    return status;
}

posse_status pi_await(posse_future future, long timeout_ms, struct pi_seen *seen)
{
    return await(future, timeout_ms, seen);
}

static inline posse_status show(posse_future future, struct pi_slot *slot, const void **data,
                                size_t *size)
{
    struct pi_bytes result = pi_slot_result(future.executor, slot);
    /* BROKEN: a task has overwritten it */
    posse_status status = pi_confirm(future, slot, result.bytes ? POSSE_OK : POSSE_BROKEN);
    if (status == POSSE_OK && data)
        *data = result.size ? result.bytes : NULL;
    if (status == POSSE_OK && size)
        *size = result.size;
    return status;
}

posse_status posse_result(posse_future future, long timeout_ms, const void **data, size_t *size)
{
    struct pi_seen seen;
    if (data)
        *data = NULL;
    if (size)
        *size = 0;
    posse_status status = await(future, timeout_ms, &seen);
    if (status == POSSE_OK)
        status = pi_end_or_ok(future.executor, seen);
    if (status == POSSE_OK)
        status = show(future, seen.slot, data, size);
    if (seen.entered)
        pi_call_exit(future.executor);
    return status;
}

static posse_status copy(posse_future future, struct pi_slot *slot, void *buffer, size_t capacity,
                         size_t *size)
{
    const void *data;
    size_t length = 0;
    posse_status status = show(future, slot, &data, &length);
    if (status == POSSE_OK && length > capacity) {
        status = pi_refuse(POSSE_TOO_LARGE, "the result is larger than capacity");
    } else if (status == POSSE_OK && length) {
        memcpy(buffer, data, length);
        status = pi_confirm(future, slot, POSSE_OK);
    }
    if (size && (status == POSSE_OK || status == POSSE_TOO_LARGE))
        *size = length;
    return status;
}

posse_status posse_result_into(posse_future future, long timeout_ms, void *buffer, size_t capacity,
                               size_t *size)
{
    struct pi_seen seen;
    if (size)
        *size = 0;
    if (capacity && !buffer)
        return pi_refuse(POSSE_INVALID, "buffer is NULL");
    posse_status status = await(future, timeout_ms, &seen);
    if (status == POSSE_OK)
        status = pi_end_or_ok(future.executor, seen);
    if (status == POSSE_OK)
        status = copy(future, seen.slot, buffer, capacity, size);
    if (seen.entered)
        pi_call_exit(future.executor);
    return status;
}

/* ---- state ---- */

uint64_t pi_future_word(posse_future future)
{
    struct pi_seen seen;
    return pi_future_look(future, &seen) == POSSE_OK ? seen.word : 0;
}

bool posse_done(posse_future future)
{
    uint64_t word = pi_future_word(future);
    deliver(future, word);
    return pi_final(word);
}

bool posse_running(posse_future future) { return pi_is_running(pi_future_word(future)); }

bool posse_cancelled(posse_future future)
{
    return pi_state(pi_future_word(future)) == PI_CANCELLED;
}

/* ---- cancel, kill, release ---- */

/* Makes a task CANCELLED, unless its state is another than that of *word by now. */
static bool cancel(posse_future future, uint64_t *word, uint64_t flags)
{
    posse_executor *e = future.executor;
    if (!pi_finish(e, future.slot, word, PI_CANCELLED | flags, &e->segment.header->cancelled))
        return false;
    if (e->queue_limit)
        pi_wake_room(e);
    return true;
}

/* Ends a task that is PENDING, and asks one that runs to stop. If the worker dies just then, the
 * task may be PENDING again: the call looks once more. order: the CAS of the flag is seq with
 * pi_limits_grace (worker/task_limits.c) and with pi_check_grace; posse_task_cancelled reads only
 * the flag. */
posse_status pi_cancel(posse_future future, struct pi_seen seen)
{
    while (pi_generation(seen.word) == future.generation) {
        if (pi_state(seen.word) == PI_PENDING) {
            if (cancel(future, &seen.word, 0))
                return POSSE_OK;
        } else if (pi_state(seen.word) != PI_RUNNING || (seen.word & PI_CANCEL_REQUESTED)) {
            break;
        } else if (pi_cas_seq(&seen.slot->word, &seen.word, /* as said */
                              seen.word | PI_CANCEL_REQUESTED)) {
            if (pi_slot_is_graced(seen.slot))
                future.executor->backend->notify(future.executor);
            break;
        }
    }
    return POSSE_TOO_LATE;
}

posse_status posse_cancel(posse_future future)
{
    struct pi_seen seen;
    posse_status status = pi_future_look(future, &seen);
    return status == POSSE_OK ? pi_cancel(future, seen) : status;
}

/* Ends a running task: a process by the supervisor, a thread's task here. */
static bool end_running(posse_future future, struct pi_slot *slot, uint64_t *word)
{
    posse_executor *e = future.executor;
    bool ok = e->backend->kills ? pi_slot_transition(slot, word, PI_KILLING, 0, PI_EXPIRED)
                                : cancel(future, word, PI_PINNED);
    if (ok)
        e->backend->notify(e); /* to kill the worker, or to put another in its place */
    return ok;
}

posse_status pi_kill(posse_future future, struct pi_seen seen)
{
    while (pi_generation(seen.word) == future.generation && !pi_final(seen.word)) {
        if (pi_state(seen.word) == PI_PENDING) {
            if (cancel(future, &seen.word, 0))
                return POSSE_OK;
            continue; /* the word may be of another task */
        }
        if (pi_state(seen.word) == PI_KILLING)
            return POSSE_OK; /* it is about to end */
        if (pi_state(seen.word) != PI_RUNNING || pi_owner(seen.word) == PI_OWNER_PROGRAM)
            return POSSE_TOO_LATE; /* another thread has released it; or it runs inline */
        if (end_running(future, seen.slot, &seen.word))
            return POSSE_OK;
    }
    return POSSE_TOO_LATE;
}

posse_status posse_kill(posse_future future)
{
    struct pi_seen seen;
    posse_status status = pi_future_look(future, &seen);
    return status == POSSE_OK ? pi_kill(future, seen) : status;
}

/* order: the CAS of DETACHED, with pi_finish: either that sees the flag and frees the slot, or the
 * CAS fails and this sees the end. */
posse_status posse_release(posse_future future)
{
    struct pi_seen seen;
    posse_status status = pi_future_look(future, &seen);
    while (status == POSSE_OK && pi_generation(seen.word) == future.generation) {
        bool leave_it =
            !pi_final(seen.word) || (seen.word & PI_PINNED) || pi_slot_is_grouped(seen.slot);
        if (seen.word & PI_DETACHED)
            break;
        if (!leave_it && pi_discard(future.executor, future.slot, seen.word))
            return POSSE_OK;
        if (!leave_it)
            break;
        if (pi_cas(&seen.slot->word, &seen.word, seen.word | PI_DETACHED)) {
            /* Other threads may wait: it is stale for them too. */
            if (pi_parker(seen.word) &&
                pi_dispatch_slot(future.executor, future.slot, pi_parker(seen.word) - 1))
                seen.word = pi_with_parker(seen.word, 0); /* ours, which knows it now */
            pi_wake_released(future.executor, seen.word);
            pi_discard_if_left(future.executor, future.slot, seen.word | PI_DETACHED);
            return POSSE_OK;
        }
    }
    return status == POSSE_OK ? pi_refuse(POSSE_INVALID, PI_STALE) : status;
}
