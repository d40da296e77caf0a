/* supervisor.c - the supervisor is killed at a random moment under the load of parts/chaos.h, while
 * its workers are killed too, and the processes of tasks where each has its own: every call says
 * POSSE_BROKEN or gives its right result, none hangs, and no worker and no such process lives on.
 *
 * POSSE_TEST_SEED and POSSE_CHAOS_SECONDS set the first seed and the time.
 */
#include "parts/chaos.h"

#include <limits.h>

/* Those that are blocked see that their supervisor is dead when they look. */
enum { POOLS = 10, LOOK_MS = 50 };

/* Short ones, so that it also dies while the first workers start. */
static long draw_ms(unsigned long seed)
{
    static const long most[] = {3, 20, 20, 100};
    return most[mix(seed) % COUNT(most)];
}

static bool has_seen_both(const struct figures *figures)
{
    return figures->of[ended_with(POSSE_OK)] > 0 && figures->of[ended_with(POSSE_BROKEN)] > 0;
}

/* Until tasks have ended well, and others with their pool. */
TEST(killed_at_any_moment, PROCESSES)
{
    static struct figures figures;
    unsigned long seed = test_seed(LONG_MAX);
    long start = now_ms(), ms = chosen_seconds(3, 300) * 1000, round = 0;
    bool seals = can_seal();
    look_every(LOOK_MS);
    for (; now_ms() < start + ms || !has_seen_both(&figures); round++, seed += 16) {
        time_limit(3 * TIME_LIMIT);
        struct plan plan = {.seed = seed, .pools = POOLS, .mortal = true, .ms = draw_ms(seed)};
        plan.guard = seals ? (enum guard)(mix(seed + 1) % GUARDS) : UNGUARDED;
        play_round(&plan, &figures);
        assert_eventually(count_processes() == 0);
    }
    print_figures("supervisor", &figures, now_ms() - start);
    print_message("%ld supervisors were killed (%ld a second)\n", round * POOLS,
                  round * POOLS * 1000 / (now_ms() - start));
}
