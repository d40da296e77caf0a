#include "os/clock.h"

#include "os/cancel.h"

#include <limits.h>
#include <sched.h>
#include <time.h>

uint64_t pi_os_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t pi_os_after_ms(long ms)
{
    if (ms < 0 || (uint64_t)ms > UINT64_MAX / 4000000)
        return PI_NEVER;
    return pi_os_now() + (uint64_t)ms * 1000000u;
}

int pi_os_ms_until(uint64_t moment)
{
    if (moment == PI_NEVER)
        return -1;
    uint64_t now = pi_os_now();
    if (moment <= now)
        return 0;
    uint64_t ms = (moment - now + 999999) / 1000000;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

void pi_os_yield(void) { (void)sched_yield(); }

void pi_os_sleep(long ns)
{
    PI_OS_NO_CANCEL;
    (void)nanosleep(&(struct timespec){.tv_sec = 0, .tv_nsec = ns}, NULL);
}
