#include "pool/report.h"
#include "pool/wake.h"

bool pi_is_for_log(const posse_executor *e, uint64_t word)
{
    enum pi_state state = pi_state(word);
    bool failed = state == PI_FAILED || state == PI_LOST || state == PI_TIMED_OUT;
    return e->log_parker && failed && (word & PI_DETACHED) && !(word & PI_PINNED);
}

static struct pi_parker *parker_of(posse_executor *e)
{
    return &e->segment.parkers.at[e->log_parker - 1];
}

static void ask_for_rescan(posse_executor *e)
{
    pi_store_seq(&parker_of(e)->rescan, 1); /* with the exchange of lib/log.c */
    (void)pi_post_parker(e, e->log_parker - 1);
}

bool pi_leave_to_log(posse_executor *e, uint32_t index, uint64_t word)
{
    if (!pi_is_for_log(e, word))
        return false;
    if (pi_parker(word))
        ask_for_rescan(e);
    else if (pi_done_list_push(&e->segment.slots, parker_of(e), index, pi_generation(word)))
        (void)pi_post_parker(e, e->log_parker - 1);
    return true;
}

bool pi_leave_to_log_again(posse_executor *e, uint64_t word)
{
    bool left = pi_is_for_log(e, word);
    if (left)
        ask_for_rescan(e);
    return left;
}

void pi_report_worker(posse_executor *e, const struct pi_worker_event *event)
{
    if (!e->log_parker)
        return;
    pi_worker_events_put(&e->segment.header->events, event);
    (void)pi_post_parker(e, e->log_parker - 1);
}
