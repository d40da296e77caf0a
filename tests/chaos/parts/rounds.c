/* rounds.c - a round: pools, the threads that use them and those that kill. */
#include "burdens.h"
#include "chaos.h"
#include "tales.h"

#include "os/process.h"

#include <stdlib.h>
#include <string.h>

static enum end draw_end(const struct chaos *chaos, uint64_t *random)
{
    static const enum end ends[] = {RESTS, RESTS, RESTS, DRAINS, CANCELS, FORCED, DESTROYED};
    enum end end = ends[below(random, COUNT(ends))];
    bool possible = !chaos->mortal && (end != FORCED || chaos->roster != NULL);
    return possible ? end : RESTS;
}

static const posse_seal nothing = {.struct_size = sizeof nothing};

/* Drawn in the same order each time, so the seed decides. */
static posse_options draw_options(struct scene *scene, uint64_t *random)
{
    struct chaos *chaos = &scene->chaos;
    static const long gaps[] = {50, 200, 200, 1000, 5000};
    long many = below(random, 3) == 0 ? 6 : 0; /* so the queue has several rings */
    posse_options options =
        OPTIONS(2 + many + (long)below(random, 5), .on_demand = below(random, 4) == 0,
                .idle_timeout_ms = below(random, 4) == 0 ? 1 + (long)below(random, 20) : 0,
                .max_tasks_per_worker = below(random, 3) == 0 ? 1 + (long)below(random, 50) : 0,
                .queue_limit = below(random, 3) == 0 ? 10 + (long)below(random, 50) : 0);
    if (chaos->guard != UNGUARDED)
        options.seal = &nothing;
    if (chaos->guard == FRESH) {
        options.isolation = POSSE_FRESH;
        options.max_result = MAX_REPLY;
    }
    chaos->flat = below(random, 3) == 0;
    chaos->gap_us = gaps[below(random, COUNT(gaps))];
    chaos->arm_us = chaos->roster != NULL && below(random, 3) == 0 ? 3000 : 0;
    chaos->traced = below(random, 3) == 0;
    options.stamps = chaos->traced;
    chaos->autopsied = chaos->roster != NULL && below(random, 2) == 0;
    options.autopsy = chaos->autopsied;
    options.keep_stderr = chaos->autopsied && chaos->guard != FRESH && below(random, 2) == 0;
    scene->governed = below(random, 2) == 0;
    chaos->end = draw_end(chaos, random);
    if (chaos->guard == FRESH)
        chaos->gap_us *= 4; /* a process takes its time to begin */
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

static void start(pthread_t *thread, void *(*body)(void *), void *context)
{
    assert_int_equal(pthread_create(thread, NULL, body, context), 0);
}

/* Before the pool: its first workers may die in posse_create. */
static void start_killers(struct scene *scene, uint64_t random)
{
    struct chaos *chaos = &scene->chaos;
    chaos->supervisor = -1; /* until it is known */
    scene->n_killers = chaos->roster != NULL ? KILLERS : 0;
    for (int i = 0; i < scene->n_killers; i++) {
        scene->killers[i] = (struct killer){.chaos = chaos, .random = mix(~random + (uint64_t)i)};
        start(&scene->killers[i].thread, kill_workers, &scene->killers[i]);
    }
}

static void begin_scene(struct scene *scene, const struct plan *plan, uint64_t random)
{
    struct chaos *chaos = &scene->chaos;
    chaos->mortal = plan->mortal;
    chaos->storm = plan->storm;
    pthread_mutex_init(&chaos->lock, NULL);
    chaos->roster = backend() == POSSE_PROCESS ? open_roster() : NULL;
    chaos->guard = plan->guard;
    posse_options options = draw_options(scene, &random);
    open_files(chaos);
    chaos->entries = chaos->guard == FRESH ? make_shared(ALL_ENTRIES) : NULL;
    start_killers(scene, random);
    chaos->pool = make_pool_with(options);
    make_locked(chaos);
    begin_trace(chaos);
    if (chaos->roster != NULL) {
        chaos->supervisor = pi_os_pidfd(chaos->roster->supervisor);
        assert_true(chaos->supervisor >= 0);
    }
    chaos->end_ms = now_ms() + (plan->mortal ? HANG_MS : plan->ms);
    for (int i = 0; i < DRIVERS; i++) {
        scene->drivers[i] =
            (struct driver){.chaos = chaos, .number = i, .random = mix(random + (uint64_t)i)};
        assert_true(driver_begin(&scene->drivers[i]));
    }
    scene->governor = (struct killer){.chaos = chaos, .random = mix(random + 99)};
    scene->onlooker = (struct killer){.chaos = chaos, .random = mix(random + 97)};
    scene->ender = (struct killer){.chaos = chaos, .random = mix(random + 98), .ms = plan->ms};
}

static void start_threads(struct scene *scene)
{
    for (int i = 0; i < DRIVERS; i++)
        start(&scene->drivers[i].thread, drive, &scene->drivers[i]);
    start(&scene->onlooker.thread, look_on, &scene->onlooker);
    if (scene->governed)
        start(&scene->governor.thread, govern, &scene->governor);
    if (has_ender(&scene->chaos)) {
        start(&scene->ender.thread, scene->chaos.mortal ? kill_supervisor : close_pool,
              &scene->ender);
    }
}

static void play_scenes(const struct plan *plan, struct scene *scenes)
{
    for (int i = 0; i < plan->pools; i++)
        begin_scene(&scenes[i], plan, mix(plan->seed + (unsigned long)i));
    for (int i = 0; i < plan->pools; i++)
        start_threads(&scenes[i]);
    for (int i = 0; i < plan->pools; i++)
        end_use(&scenes[i]);
}

void play_round(const struct plan *plan, struct figures *figures)
{
    struct scene *scenes = calloc((size_t)plan->pools, sizeof *scenes);
    int faults = 0;
    assert_non_null(scenes);
    again_with("POSSE_TEST_SEED=%lu POSSE_CHAOS_SECONDS=1", plan->seed);
    play_scenes(plan, scenes);
    for (int i = 0; i < plan->pools; i++) {
        faults += end_scene(&scenes[i]);
        for (int f = 0; f < FIGURES; f++)
            figures->of[f] += scenes[i].chaos.figures.of[f];
    }
    free(scenes);
    assert_int_equal(faults, 0);
}
