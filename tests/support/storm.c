/* storm.c - see storm.h. */
#include "storm.h"

#include <signal.h>
#include <time.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid /* musl names it, old glibc does not */
#endif

#define EVERY_NS 100000

static _Atomic long hits; /* of the storm that blows */
static timer_t timer;

static void count_hit(int signal) { atomic_fetch_add(&hits, 1); }

bool begin_storm(void)
{
    struct sigaction action = {.sa_handler = count_hit};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    struct itimerspec times = {{0, EVERY_NS}, {0, EVERY_NS}};
    event.sigev_notify_thread_id = (pid_t)identity();
    atomic_store(&hits, 0);
    return sigaction(SIGUSR1, &action, NULL) == 0 &&
           timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 &&
           timer_settime(timer, 0, &times, NULL) == 0;
}

posse_status end_storm(posse_status status)
{
    timer_delete(timer);
    return status;
}

long storm_hits(void) { return atomic_load(&hits); }
