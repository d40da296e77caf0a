/* Runs in: program, worker, supervisor.
 *
 * The processor time of the workers. Each says by which clock it can be read, so a worker that runs
 * a task for an hour need not say more. What it used in all is added to its record when it ends:
 *
 *   step                                     by                       `cpu_ns`
 *   cpu_clock := its clock                   the worker               even: of those before it
 *   cpu_ns := the sum, even                  the worker, when it has  even: of this process, too
 *                                            reaped one of a task
 *   cpu_ns := the same, but odd              a thread, at its end;    odd: a change is on its way
 *   cpu_clock := 0                           the supervisor, before
 *   cpu_ns := the sum, even                  it reaps a process       even: of this one, too
 *
 * A reader looks at `cpu_ns` before and after it reads the clock, and again if that has changed. If
 * a worker dies before its first step, its time does not count. If the supervisor dies in between,
 * the executor is broken, and readers do not wait.
 */
#include "pool/worker_clock.h"
#include "os/usage.h"
#include "pool/backend.h"

#define MAX_LOOKS 100

void pi_worker_clock_begin(posse_executor *e, unsigned worker)
{
    int clock = e->backend->kills ? pi_os_process_clock() : pi_os_thread_clock();
    /* relaxed: a reader that sees it late counts it late */
    pi_store_relaxed(&e->segment.workers[worker].cpu_clock, clock);
}

void pi_worker_clock_end(posse_executor *e, unsigned worker)
{
    struct pi_worker *record = &e->segment.workers[worker];
    int clock = pi_load_relaxed(&record->cpu_clock); /* relaxed, both: no other process writes */
    uint64_t before = pi_load_relaxed(&record->cpu_ns), used = 0; /* them now */
    if (clock == 0)
        return;
    (void)pi_os_cpu_clock(clock, &used);
    pi_store_relaxed(&record->cpu_ns, before | 1); /* relaxed: the next store publishes it */
    pi_store_release(&record->cpu_clock, 0);       /* with pi_worker_cpu_ns, as the next */
    pi_store_release(&record->cpu_ns, (before & ~(uint64_t)1) + (used & ~(uint64_t)1));
}

void pi_worker_clock_add(posse_executor *e, unsigned worker, uint64_t used)
{
    struct pi_worker *record = &e->segment.workers[worker];
    uint64_t before =
        pi_load_relaxed(&record->cpu_ns); /* relaxed: no other process writes it now */
    pi_store_release(&record->cpu_ns, before + (used & ~(uint64_t)1)); /* with pi_worker_cpu_ns */
}

uint64_t pi_worker_cpu_ns(posse_executor *e, unsigned worker)
{
    struct pi_worker *record = &e->segment.workers[worker];
    uint64_t before, used;
    int looks = 0;
    do {
        used = 0;
        before = pi_load_acquire(&record->cpu_ns);                         /* acquire, both: with */
        (void)pi_os_cpu_clock(pi_load_acquire(&record->cpu_clock), &used); /* _clock_end */
    } while ((before % 2 || pi_load_again(&record->cpu_ns) != before) && ++looks < MAX_LOOKS);
    return (before & ~(uint64_t)1) + used;
}
