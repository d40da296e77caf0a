/* subscriptions.h - the index of a dispatcher: which subscriptions each slot has.
 *
 * Runs in: program, worker.
 *
 * A table of lists, in private memory. The slots with the same low bits share a list, whose newest
 * subscription comes first. The table doubles when it has more subscriptions than lists. The
 * dispatcher's lock guards it.
 */
#pragma once

#include "pool/cq.h"

struct pi_subscriptions {
    struct pi_subscription **newest; /* of each list */
    uint32_t lists;                  /* a power of two */
    size_t count;
};

/* False: no memory. */
bool pi_subscriptions_init(struct pi_subscriptions *all);
void pi_subscriptions_fini(struct pi_subscriptions *all);
void pi_subscriptions_insert(struct pi_subscriptions *all, struct pi_subscription *sub);
void pi_subscriptions_remove(struct pi_subscriptions *all, struct pi_subscription *sub);
/* The newest of this future and cq that is linked, or NULL. */
struct pi_subscription *pi_subscriptions_find(const struct pi_subscriptions *all,
                                              posse_future future, const struct pi_cq *cq);

/* The list that has the subscriptions of a slot. */
static inline struct pi_subscription **pi_subscriptions_of(const struct pi_subscriptions *all,
                                                           uint32_t slot)
{
    return &all->newest[slot & (all->lists - 1)];
}
