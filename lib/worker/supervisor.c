/* The supervisor: one thread that starts workers, sees them die, repairs what they left, starts
 * others, and kills those whose task is over its deadline or was killed. With processes it is a
 * process of its own, with threads a thread.
 *
 * Nothing waits for it but the end of tasks whose worker died or is to be killed, and it waits for
 * nobody: each of its steps looks, acts, and goes on.
 */
#include "worker/backend.h"
#include "worker/objects.h"

#include "os/clock.h"
#include "os/semaphore.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define MOST_FAILURES 10 /* starts in a row that came to nothing, before the pool is broken */
#define FIRST_RETRY_NS 1000000u /* doubled with every failure */
#define GRACE_NS 1000000000u    /* between SIGTERM and SIGKILL */

struct pi_supervisor *pi_supervisor_create(posse_executor *e)
{
    struct pi_supervisor *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    size_t bytes = (e->segment.slots.max + 63) / 64 * sizeof *s->marks;
    void *marks = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (marks == MAP_FAILED) {
        free(s);
        return NULL;
    }
    (void)sem_init(&s->poked, 0, 0); /* cannot fail: 0 is not too large */
    s->executor = e;
    s->marks = marks;
    s->missing = e->workers;
    s->seen = PI_OPEN;
    s->retry_at = s->kill_at = OS_NEVER;
    s->socket = s->program = -1;
    return s;
}

void pi_supervisor_destroy(struct pi_supervisor *s)
{
    if (!s)
        return;
    munmap(s->marks, (s->executor->segment.slots.max + 63) / 64 * sizeof *s->marks);
    sem_destroy(&s->poked);
    free(s);
}

/* ---- starting ---- */

static unsigned free_seat(const struct pi_supervisor *s)
{
    unsigned seat = 0;
    while (seat < PI_MAX_SEATS && s->hands[seat].state != PI_HAND_EMPTY)
        seat++;
    return seat;
}

/* Makes a seat ready for a new worker: as no worker has it, nobody else writes there. */
static bool prepare_seat(struct pi_supervisor *s, unsigned number)
{
    posse_executor *e = s->executor;
    struct pi_seat *seat = &e->segment.seats[number];
    size_t offset = (size_t)((char *)seat - e->segment.base);
    if (number >= e->workers && os_memory_back(&e->memory, offset, sizeof *seat) != 0)
        return false;
    if (s->hands[number].used)
        sem_destroy(&seat->wake); /* it may count a sleeper that died */
    (void)os_semaphore_init(&seat->wake);
    pi_store_release(&seat->ready, PI_SEAT_STARTING);
    s->hands[number] = (struct pi_hand){.used = true, .executor = e, .seat = number};
    if (number >= s->seats) {
        s->seats = number + 1;
        pi_store_seq(&e->segment.header->seats, s->seats); /* before its first sleep */
    }
    return true;
}

/* Puts the next try off, twice as long each time. */
static void failed(struct pi_supervisor *s)
{
    unsigned shift = s->failures < MOST_FAILURES ? s->failures : MOST_FAILURES;
    s->failures++;
    s->retry_at = os_now() + ((uint64_t)FIRST_RETRY_NS << shift);
}

/* Starts one worker. False: it could not, now. */
static bool start_one(struct pi_supervisor *s)
{
    unsigned seat = free_seat(s);
    if (seat >= PI_MAX_SEATS)
        return false; /* all are held by threads that do not return; one of them ends first */
    s->error = prepare_seat(s, seat) ? s->executor->backend->spawn(s, seat) : ENOMEM;
    if (s->error) {
        failed(s);
        return false;
    }
    s->hands[seat].state = PI_HAND_ALIVE;
    s->alive++;
    s->missing--;
    pi_count(&s->executor->segment.header->workers);
    return true;
}

static void start_missing(struct pi_supervisor *s)
{
    if (s->retry_at != OS_NEVER && os_now() < s->retry_at)
        return;
    s->retry_at = OS_NEVER;
    while (s->missing > 0 && start_one(s))
        ;
}

int pi_supervisor_begin(struct pi_supervisor *s)
{
    start_missing(s);
    return s->alive > 0 ? 0 : s->error;
}

/* ---- ends ---- */

static bool any_ready(const struct pi_supervisor *s)
{
    for (unsigned i = 0; i < s->seats; i++)
        if (s->hands[i].state == PI_HAND_ALIVE &&
            pi_load_acquire(&s->executor->segment.seats[i].ready) == PI_SEAT_READY)
            return true;
    return false;
}

/* Takes a dead worker off the books. What it started dies with it:
 * its group is killed while its pid is still its. */
static void bury(struct pi_supervisor *s, unsigned seat, const struct os_death *how)
{
    posse_executor *e = s->executor;
    struct pi_header *header = e->segment.header;
    struct pi_hand *hand = &s->hands[seat];
    struct pi_death death = {how->signal, how->exit_code, hand->pid};
    uint32_t ready = pi_load_acquire(&e->segment.seats[seat].ready);
    bool replace = hand->state == PI_HAND_ALIVE && ready != PI_SEAT_LEFT;
    e->backend->signal(s, seat, SIGKILL);
    e->backend->reap(s, seat);
    hand->state = PI_HAND_EMPTY;
    s->alive--;
    pi_store_relaxed(&header->workers, pi_load_relaxed(&header->workers) - 1); /* ours alone */
    if (ready != PI_SEAT_LEFT)
        pi_count(&header->workers_lost);
    if (ready != PI_SEAT_LEFT) /* who left on purpose holds nothing but what it gave to others */
        pi_recover(s, seat, &death);
    else /* ... or forgot to release */
        pi_recover_objects(e, seat, false);
    if (!replace)
        return;
    s->missing++;
    if (ready == PI_SEAT_STARTING)
        failed(s);
    else
        s->failures = 0;
}

/* A worker that was stopped must not be relied on; one that goes on looks for itself. */
static void stopped(struct pi_supervisor *s, unsigned seat, bool goes_on)
{
    posse_executor *e = s->executor;
    if (goes_on) {
        os_semaphore_post(&e->segment.seats[seat].wake);
        return;
    }
    pi_idle_leave(&e->segment.header->idle, seat);
    pi_wake_all_workers(e);
}

static void look_at_workers(struct pi_supervisor *s)
{
    for (unsigned i = 0; i < s->seats; i++) {
        struct os_death death;
        if (s->hands[i].state == PI_HAND_EMPTY)
            continue;
        enum os_event event = s->executor->backend->event(s, i, &death);
        if (event == OS_DEAD)
            bury(s, i, &death);
        else if (event != OS_NOTHING)
            stopped(s, i, event == OS_CONTINUED);
    }
}

/* ---- phases ---- */

static void signal_all(struct pi_supervisor *s, int signal)
{
    for (unsigned i = 0; i < s->seats; i++)
        if (s->hands[i].state != PI_HAND_EMPTY)
            s->executor->backend->signal(s, i, signal);
}

/* Sends each kind of signal once; those that SIGTERM did not end are killed after a while. */
static void end_workers(struct pi_supervisor *s, int signal)
{
    s->missing = 0;
    if (s->kill_at != OS_NEVER && os_now() >= s->kill_at)
        signal = SIGKILL;
    if (signal == s->sent || s->sent == SIGKILL)
        return;
    signal_all(s, signal);
    s->sent = signal;
    s->kill_at = signal == SIGTERM ? os_now() + GRACE_NS : OS_NEVER;
}

static void look_at_phase(struct pi_supervisor *s)
{
    posse_executor *e = s->executor;
    if (s->failures >= MOST_FAILURES && !any_ready(s))
        pi_break(e);
    enum pi_phase phase = pi_phase_of(e);
    if (phase == PI_STOPPING)
        end_workers(s, (int)pi_load_acquire(&e->segment.header->stop_signal));
    else if (phase >= PI_DEAD)
        end_workers(s, SIGKILL);
    if (s->seen != phase)
        pi_wake_all_workers(e);
    s->seen = phase;
}

/* No worker is left: nobody will run what is left. */
static void close_pool(struct pi_supervisor *s)
{
    posse_executor *e = s->executor;
    if (s->seen < PI_DEAD)
        pi_cancel_all(e);
    (void)pi_raise_phase(e, PI_CLOSED);
    pi_wake_all_parkers(e);
}

/* ---- sleeping ---- */

/* The next moment when there is something to do. It is published before the deadlines are read, so
 * a worker that sets an earlier one afterwards sees that it must poke us. */
static uint64_t plan(struct pi_supervisor *s)
{
    struct pi_segment *segment = &s->executor->segment;
    uint64_t next = pi_earlier(s->missing ? s->retry_at : OS_NEVER, s->kill_at);
    pi_store_seq(&segment->header->next_look_ns, 0);
    for (unsigned i = 0; i < s->seats; i++) {
        uint64_t deadline = pi_load_seq(&segment->seats[i].deadline_ns);
        if (s->hands[i].state == PI_HAND_EMPTY || deadline == 0)
            continue;
        next = pi_earlier(next, deadline > s->looked_at ? deadline : s->hands[i].next_deadline);
    }
    pi_store_seq(&segment->header->next_look_ns, next == OS_NEVER ? 0 : next);
    return next;
}

void pi_supervisor_run(struct pi_supervisor *s)
{
    for (;;) {
        look_at_workers(s);
        pi_look_at_tasks(s);
        look_at_phase(s);
        start_missing(s);
        if (s->alive == 0 && s->missing == 0 && s->seen >= PI_DRAINING)
            break;
        if (!s->executor->backend->sleep(s, plan(s))) {
            signal_all(s, SIGKILL); /* the program has died: nobody is left to look at anything */
            return;
        }
    }
    close_pool(s);
}
