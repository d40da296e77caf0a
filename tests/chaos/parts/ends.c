/* ends.c - how a pool ends, and the sum of all that was done to it. */
#include "burdens.h"
#include "chaos.h"
#include "tales.h"

#include <unistd.h>

bool has_ender(const struct chaos *chaos)
{
    return chaos->mortal || chaos->end == DRAINS || chaos->end == CANCELS || chaos->end == FORCED;
}

/* Shuts it down at a random moment, while all go on. */
void *close_pool(void *argument)
{
    struct killer *killer = argument;
    struct chaos *chaos = killer->chaos;
    uint32_t ms = below(&killer->random, (uint32_t)killer->ms);
    pause_ms(ms);
    atomic_store(&chaos->closing, 1);
    if (chaos->end == FORCED && below(&killer->random, 2) == 0)
        (void)went_well(chaos, "kill_workers", posse_kill_workers(chaos->pool));
    else if (chaos->end == FORCED)
        (void)went_well(chaos, "terminate_workers", posse_terminate_workers(chaos->pool));
    unsigned flags = chaos->end == CANCELS ? POSSE_CANCEL_FUTURES : 0;
    (void)went_well(chaos, "shutdown", posse_shutdown(chaos->pool, flags, HANG_MS));
    return NULL;
}

/* Nobody else uses it; workers run, and are killed. */
static void destroy_at_work(struct scene *scene)
{
    struct chaos *chaos = &scene->chaos;
    for (int i = 0; i < MAX_ORDERS; i++) {
        struct order order = {.entry = next_entry(&scene->drivers[0], false),
                              .roster = chaos->roster,
                              .kind = i % 2 == 0 ? PLAIN : NESTED,
                              .value = 5,
                              .work_us = 500};
        posse_future future;
        posse_job job = {.struct_size = sizeof job,
                         .fn = obey_order,
                         .arg = &order,
                         .size = sizeof order,
                         .flags = POSSE_NO_WAIT};
        posse_status status = posse_submit_with(chaos->pool, &job, i % 3 == 0 ? NULL : &future);
        if (status != POSSE_FULL)
            (void)went_well(chaos, "submit", status);
    }
    end_trace(chaos);
    (void)went_well(chaos, "destroy", posse_destroy(chaos->pool));
}

void end_use(struct scene *scene)
{
    for (int i = 0; i < DRIVERS; i++)
        pthread_join(scene->drivers[i].thread, NULL);
    if (has_ender(&scene->chaos))
        pthread_join(scene->ender.thread, NULL);
    atomic_store(&scene->chaos.over, 1);
    pthread_join(scene->onlooker.thread, NULL);
    if (scene->governed)
        pthread_join(scene->governor.thread, NULL);
    if (scene->chaos.end == DESTROYED)
        destroy_at_work(scene);
    atomic_store(&scene->chaos.calm, 1);
    for (int i = 0; i < scene->n_killers; i++)
        pthread_join(scene->killers[i].thread, NULL);
}

/* Waits until all that was accepted has ended, and gives its counts. */
static posse_stats await_end(struct chaos *chaos)
{
    posse_stats now = stats_of(chaos->pool);
    for (long end = now_ms() + HANG_MS; now.queued + now.running + now.futures != 0;) {
        if (now_ms() > end) {
            blame(chaos, "%ld tasks wait and %ld run for ever, %ld futures are left",
                  (long)now.queued, (long)now.running, (long)now.futures);
            break;
        }
        pause_ms(1);
        now = stats_of(chaos->pool);
    }
    return now;
}

/* What nobody saw the end of ran once, or is a loss that must be explained as well. */
static void count_unseen(struct scene *scene)
{
    for (int d = 0; d < DRIVERS; d++) {
        struct driver *driver = &scene->drivers[d];
        for (uint32_t i = 0; i < driver->used; i++) {
            uint32_t runs = driver->unseen[i] ? atomic_load(&driver->entries[i].runs) : 1;
            count(&scene->chaos, SILENT, runs == 0);
            if (runs > 1)
                blame(&scene->chaos, "thread %d, order %u: nobody saw it run %u times", d, i, runs);
        }
    }
}

/* Every accepted task has ended, and a death explains one loss. */
static void add_up(struct chaos *chaos, const posse_stats *now)
{
    const struct figures *figures = &chaos->figures;
    long losses = figures->of[HARMED] + figures->of[SILENT] + figures->of[TRIED_AGAIN];
    long ended = (long)(now->done + now->failed + now->cancelled + now->timed_out + now->lost);
    count(chaos, DEATHS, (long)now->workers_lost);
    count(chaos, LOSSES, (long)now->lost);
    count(chaos, STARTS, (long)now->workers_started);
    long deaths = chaos->guard == FRESH ? chaos->roster->doomed : (long)now->workers_lost;
    if (losses > deaths && !cancels(chaos))
        blame(chaos, "%ld losses, and %ld deaths", losses, deaths);
    if (chaos->flat && ended != figures->of[ACCEPTED])
        blame(chaos, "%ld tasks were accepted, and %ld ended", figures->of[ACCEPTED], ended);
}

/* Frees what the round itself had, and looks whether anything else is left. */
static void leave_nothing(struct chaos *chaos)
{
    if (chaos->locked->count < chaos->figures.of[LOCKED_WELL]) {
        blame(chaos, "%ld tasks with the lock counted to %ld", chaos->figures.of[LOCKED_WELL],
              chaos->locked->count);
    }
    posse_status lock = posse_lock_destroy(chaos->locked->lock);
    posse_status memory = posse_free(chaos->pool, chaos->locked);
    if (lock == POSSE_INVALID && chaos->mortal)
        lock = POSSE_OK; /* a worker that died with its supervisor holds it for ever */
    (void)went_well(chaos, "lock_destroy", lock);
    (void)went_well(chaos, "free", memory);
    if (chaos->mortal)
        return;
    if (chaos->autopsied) /* each worker has a block */
        (void)went_well(chaos, "shutdown", posse_shutdown(chaos->pool, 0, HANG_MS));
    const char *left = unrest(chaos->pool);
    for (long end = now_ms() + PATIENCE_MS; left != NULL && now_ms() < end;) {
        pause_ms(1);
        left = unrest(chaos->pool);
    }
    if (left != NULL || stats_of(chaos->pool).memory_blocks != 0)
        blame(chaos, "it does not come to rest: %s", left != NULL ? left : "memory is held");
}

static void look_at_the_end(struct scene *scene)
{
    struct chaos *chaos = &scene->chaos;
    if (chaos->mortal && !atomic_load(&chaos->shut))
        blame(chaos, "the supervisor is dead, and no call says so");
    if (!chaos->mortal && chaos->end != DESTROYED) {
        posse_stats now = await_end(chaos);
        count_unseen(scene);
        add_up(chaos, &now);
    }
}

int end_scene(struct scene *scene)
{
    struct chaos *chaos = &scene->chaos;
    look_at_the_end(scene);
    if (chaos->end != DESTROYED)
        end_trace(chaos);
    for (int i = 0; i < DRIVERS; i++)
        driver_end(&scene->drivers[i]);
    if (chaos->end != DESTROYED) {
        leave_nothing(chaos);
        (void)went_well(chaos, "destroy", posse_destroy(chaos->pool));
    }
    close_files(chaos);
    if (chaos->entries != NULL)
        free_shared(chaos->entries, ALL_ENTRIES);
    if (chaos->roster != NULL) {
        close_roster(chaos->roster);
        close(chaos->supervisor);
    }
    pthread_mutex_destroy(&chaos->lock);
    return chaos->faults;
}
