/* Runs in: program, worker, supervisor.
 *
 * Waking workers and callers. A post is a hint: the process that wakes up looks at the ring or the
 * slots, and sleeps again if there is nothing for it. So a post too many costs little; a missing
 * post would hang a caller. Each function here is called after the store that the sleeper looks
 * for, and the sleeper says that it sleeps before it looks: both seq, so one of them sees the
 * other.
 *
 * Workers sleep on semaphores of their own (core/worker_record.h), callers on parkers
 * (core/parker.h). Which parker waits for a task stands in the slot's word; the submitter that
 * waits for room is named in the header.
 */
#include "pool/wake.h"
#include "os/semaphore.h"
#include "pool/backend.h"

/* ---- workers ---- */

static bool post_worker(posse_executor *e, uint32_t worker)
{
    if (worker == PI_NO_INDEX)
        return false;
    pi_os_semaphore_post(&e->segment.workers[worker].wake);
    return true;
}

bool pi_wake_worker(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    return post_worker(e, pi_idle_claim_if_none_spins(&s->header->idle, pi_workers_count(s)));
}

bool pi_wake_sleeper(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    return post_worker(e, pi_idle_claim(&s->header->idle, pi_workers_count(s)));
}

static bool may_grow(posse_executor *e)
{
    return pi_load_seq(&e->segment.header->grow_on_demand); /* after the push: see scale.c */
}

bool pi_wake_or_grow(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    bool woken = pi_wake_worker(e);
    if (!woken && may_grow(e) && !pi_idle_any(&s->header->idle, pi_workers_count(s)))
        e->backend->notify(e);
    return woken;
}

bool pi_wake_or_grow_for(posse_executor *e, unsigned tasks)
{
    struct pi_segment *s = &e->segment;
    unsigned spinning = pi_idle_count_spinners(&s->header->idle, pi_workers_count(s));
    unsigned awake = spinning;
    while (awake < tasks && pi_wake_sleeper(e))
        awake++;
    if (awake < tasks && may_grow(e))
        e->backend->notify(e);
    return awake > spinning;
}

void pi_wake_for_backlog(posse_executor *e)
{
    if (may_grow(e) && pi_lanes_any(&e->segment.lanes))
        (void)pi_wake_or_grow(e);
}

void pi_wake_all_workers(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    unsigned workers = pi_workers_count(s);
    for (unsigned i = 0; i < workers; i++)
        pi_os_semaphore_post_once(&s->workers[i].wake);
}

/* ---- callers ---- */

bool pi_post_parker(posse_executor *e, uint32_t index)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    /* seq: after the caller's own store; a new owner looks for that store after it has set this */
    if (index >= pi_parkers_count(parkers) || pi_load_seq(&parkers->at[index].owner) == 0)
        return false;
    pi_os_semaphore_post_once(&parkers->at[index].wake);
    return true;
}

static void post_all_parkers(posse_executor *e)
{
    uint32_t count = pi_parkers_count(&e->segment.parkers);
    for (uint32_t i = 0; i < count; i++)
        (void)pi_post_parker(e, i);
}

/* If the parker collects, its owner looks at all that it waits for. */
static void ask_for_rescan(struct pi_parker *parker)
{
    if (pi_load_seq(&parker->collects))   /* with the owner's store, before it names the parker */
        pi_store_seq(&parker->rescan, 1); /* with the owner's load after its sleep */
}

void pi_wake_all_parkers(posse_executor *e)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t count = pi_parkers_count(parkers);
    for (uint32_t i = 0; i < count; i++)
        ask_for_rescan(&parkers->at[i]);
    post_all_parkers(e);
}

void pi_wake_waiters(posse_executor *e, uint32_t slot, uint64_t word)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t index = pi_parker(word) - 1;
    if (pi_parker(word) && index < pi_parkers_count(parkers)) {
        struct pi_parker *parker = &parkers->at[index];
        /* seq: with the owner's store, before it names the parker. Only the first push posts. */
        if (!pi_load_seq(&parker->collects) ||
            pi_done_list_push(&e->segment.slots, parker, slot, pi_generation(word)))
            (void)pi_post_parker(e, index);
    }
    if (word & PI_BROADCAST)
        post_all_parkers(e);
}

void pi_wake_readers(posse_executor *e, uint64_t word)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t index = pi_parker(word) - 1;
    if (pi_parker(word) && index < pi_parkers_count(parkers)) {
        /* seq, both: with the owner's store before it names the parker, and its load as it wakes */
        if (pi_load_seq(&parkers->at[index].collects) == 2)
            pi_store_seq(&parkers->at[index].rescan, 1);
        (void)pi_post_parker(e, index);
    }
    if (word & PI_BROADCAST)
        post_all_parkers(e);
}

void pi_wake_released(posse_executor *e, uint64_t word)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t index = pi_parker(word) - 1;
    if (pi_parker(word) && index < pi_parkers_count(parkers)) {
        ask_for_rescan(&parkers->at[index]);
        (void)pi_post_parker(e, index);
    }
    if (word & PI_BROADCAST)
        post_all_parkers(e);
}

void pi_wake_room(posse_executor *e)
{
    _Atomic uint32_t *room = &e->segment.header->room_waiter;
    if (pi_load_seq(room) == 0) /* seq: after the head has moved, see segment.h */
        return;
    uint32_t waiter = pi_exchange_seq(room, 0); /* with announce_room, in await.c */
    if (waiter & PI_ROOM_MANY)
        post_all_parkers(e);
    else if (waiter)
        (void)pi_post_parker(e, waiter - 1);
}
