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

/* A call in a storm. */
#define IN_STORM(call) (begin_storm() ? end_storm(call) : POSSE_SYSTEM)

/* What it waits for may come before the first signal, on a busy machine. */
#define assert_in_storm(call, expected) assert_status(IN_STORM(call), expected)

/* One whose time, SHORT_MS, must be over first: it was interrupted, or this shows nothing. (The
 * thread sanitizer may hold signals back.) */
#define SHORT_MS 30
#ifdef SANITIZED_THREADS
#define MIN_HITS 0
#else
#define MIN_HITS 1
#endif
#define assert_times_out(call)                                                                     \
    do {                                                                                           \
        long start_ = now_ms();                                                                    \
        assert_in_storm(call, POSSE_TIMEOUT);                                                      \
        assert_in_range(now_ms() - start_, SHORT_MS, PATIENCE_MS);                                 \
        assert_true(storm_hits() >= MIN_HITS);                                                     \
    } while (0)

#endif
