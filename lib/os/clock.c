#include "os/clock.h"

#include "base/tuning.h"
#include "os/cancel.h"

#include <limits.h>
#include <sched.h>

uint64_t pi_os_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * PI_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t pi_os_after_ms(long ms)
{
    if (ms < 0 || (uint64_t)ms > UINT64_MAX / (4 * PI_MS))
        return PI_NEVER;
    return pi_os_now() + (uint64_t)ms * PI_MS;
}

int pi_os_ms_until(uint64_t moment)
{
    if (moment == PI_NEVER)
        return -1;
    uint64_t now = pi_os_now();
    if (moment <= now)
        return 0;
    uint64_t ms = (moment - now + PI_MS - 1) / PI_MS;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

struct timespec pi_os_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / PI_SECOND), .tv_nsec = (long)(ns % PI_SECOND)};
}

void pi_os_yield(void) { (void)sched_yield(); }

void pi_os_sleep(uint64_t ns)
{
    PI_OS_NO_CANCEL;
    struct timespec rest = pi_os_timespec(ns);
    (void)nanosleep(&rest, NULL);
}
