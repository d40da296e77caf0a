#include "pool/subscriptions.h"
#include "core/ring.h"

#include <stdlib.h>

#define FIRST_LISTS 64u

bool pi_subscriptions_init(struct pi_subscriptions *all)
{
    *all = (struct pi_subscriptions){.lists = FIRST_LISTS};
    all->newest = calloc(FIRST_LISTS, sizeof(struct pi_subscription *));
    return all->newest != NULL;
}

void pi_subscriptions_fini(struct pi_subscriptions *all) { free(all->newest); }

static void insert(struct pi_subscriptions *all, struct pi_subscription *sub)
{
    struct pi_subscription **newest = pi_subscriptions_of(all, sub->future.slot);
    sub->younger = NULL;
    sub->older = *newest;
    if (sub->older)
        sub->older->younger = sub;
    *newest = sub;
}

/* Inserts a list again, the oldest first. */
static void insert_list(struct pi_subscriptions *all, struct pi_subscription *newest)
{
    struct pi_subscription *sub = newest;
    while (sub && sub->older)
        sub = sub->older;
    while (sub) {
        struct pi_subscription *younger = sub->younger;
        insert(all, sub);
        sub = younger;
    }
}

/* Doubles the number of lists. Without memory for that the lists stay long. */
static void widen(struct pi_subscriptions *all)
{
    struct pi_subscriptions old = *all;
    struct pi_subscription **more = NULL;
    if (old.lists < PI_MAX_SLOTS)
        more = calloc(2 * (size_t)old.lists, sizeof(struct pi_subscription *));
    if (!more)
        return;
    all->newest = more;
    all->lists = 2 * old.lists;
    for (uint32_t i = 0; i < old.lists; i++)
        insert_list(all, old.newest[i]);
    free(old.newest);
}

void pi_subscriptions_insert(struct pi_subscriptions *all, struct pi_subscription *sub)
{
    if (++all->count > all->lists)
        widen(all);
    insert(all, sub);
}

void pi_subscriptions_remove(struct pi_subscriptions *all, struct pi_subscription *sub)
{
    if (sub->older)
        sub->older->younger = sub->younger;
    if (sub->younger)
        sub->younger->older = sub->older;
    else
        *pi_subscriptions_of(all, sub->future.slot) = sub->older;
    all->count--;
}

struct pi_subscription *pi_subscriptions_find(const struct pi_subscriptions *all,
                                              posse_future future, const struct pi_cq *cq)
{
    struct pi_subscription *sub = *pi_subscriptions_of(all, future.slot);
    while (sub && (sub->cq != cq || sub->future.slot != future.slot ||
                   sub->future.generation != future.generation))
        sub = sub->older;
    return sub;
}
