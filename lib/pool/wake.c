#include "pool/wake.h"
#include "os/semaphore.h"
#include "pool/backend.h"
#include "pool/dispatch.h"

bool pi_wake_worker(posse_executor *e, bool force)
{
    struct pi_segment *s = &e->segment;
    uint32_t worker = force ? pi_idle_claim(&s->header->idle, pi_workers_count(s))
                            : pi_idle_claim_if_none_spins(&s->header->idle, pi_workers_count(s));
    if (worker == PI_NO_INDEX)
        return false;
    pi_os_semaphore_post(&s->workers[worker].wake);
    return true;
}

static bool may_grow(posse_executor *e)
{
    return pi_load_seq(&e->segment.header->grow_on_demand); /* see scale.c */
}

bool pi_wake_or_grow(posse_executor *e)
{
    bool woken = pi_wake_worker(e, false);
    if (!woken && may_grow(e) &&
        !pi_idle_any(&e->segment.header->idle, pi_workers_count(&e->segment)))
        e->backend->notify(e);
    return woken;
}

void pi_wake_for_backlog(posse_executor *e)
{
    uint64_t position;
    if (may_grow(e) && pi_ring_peek(&e->segment.ring, &position) != PI_NO_INDEX)
        (void)pi_wake_or_grow(e);
}

void pi_wake_all_workers(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    unsigned workers = pi_workers_count(s);
    for (unsigned i = 0; i < workers; i++)
        pi_os_semaphore_post_once(&s->workers[i].wake);
}

bool pi_post_parker(posse_executor *e, uint32_t index)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    /* seq: who wakes all has acted before, and a new parker's owner looks after this */
    if (index >= pi_parkers_count(parkers) || pi_load_seq(&parkers->at[index].owner) == 0 ||
        !pi_load_seq(&parkers->at[index].made))
        return false;
    pi_os_semaphore_post_once(&parkers->at[index].wake);
    return true;
}

/* Posts all that somebody owns. */
static void post_parkers(posse_executor *e)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t count = pi_parkers_count(parkers);
    for (uint32_t i = 0; i < count; i++)
        (void)pi_post_parker(e, i);
}

void pi_wake_all_parkers(posse_executor *e)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t count = pi_parkers_count(parkers);
    for (uint32_t i = 0; i < count; i++)
        if (pi_load_seq(&parkers->at[i].collects))
            pi_store_seq(&parkers->at[i].rescan, 1);
    post_parkers(e);
}

/* Posts the parker that the word of a task names. If it collects it is given the slot; or, of a
 * task that was released, told to look what has become of it, unless it is ours: then
 * we look here. */
static void notify_parker(posse_executor *e, uint32_t slot, uint64_t word, bool ended)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t index = pi_parker(word) - 1;
    if (index >= pi_parkers_count(parkers))
        return;
    struct pi_parker *parker = &parkers->at[index];
    bool collects = pi_load_seq(&parker->collects), post = true;
    if (collects && ended)
        post = pi_done_list_push(&e->segment.slots, parker, slot, pi_generation(word));
    else if (collects && (post = !pi_dispatch_slot(e, slot, index)))
        pi_store_seq(&parker->rescan, 1);
    if (post)
        (void)pi_post_parker(e, index);
}

void pi_wake_waiters(posse_executor *e, uint32_t slot, uint64_t word, bool ended)
{
    if (pi_parker(word))
        notify_parker(e, slot, word, ended);
    if (word & PI_BROADCAST)
        post_parkers(e);
}

void pi_wake_room(posse_executor *e)
{
    _Atomic uint32_t *room = &e->segment.header->room_waiter;
    if (pi_load_seq(room) == 0) /* seq: after the head has moved, see segment.h */
        return;
    uint32_t who = pi_exchange_seq(room, 0);
    if (who & PI_ROOM_MANY)
        post_parkers(e);
    else if (who)
        (void)pi_post_parker(e, who - 1);
}
