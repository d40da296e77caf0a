/* clock.h - the monotonic clock, in nanoseconds, and moments on it.
 * Runs in: program, supervisor, worker. */
#pragma once

#include <stdint.h>
#include <time.h>

#define PI_NEVER UINT64_MAX

uint64_t pi_os_now(void);
/* The moment `ms` milliseconds from now; PI_NEVER if ms is negative or too large. */
uint64_t pi_os_after_ms(long ms);
/* Milliseconds until a moment, rounded up, 0 when it is past; -1 for PI_NEVER.
 * Capped at INT_MAX, for poll. */
int pi_os_ms_until(uint64_t moment);
struct timespec pi_os_timespec(uint64_t ns);
/* Lets another thread have the processor, if one wants it. */
void pi_os_yield(void);
/* Rests for `ns` nanoseconds, or until a signal comes. */
void pi_os_sleep(uint64_t ns);
