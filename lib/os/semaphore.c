/* Linux: a futex. Elsewhere sem_timedwait takes a moment of the real-time clock, which may jump; so
 * we wait in short slices and ask the monotonic clock in between.
 */
#include "os/semaphore.h"

#include "base/atomic.h"
#include "os/cancel.h"
#include "os/clock.h"

#include <errno.h>
#include <time.h>

#if PI_OS_FUTEX

#include <sys/syscall.h>
#include <unistd.h>

/* As in linux/futex.h, which not every libc comes with. */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

#define MAX_POSTS 1000000u /* more were never made: a task has scribbled there */
#define REST_NS 1000000    /* where there are no futexes */

int pi_os_semaphore_init(struct pi_os_semaphore *semaphore)
{
    atomic_init(&semaphore->posts, 0);
    return 0;
}

void pi_os_semaphore_fini(struct pi_os_semaphore *semaphore) { (void)semaphore; }

static void wake_one(struct pi_os_semaphore *semaphore)
{
    (void)syscall(SYS_futex, &semaphore->posts, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void pi_os_semaphore_post(struct pi_os_semaphore *semaphore)
{
    uint32_t posts = pi_load_relaxed(&semaphore->posts); /* relaxed: the CAS checks it */
    while (posts < MAX_POSTS && !pi_cas_seq(&semaphore->posts, &posts, posts + 1))
        ;
    wake_one(semaphore);
}

void pi_os_semaphore_post_once(struct pi_os_semaphore *semaphore)
{
    uint32_t none = 0;
    (void)pi_cas_seq(&semaphore->posts, &none, 1);
    wake_one(semaphore);
}

bool pi_os_semaphore_posted(struct pi_os_semaphore *semaphore)
{
    return pi_load_seq(&semaphore->posts) != 0;
}

void pi_os_semaphore_drain(struct pi_os_semaphore *semaphore)
{
    (void)pi_exchange_seq(&semaphore->posts, 0);
}

static bool take(struct pi_os_semaphore *semaphore)
{
    uint32_t posts = pi_load_relaxed(&semaphore->posts); /* relaxed: the CAS checks it */
    while (posts > 0)
        if (pi_cas_seq(&semaphore->posts, &posts, posts > MAX_POSTS ? 0 : posts - 1))
            return true;
    return false;
}

/* The kernel is told for how long, not until when: the clock that this process sees may not be the
 * kernel's (libfaketime). */
bool pi_os_semaphore_wait(struct pi_os_semaphore *semaphore, uint64_t until)
{
    while (!take(semaphore)) {
        uint64_t now = until == PI_NEVER ? 0 : pi_os_now();
        if (now >= until)
            return false;
        uint64_t left = until - now;
        struct timespec rest = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
        if (syscall(SYS_futex, &semaphore->posts, FUTEX_WAIT, 0, until == PI_NEVER ? NULL : &rest,
                    NULL, 0) != 0 &&
            errno != EAGAIN && errno != EINTR && errno != ETIMEDOUT)
            pi_os_sleep(REST_NS);
    }
    return true;
}

#else

#define SLICE_NS 1000000000u
#define MAX_POSTS 1000000 /* that are taken one by one */

int pi_os_semaphore_init(struct pi_os_semaphore *semaphore)
{
    return sem_init(&semaphore->semaphore, 1, 0) == 0 ? 0 : errno;
}

void pi_os_semaphore_fini(struct pi_os_semaphore *semaphore)
{
    (void)sem_destroy(&semaphore->semaphore);
}

void pi_os_semaphore_post(struct pi_os_semaphore *semaphore)
{
    PI_STORE_((void)sem_post(&semaphore->semaphore)); /* EOVERFLOW: there are posts enough */
}

bool pi_os_semaphore_posted(struct pi_os_semaphore *semaphore)
{
    int posts = 0;
    return sem_getvalue(&semaphore->semaphore, &posts) == 0 && posts > 0;
}

void pi_os_semaphore_post_once(struct pi_os_semaphore *semaphore)
{
    if (!pi_os_semaphore_posted(semaphore))
        pi_os_semaphore_post(semaphore);
}

void pi_os_semaphore_drain(struct pi_os_semaphore *semaphore)
{
    for (int i = 0; i < MAX_POSTS; i++)
        if (sem_trywait(&semaphore->semaphore) != 0)
            return;
    (void)pi_os_semaphore_init(semaphore); /* a task has scribbled on it: nobody posts so often */
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
                             .tv_nsec = (long)(ns % 1000000000u)};
}

static int wait_until(sem_t *semaphore, uint64_t until)
{
    struct timespec moment;
    uint64_t now = pi_os_now(), slice = until > now ? until - now : 0;
    if (slice > SLICE_NS)
        slice = SLICE_NS;
    clock_gettime(CLOCK_REALTIME, &moment);
    moment = timespec_of((uint64_t)moment.tv_sec * 1000000000u + (uint64_t)moment.tv_nsec + slice);
    if (sem_timedwait(semaphore, &moment) == 0)
        return 0;
    if (errno == ETIMEDOUT && pi_os_now() < until)
        errno = EINTR; /* only the slice is over */
    return -1;
}

bool pi_os_semaphore_wait(struct pi_os_semaphore *semaphore, uint64_t until)
{
    PI_OS_NO_CANCEL;
    sem_t *inner = &semaphore->semaphore;
    for (;;) {
        int result = until == PI_NEVER ? sem_wait(inner) : wait_until(inner, until);
        if (result == 0)
            return true;
        if (errno != EINTR)
            return false;
    }
}

#endif
