/* Runs in: anywhere.
 *
 * Statuses in words, from the list in posse.h, and that of a task that has ended. The version.
 */
#include "internal.h"
#include "pool/block.h"
#include "posse_runner.h"

const char *posse_status_name(posse_status status)
{
    switch (status) {
#define NAME(constant, value, message)                                                             \
    case constant: return #constant;
        POSSE_STATUS_LIST(NAME)
#undef NAME
    }
    return "POSSE_UNKNOWN";
}

const char *posse_status_message(posse_status status)
{
    switch (status) {
#define MESSAGE(constant, value, message)                                                          \
    case constant: return message;
        POSSE_STATUS_LIST(MESSAGE)
#undef MESSAGE
    }
    return "not a status of posse";
}

/* Another thread may have released the future meanwhile. order: as pi_confirm */
static posse_status confirm(const struct pi_seen *seen, posse_status status)
{
    if (pi_generation(pi_load_again(&seen->slot->word)) != pi_generation(seen->word))
        return pi_refuse(POSSE_INVALID, PI_STALE);
    return status;
}

/* relaxed: published with the state */
static posse_status over_of(posse_executor *e, const struct pi_seen *seen)
{
    struct pi_slot *slot = seen->slot;
    struct pi_details *details = pi_slot_is_limited(slot) ? pi_slot_details(e, slot) : NULL;
    switch (details ? pi_load_relaxed(&details->over) : PI_OVER_NONE) { /* as said */
    case PI_OVER_MEMORY: return confirm(seen, POSSE_OVER_MEMORY);
    case PI_OVER_CPU: return confirm(seen, POSSE_OVER_CPU);
    default: return POSSE_DEADLINE;
    }
}

/* A sealed worker is lost also because of what its task did. */
static posse_status end_of_loss(const posse_executor *e, const struct pi_seen *seen)
{
    if (!e->seal)
        return POSSE_WORKER_LOST;
    bool forbidden = pi_slot_death(seen->slot, seen->word).forbidden != 0;
    return confirm(seen, forbidden ? POSSE_FORBIDDEN : POSSE_WORKER_LOST);
}

posse_status pi_end_of(posse_executor *e, const struct pi_seen *seen)
{
    switch (pi_state(seen->word)) {
    case PI_DONE: return POSSE_OK;
    case PI_FAILED: return POSSE_TASK_FAILED;
    case PI_CANCELLED: return POSSE_CANCELLED;
    case PI_TIMED_OUT: return over_of(e, seen);
    case PI_LOST: return end_of_loss(e, seen);
    default: return POSSE_INVALID;
    }
}

const char *posse_last_error(void) { return pi_refusal(); }

posse_status posse_refuse(posse_status status, const char *words)
{
    return pi_refuse(status, words);
}

const char *posse_version(void) { return POSSE_VERSION; }
