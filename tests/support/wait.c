/* wait.c - time. */
#include "pool/pool.h"
#include "pool/park.h"
#include "support.h"

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

/* A test that is linked with the shared library has none. */
#pragma weak pi_verify_interval_ns

static void look_after(uint64_t seconds)
{
    if (&pi_verify_interval_ns != NULL)
        pi_verify_interval_ns = seconds * 1000000000u;
}

void look_never(void) { look_after(3600); }

void look_each_second(void) { look_after(1); }
