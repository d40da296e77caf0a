/* rounds.c - a round: pools, the threads that use them and those that kill, and the sum. */
#include "chaos.h"

#include <stdlib.h>
#include <string.h>

struct scene {
    struct chaos chaos;
    struct driver drivers[DRIVERS];
    struct killer killers[KILLERS];
    struct killer governor, onlooker, end; /* `end`: of a mortal supervisor */
    int n_killers;
    bool governed;
};

/* ---- begin ---- */

/* Drawn in the same order each time, so the seed decides. */
static posse_options draw_options(struct scene *scene, uint64_t *random)
{
    struct chaos *chaos = &scene->chaos;
    static const long gaps[] = {50, 200, 200, 1000, 5000};
    posse_options options = default_options();
    options.max_workers = 2 + (long)below(random, 5);
    options.on_demand = below(random, 4) == 0;
    options.idle_timeout_ms = below(random, 4) == 0 ? 1 + (long)below(random, 20) : 0;
    options.max_tasks_per_worker = below(random, 3) == 0 ? 1 + (long)below(random, 50) : 0;
    options.queue_limit = below(random, 3) == 0 ? 10 + (long)below(random, 50) : 0;
    chaos->flat = below(random, 3) == 0;
    chaos->gap_us = gaps[below(random, COUNT(gaps))];
    chaos->arm_us = chaos->roster != NULL && below(random, 3) == 0 ? 3000 : 0;
    scene->governed = below(random, 2) == 0;
    if (chaos->storm) {
        options.max_tasks_per_worker = 0;
        chaos->gap_us = 20;
    }
    chaos->most_workers = options.max_workers + 2;
    return options;
}

static void make_locked(struct chaos *chaos)
{
    void *memory = NULL;
    assert_ok(posse_alloc(chaos->pool, sizeof *chaos->locked, &memory));
    chaos->locked = memset(memory, 0, sizeof *chaos->locked);
    assert_ok(posse_lock_create(chaos->pool, &chaos->locked->lock));
}

static void begin_scene(struct scene *scene, const struct plan *plan, uint64_t random)
{
    struct chaos *chaos = &scene->chaos;
    chaos->seed = plan->seed;
    chaos->round = plan->round;
    chaos->mortal = plan->mortal;
    chaos->storm = plan->storm;
    pthread_mutex_init(&chaos->lock, NULL);
    chaos->roster = backend() == POSSE_PROCESS ? open_roster() : NULL;
    chaos->pool = make_pool_with(draw_options(scene, &random));
    make_locked(chaos);
    chaos->end_ms = now_ms() + (plan->mortal ? HANG_MS : plan->ms);
    scene->n_killers = chaos->roster != NULL ? KILLERS : 0;
    for (int i = 0; i < DRIVERS; i++) {
        scene->drivers[i] =
            (struct driver){.chaos = chaos, .number = i, .random = mix(random + (uint64_t)i)};
        assert_true(driver_begin(&scene->drivers[i]));
    }
    for (int i = 0; i < KILLERS; i++) {
        scene->killers[i] = (struct killer){.chaos = chaos, .random = mix(~random + (uint64_t)i)};
    }
    scene->governor = (struct killer){.chaos = chaos, .random = mix(random + 99)};
    scene->onlooker = (struct killer){.chaos = chaos, .random = mix(random + 97)};
    scene->end = (struct killer){.chaos = chaos, .random = mix(random + 98), .ms = plan->ms};
}

static void start(pthread_t *thread, void *(*body)(void *), void *context)
{
    assert_int_equal(pthread_create(thread, NULL, body, context), 0);
}

static void start_threads(struct scene *scene)
{
    for (int i = 0; i < DRIVERS; i++) {
        start(&scene->drivers[i].thread, drive, &scene->drivers[i]);
    }
    for (int i = 0; i < scene->n_killers; i++) {
        start(&scene->killers[i].thread, kill_workers, &scene->killers[i]);
    }
    start(&scene->onlooker.thread, look_on, &scene->onlooker);
    if (scene->governed) {
        start(&scene->governor.thread, govern, &scene->governor);
    }
    if (scene->chaos.mortal) {
        start(&scene->end.thread, kill_supervisor, &scene->end);
    }
}

/* ---- end ---- */

static void join_threads(struct scene *scene)
{
    for (int i = 0; i < DRIVERS; i++) {
        pthread_join(scene->drivers[i].thread, NULL);
    }
    atomic_store(&scene->chaos.over, 1);
    for (int i = 0; i < scene->n_killers; i++) {
        pthread_join(scene->killers[i].thread, NULL);
    }
    pthread_join(scene->onlooker.thread, NULL);
    if (scene->governed) {
        pthread_join(scene->governor.thread, NULL);
    }
    if (scene->chaos.mortal) {
        pthread_join(scene->end.thread, NULL);
    }
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
            if (runs > 1) {
                blame(&scene->chaos, "thread %d, order %u: nobody saw it run %u times", d, i, runs);
            }
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
    if (losses > (long)now->workers_lost) {
        blame(chaos, "%ld losses, and %ld deaths", losses, (long)now->workers_lost);
    }
    if (chaos->flat && ended != figures->of[ACCEPTED]) {
        blame(chaos, "%ld tasks were accepted, and %ld ended", figures->of[ACCEPTED], ended);
    }
}

/* Frees what the round itself had, and looks whether anything else is left. */
static void leave_nothing(struct chaos *chaos)
{
    posse_status lock = posse_lock_destroy(chaos->locked->lock);
    posse_status memory = posse_free(chaos->pool, chaos->locked);
    (void)went_well(chaos, "lock_destroy", lock);
    (void)went_well(chaos, "free", memory);
    if (chaos->mortal) {
        return;
    }
    const char *left = unrest(chaos->pool);
    for (long end = now_ms() + PATIENCE_MS; left != NULL && now_ms() < end;) {
        pause_ms(1);
        left = unrest(chaos->pool);
    }
    if (left != NULL || stats_of(chaos->pool).memory_blocks != 0) {
        blame(chaos, "it does not come to rest: %s", left != NULL ? left : "memory is held");
    }
}

/* The sum; then all goes. Its faults. */
static int end_scene(struct scene *scene)
{
    struct chaos *chaos = &scene->chaos;
    if (chaos->mortal && !atomic_load(&chaos->broken)) {
        blame(chaos, "the supervisor is dead, and no call says so");
    }
    if (!chaos->mortal) {
        posse_stats now = await_end(chaos);
        count_unseen(scene);
        add_up(chaos, &now);
    }
    for (int i = 0; i < DRIVERS; i++) {
        driver_end(&scene->drivers[i]);
    }
    leave_nothing(chaos);
    (void)went_well(chaos, "destroy", posse_destroy(chaos->pool));
    if (chaos->roster != NULL) {
        close_roster(chaos->roster);
    }
    pthread_mutex_destroy(&chaos->lock);
    return chaos->faults;
}

static void play_scenes(const struct plan *plan, struct scene *scenes)
{
    for (int i = 0; i < plan->pools; i++) {
        begin_scene(&scenes[i], plan, mix(plan->seed + (uint64_t)(plan->round * 16 + i)));
    }
    for (int i = 0; i < plan->pools; i++) {
        start_threads(&scenes[i]);
    }
    for (int i = 0; i < plan->pools; i++) {
        join_threads(&scenes[i]);
    }
}

void play_round(const struct plan *plan, struct figures *figures)
{
    struct scene *scenes = calloc((size_t)plan->pools, sizeof *scenes);
    int faults = 0;
    assert_non_null(scenes);
    play_scenes(plan, scenes);
    for (int i = 0; i < plan->pools; i++) {
        faults += end_scene(&scenes[i]);
        for (int f = 0; f < FIGURES; f++) {
            figures->of[f] += scenes[i].chaos.figures.of[f];
        }
    }
    free(scenes);
    assert_int_equal(faults, 0);
}
