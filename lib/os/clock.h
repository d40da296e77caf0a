/* clock.h - the monotonic clock, in nanoseconds, and deadlines on it. */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H

#include <stdint.h>

#define OS_NEVER UINT64_MAX

uint64_t os_now(void);
/* The moment in so many milliseconds; OS_NEVER if they are negative or too many. */
uint64_t os_after_ms(long ms);
/* Milliseconds until a moment, rounded up, 0 when it is past; -1 for OS_NEVER.
 * Capped at INT_MAX, for poll. */
int os_ms_until(uint64_t moment);
/* Lets another thread have the processor, if one wants it. */
void os_yield(void);
/* Rests for so many nanoseconds, or until a signal comes. */
void os_sleep(long ns);

#endif
