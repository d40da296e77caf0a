/* workers.c - workers are killed and stopped at random, hundreds of times, under a mixed load: see
 * parts/chaos.h. With threads the same load runs and nobody dies, so that nothing is lost at all.
 *
 * POSSE_TEST_SEED and POSSE_CHAOS_SECONDS set the first seed and the time of a part.
 */
#include "parts/chaos.h"

#include <limits.h>

static bool has_seen_all(const struct figures *figures)
{
    return figures->of[ended_with(POSSE_OK)] > 0 &&
           (backend() != POSSE_PROCESS || figures->of[KILLS] > 0);
}

/* At least one round, and until tasks have ended well and workers were killed. */
static void play(const char *what, struct plan plan, long seconds)
{
    static struct figures figures;
    plan.seed = test_seed(LONG_MAX);
    plan.ms = 1000;
    long start = now_ms();
    figures = (struct figures){0};
    for (; now_ms() < start + seconds * 1000 || !has_seen_all(&figures); plan.seed += 16) {
        time_limit(3 * TIME_LIMIT);
        play_round(&plan, &figures);
    }
    print_figures(what, &figures, now_ms() - start);
}

TEST(one_pool, PARALLEL) { play("one pool", (struct plan){.pools = 1}, chosen_seconds(3, 300)); }

TEST(three_pools, PARALLEL)
{
    play("three pools", (struct plan){.pools = 3}, chosen_seconds(3, 300));
}

/* How many there can be is bounded by how fast a machine forks. */
TEST(storm, PROCESSES)
{
    play("storm", (struct plan){.pools = 3, .storm = true}, chosen_seconds(3, 300));
}

TEST(sealed, SEALABLE)
{
    end_pool(sealed_pool(1, (posse_seal){.allow = 0})); /* or it cannot be sealed here */
    play("sealed", (struct plan){.pools = 2, .guard = SEALED}, chosen_seconds(2, 300));
}

/* Spares, processes of running tasks and their workers are killed. */
TEST(a_process_for_each_task, SEALABLE)
{
    end_pool(fresh_pool(1, (posse_seal){.allow = 0}));
    play("fresh", (struct plan){.pools = 2, .guard = FRESH}, chosen_seconds(3, 300));
}
