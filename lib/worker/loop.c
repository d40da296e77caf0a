/* A worker's life: take, run, and when there is nothing to take, spin for a moment and sleep. See
 * core/seats.h for how it is woken.
 */
#include "worker/pool.h"

#include "os/clock.h"
#include "os/semaphore.h"

#define SPIN_NS 20000u
#define SOON_NS 200000u /* a sleep shorter than this would better have been spun through */

struct worker {
    posse_executor *executor;
    unsigned seat;
    /* Our bit may be set: clear it, and pass the look-out on, when there is work. */
    bool idle;
    bool busy_times; /* work comes fast: spin before the next sleep */
    unsigned taken;  /* tasks since the last sleep */
};

/* A processor would be free for spinning, and nobody spins yet.
 * Advice only, so nothing is ordered. */
static bool may_spin(const struct worker *w)
{
    struct pi_header *header = w->executor->segment.header;
    unsigned seats = pi_seats_count(&w->executor->segment);
    uint64_t alive = pi_load_relaxed(&header->workers);
    return alive < pi_idle_count(&header->idle, seats) + w->executor->cpus &&
           !pi_idle_any_spinner(&header->idle, seats);
}

static bool work_is_there(const struct worker *w)
{
    uint64_t position;
    return pi_ring_peek(&w->executor->segment.ring, &position) != PI_NONE;
}

static bool spin(struct worker *w)
{
    pi_idle_spin(&w->executor->segment.header->idle, w->seat);
    for (uint64_t end = os_now() + SPIN_NS; os_now() < end;) {
        for (int i = 0; i < 16; i++) {
            if (work_is_there(w))
                return true;
            pi_pause();
        }
        os_yield(); /* whoever brings work may want this very processor */
    }
    return false;
}

static void rest(struct worker *w, enum pi_phase phase)
{
    struct pi_idle *idle = &w->executor->segment.header->idle;
    w->idle = true;
    if ((w->busy_times || w->taken > 1) && may_spin(w) && spin(w))
        return;
    pi_idle_sleep(idle, w->seat);
    if (work_is_there(w) || pi_phase_of(w->executor) != phase) /* it came in between: see seats.h */
        return;
    uint64_t since = os_now();
    (void)os_semaphore_wait(&w->executor->segment.seats[w->seat].wake, OS_NEVER);
    w->busy_times = os_now() - since < SOON_NS;
    w->taken = 0;
}

/* We have work: others need not rely on us to look out any more. */
static void stop_resting(struct worker *w)
{
    if (!w->idle)
        return;
    w->idle = false;
    pi_idle_leave(&w->executor->segment.header->idle, w->seat);
    if (work_is_there(w))
        pi_wake_worker(w->executor, false);
}

void pi_worker_loop(posse_executor *e, unsigned seat, const _Atomic uint32_t *leave)
{
    struct pi_self self = {.executor = e, .seat = seat};
    struct worker w = {.executor = e, .seat = seat};
    struct pi_segment *s = &e->segment;
    pi_self = &self;
    pi_store_release(&s->seats[seat].ready, PI_SEAT_READY); /* with the supervisor, after the end */
    while (!pi_load_relaxed(leave)) {
        uint64_t word;
        /* Before the ring: DRAINING comes after the last push. */
        enum pi_phase phase = pi_phase_of(e);
        if (phase >= PI_STOPPING)
            break;
        uint32_t index = pi_slots_take(&s->slots, &s->ring, seat, &word);
        if (index != PI_NONE) {
            stop_resting(&w);
            if (e->queue_limit)
                pi_wake_room(e);
            pi_run(e, seat, index, word);
            w.taken++;
        } else if (phase == PI_DRAINING) {
            break;
        } else {
            rest(&w, phase);
        }
    }
    pi_idle_leave(&s->header->idle, seat);
    if (e->owner == seat) /* a process has a mail box of its own; threads use the program's */
        pi_mail_fini(e);
    pi_store_release(&s->seats[seat].ready, PI_SEAT_LEFT);
    pi_self = NULL;
}
