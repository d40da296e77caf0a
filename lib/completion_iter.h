/* completion_iter.h - an iterator over the ends of many futures.
 *
 * An iterator is a completion queue (pool/cq.h) with a subscription for each future. The
 * dispatchers deliver what has ended; the iterator gives it out in that order, so N futures cost
 * O(N). posse_wait is such an iterator, too.
 */
#pragma once

#include "os/fork_detect.h"
#include "pool/cq.h"

struct posse_completion_iter {
    struct pi_os_fork_detect guard; /* by process id */
    struct pi_cq cq;
    uint64_t until;
    size_t left;  /* not yet given */
    size_t never; /* of these, that can end no more, as `over` says */
    posse_status over;
    bool all;      /* or none: it is over when one can end no more */
    bool stale;    /* one was released meanwhile */
    size_t helped; /* a task that waits has tried to run those before this one itself */
    size_t n;
    struct pi_subscription subs[]; /* of a future that is given twice, only the first is used */
};

/* Opens an iterator. NULL: *status tells why. */
struct posse_completion_iter *pi_iter_open(const posse_future *futures, size_t n, long timeout_ms,
                                           posse_status *status);
/* Blocks up to the iterator's time for the next future that has ended. NULL: *status says why. The
 * caller has entered. */
struct pi_subscription *pi_iter_next(struct posse_completion_iter *c, posse_status *status);
/* posse_destroy waits for the callers that are inside. */
void pi_iter_enter(struct posse_completion_iter *c);
void pi_iter_leave(void *iter);
