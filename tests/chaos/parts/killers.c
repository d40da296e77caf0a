/* killers.c - threads that kill, stop and continue workers, and one that changes the pool. */
#include "chaos.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static void pause_us(uint32_t us)
{
    struct timespec left = {us / 1000000, us % 1000000 * 1000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

void *kill_supervisor(void *argument)
{
    struct killer *killer = argument;
    struct chaos *chaos = killer->chaos;
    struct victim victim = {.fd = chaos->supervisor};
    pause_us(below(&killer->random, (uint32_t)killer->ms * 1000));
    if (!signal_victim(chaos->roster, victim, SIGKILL))
        blame(chaos, "the supervisor could not be killed");
    return NULL;
}

/* A supervisor that is stopped is slow, and no more. */
static void hold_up_supervisor(struct killer *killer)
{
    struct victim victim = {.fd = killer->chaos->supervisor};
    (void)signal_victim(killer->chaos->roster, victim, SIGSTOP);
    pause_us(below(&killer->random, 5000));
    (void)signal_victim(killer->chaos->roster, victim, SIGCONT);
}

/* Stops it for a moment; then it goes on, or dies as it stands. */
static void hold_up(struct killer *killer, struct victim victim)
{
    struct chaos *chaos = killer->chaos;
    if (!signal_victim(chaos->roster, victim, SIGSTOP))
        return;
    count(chaos, STOPS, 1);
    pause_us(below(&killer->random, 2000));
    if (below(&killer->random, 2) == 0)
        signal_victim(chaos->roster, victim, SIGCONT);
    else if (signal_victim(chaos->roster, victim, SIGKILL))
        count(chaos, KILLS, 1);
}

void *kill_workers(void *argument)
{
    struct killer *killer = argument;
    struct chaos *chaos = killer->chaos;
    while (!atomic_load(&chaos->calm)) {
        struct victim victim;
        pause_us(below(&killer->random, (uint32_t)chaos->gap_us));
        if (below(&killer->random, 256) == 0)
            hold_up_supervisor(killer);
        if (!pick_victim(chaos->roster, mix(killer->random), &victim))
            continue;
        if (below(&killer->random, 16) == 0)
            hold_up(killer, victim);
        else if (signal_victim(chaos->roster, victim, SIGKILL))
            count(chaos, KILLS, 1);
        close(victim.fd);
    }
    return NULL;
}

static posse_future shown_now(struct chaos *chaos)
{
    pthread_mutex_lock(&chaos->lock);
    posse_future future = chaos->shown;
    pthread_mutex_unlock(&chaos->lock);
    return future;
}

/* It is not ours: it may be released at any moment, also while we wait. */
void *look_on(void *argument)
{
    struct killer *killer = argument;
    struct chaos *chaos = killer->chaos;
    while (!atomic_load(&chaos->over)) {
        posse_future future = shown_now(chaos);
        char text[100];
        posse_status status = POSSE_INVALID;
        if (future.executor != NULL) {
            (void)posse_describe(future, text, sizeof text);
            status = posse_wait(&future, 1, POSSE_FIRST_EXCEPTION, 20, NULL, NULL);
        }
        if (status == POSSE_OK || status == POSSE_TIMEOUT) {
            posse_error error = {.struct_size = sizeof error};
            status = posse_exception(future, below(&killer->random, 50), &error);
        }
        if (status != POSSE_INVALID && status != POSSE_TIMEOUT)
            (void)went_well(chaos, "a look at the future of another", status);
        pause_us(below(&killer->random, 300));
    }
    return NULL;
}

void *govern(void *argument)
{
    struct killer *killer = argument;
    struct chaos *chaos = killer->chaos;
    while (!atomic_load(&chaos->over)) {
        posse_stats stats = {.struct_size = sizeof stats};
        long workers = 1 + below(&killer->random, (uint32_t)chaos->most_workers);
        posse_status resized = posse_resize(chaos->pool, workers);
        posse_status looked = posse_get_stats(chaos->pool, &stats);
        if (!was_let_in(chaos, "resize", resized) || !went_well(chaos, "stats", looked))
            return NULL;
        pause_us(below(&killer->random, 20000));
    }
    return NULL;
}
