/* points.c - a worker is killed before and after each of its writes to shared memory.
 *
 * In the library that this is linked with, every shared write of a worker passes two points, and
 * each point counts down. The worker that comes to zero kills itself. So the same scene is played
 * for k = 1, 2, 3, ... until k is larger than the number of points in it; after each death all that
 * the pool promises must hold: every future ends, at most one is lost, the others are right, the
 * pool works on, and nothing is left at the end.
 */
#include "support/scene.h"

#include <stdio.h>
#include <string.h>

extern _Atomic int *pi_crash_countdown; /* both belong to the library, see core/atomic.h */
extern char *pi_crash_where;

#ifdef SANITIZED
#define STEP 3 /* a sanitizer makes forking slow, and sees no more at one point than at the next */
#else
#define STEP 1
#endif

#define WHERE_SIZE 128
struct places {
    char names[400][WHERE_SIZE];
    int count;
};

static void note_place(struct places *places)
{
    for (int i = 0; i < places->count; i++) {
        if (strcmp(places->names[i], pi_crash_where) == 0) {
            return;
        }
    }
    assert_in_range(places->count, 0, (int)COUNT(places->names) - 1);
    memcpy(places->names[places->count++], pi_crash_where, WHERE_SIZE);
}

/* What came of a scene in which a worker should die. */
struct outcome {
    bool died;
    bool slow; /* somebody was not woken, and found out by the look that all take once a second */
};

#define SLOW_MS 900

/* Plays the scene with the death at the k-th point. */
static struct outcome die_at(int k, int workers)
{
    posse_options options = default_options();
    options.max_workers = workers;
    options.queue_limit = SCENE_QUEUE_LIMIT;
    print_message("\r%d ", k); /* stands there if it fails */
    atomic_store(pi_crash_countdown, k);
    struct scene scene = {.pool = make_pool_with(options), .workers = workers};
    long start = now_ms();
    play_scene(&scene);
    int lost_here = count_lost(&scene);
    bool died = atomic_load(pi_crash_countdown) <= 0;
    assert_in_range(lost_here, 0, died);
    if (died) {
        assert_eventually(stats_of(scene.pool).workers_lost == 1);
        play_scene(&scene); /* it works on as if nothing had been */
        assert_int_equal(count_lost(&scene), 0);
        assert_eventually(stats_of(scene.pool).workers == (uint64_t)workers);
    }
    bool slow = now_ms() - start > SLOW_MS;
    assert_eventually(stats_of(scene.pool).memory_blocks == 0);
    assert_at_rest(scene.pool);
    assert_ok(posse_shutdown(scene.pool, 0, -1));
    assert_at_rest(scene.pool);
    end_pool(scene.pool);
    return (struct outcome){died, slow};
}

/* A busy machine may be slow once; who is not woken is slow each time. False: k is too large. */
static bool dies_well_at(int k, int workers)
{
    struct outcome outcome = die_at(k, workers);
    for (int again = 0; outcome.slow && again < 4; again++) {
        outcome = die_at(k, workers);
    }
    if (outcome.slow) {
        fail_msg("somebody is not woken: %s", pi_crash_where);
    }
    return outcome.died;
}

static void die_at_all_points(int workers)
{
    static struct places places;
    pi_crash_countdown = make_shared(sizeof *pi_crash_countdown);
    pi_crash_where = make_shared(WHERE_SIZE);
    places.count = 0;
    int k = 1;
    for (; dies_well_at(k, workers); k += STEP) {
        note_place(&places);
        time_limit(TIME_LIMIT); /* for each */
    }
    print_message("\r%d worker(s): killed at %d points, in %d places\n", workers, k / STEP,
                  places.count);
    for (int i = 0; i < places.count; i++) {
        print_message("  %s\n", places.names[i]);
    }
    free_shared(pi_crash_countdown, sizeof *pi_crash_countdown);
    free_shared(pi_crash_where, WHERE_SIZE);
    pi_crash_countdown = NULL;
    pi_crash_where = NULL;
}

TEST(one_worker) { die_at_all_points(1); }

TEST(two_workers) { die_at_all_points(2); }

static const struct check checks[] = {
    CHECK(one_worker, PROCESSES),
    CHECK(two_workers, PROCESSES),
};

int main(int argc, char **argv) { return RUN_CHECKS(argc, argv, checks); }
