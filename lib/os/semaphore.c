#include "os/semaphore.h"

#include "base/atomic.h"
#include "base/tuning.h"
#include "os/clock.h"

#include <errno.h>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>

/* As in linux/futex.h, which not every libc comes with. */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

static void wake_one(struct pi_os_semaphore *semaphore)
{
    (void)syscall(SYS_futex, &semaphore->posts, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Sleeps while there is no post; NULL: for ever. The kernel gets a duration, not a moment: this
 * process may see another clock (libfaketime). */
static void sleep_on(struct pi_os_semaphore *semaphore, const struct timespec *rest)
{
    if (syscall(SYS_futex, &semaphore->posts, FUTEX_WAIT, 0, rest, NULL, 0) != 0 &&
        errno != EAGAIN && errno != EINTR && errno != ETIMEDOUT)
        pi_os_sleep(PI_RETRY_NS); /* there is no futex */
}
#else
static void wake_one(struct pi_os_semaphore *semaphore) { (void)semaphore; }

static void sleep_on(struct pi_os_semaphore *semaphore, const struct timespec *rest)
{
    (void)semaphore;
    (void)rest;
    pi_os_sleep(PI_RETRY_NS);
}
#endif

void pi_os_semaphore_post(struct pi_os_semaphore *semaphore)
{
    uint32_t posts = pi_load_relaxed(&semaphore->posts); /* relaxed: the CAS checks it */
    while (posts < PI_MAX_POSTS && !pi_cas_seq(&semaphore->posts, &posts, posts + 1))
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
        if (pi_cas_seq(&semaphore->posts, &posts, posts > PI_MAX_POSTS ? 0 : posts - 1))
            return true;
    return false;
}

bool pi_os_semaphore_wait(struct pi_os_semaphore *semaphore, uint64_t until)
{
    while (!take(semaphore)) {
        uint64_t now = until == PI_NEVER ? 0 : pi_os_now();
        if (now >= until)
            return false;
        struct timespec rest = pi_os_timespec(until - now);
        sleep_on(semaphore, until == PI_NEVER ? NULL : &rest);
    }
    return true;
}
