/* wait.c - time. */
#include "support.h"

#include "pool/backend.h"
#include "pool/park.h"
#include "supervisor/child.h"

#include <errno.h>
#include <time.h>

void pause_ms(long ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A test that is linked with the shared library has none of them. */
#pragma weak pi_verify_interval_ns
#pragma weak pi_retry_ns

void look_every(long ms)
{
    if (&pi_verify_interval_ns != NULL)
        pi_verify_interval_ns = (uint64_t)ms * 1000000u;
}

void await_rounds(posse_executor *pool)
{
    _Atomic uint64_t *rounds = &pool->segment.header->supervisor_rounds;
    for (int i = 0; i < 2; i++) { /* the second begins when the first has ended */
        uint64_t before = atomic_load(rounds);
        pool->backend->notify(pool);
        assert_eventually(atomic_load(rounds) != before);
    }
}

void look_never(void) { look_every(3600000); }

void retry_after(long us)
{
    if (&pi_retry_ns != NULL)
        pi_retry_ns = (uint64_t)us * 1000u;
}
