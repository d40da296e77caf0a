/* glibc has sem_clockwait. Elsewhere sem_timedwait takes a moment of the real-time clock, which may
 * jump; so we wait in short slices and ask the monotonic clock in between. (musl turns that moment
 * into a duration as it begins to wait, so there a jump costs nothing at all.)
 */
#include "os/semaphore.h"

#include "core/atomic.h"
#include "os/clock.h"

#include <errno.h>
#include <time.h>

#define SLICE_NS 1000000000u

int os_semaphore_init(sem_t *semaphore) { return sem_init(semaphore, 1, 0) == 0 ? 0 : errno; }

void os_semaphore_post(sem_t *semaphore)
{
    PI_STORE_((void)sem_post(semaphore)); /* EOVERFLOW: there are posts enough */
}

void os_semaphore_drain(sem_t *semaphore)
{
    while (sem_trywait(semaphore) == 0)
        ;
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
                             .tv_nsec = (long)(ns % 1000000000u)};
}

#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 30)
static int wait_until(sem_t *semaphore, uint64_t until)
{
    struct timespec moment = timespec_of(until);
    return sem_clockwait(semaphore, CLOCK_MONOTONIC, &moment);
}
#else
static int wait_until(sem_t *semaphore, uint64_t until)
{
    struct timespec moment;
    uint64_t now = os_now(), slice = until > now ? until - now : 0;
    if (slice > SLICE_NS)
        slice = SLICE_NS;
    clock_gettime(CLOCK_REALTIME, &moment);
    moment = timespec_of((uint64_t)moment.tv_sec * 1000000000u + (uint64_t)moment.tv_nsec + slice);
    if (sem_timedwait(semaphore, &moment) == 0)
        return 0;
    if (errno == ETIMEDOUT && os_now() < until)
        errno = EINTR; /* only the slice is over */
    return -1;
}
#endif

bool os_semaphore_wait(sem_t *semaphore, uint64_t until)
{
    for (;;) {
        int result = until == OS_NEVER ? sem_wait(semaphore) : wait_until(semaphore, until);
        if (result == 0)
            return true;
        if (errno != EINTR)
            return false;
    }
}
