/* storm.h - signals that interrupt whatever a thread is in (storm.c).
 *
 * A timer sends SIGUSR1 to the thread every 100 microseconds, and its handler is installed without
 * SA_RESTART, so each sleep in the kernel ends with EINTR. One thread at a time.
 */
#ifndef STORM_H
#define STORM_H

#include "support.h"

bool begin_storm(void);                      /* of the calling thread; also in a task */
posse_status end_storm(posse_status status); /* gives the status back */
long storm_hits(void);                       /* signals of the last one */
void print_storms(void);                     /* how many there were */

/* A call in a storm. */
#define IN_STORM(call) (begin_storm() ? end_storm(call) : POSSE_SYSTEM)

/* One that waited for something: it was interrupted, or this shows nothing. */
#define assert_in_storm(call, expected)                                                            \
    do {                                                                                           \
        assert_status(IN_STORM(call), expected);                                                   \
        assert_true(storm_hits() > 0);                                                             \
    } while (0)

/* One whose time, SHORT_MS, must be over first. */
#define SHORT_MS 30
#define assert_times_out(call)                                                                     \
    do {                                                                                           \
        long start_ = now_ms();                                                                    \
        assert_in_storm(call, POSSE_TIMEOUT);                                                      \
        assert_in_range(now_ms() - start_, SHORT_MS, PATIENCE_MS);                                 \
    } while (0)

#endif
