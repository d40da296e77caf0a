/* aim.c - where workers die: see points.h. */
#include "points.h"

#include <stdlib.h>

#define MANY 20  /* passes of one point in one scene that a long run dies at */
#define ROUNDS 3 /* points that are seen only as others die */

long below(long n) { return n > 1 ? rand() % n : 0; }

/* Points that the role has passed in this act. */
struct targets {
    uint32_t points[PI_MAX_POINTS];
    uint32_t passes[PI_MAX_POINTS];
    long n;
};

static void find_targets(struct targets *targets, enum pi_role role)
{
    targets->n = 0;
    for (uint32_t i = 0; i < count_points(); i++) {
        uint32_t passes = passes_at(role, i);
        if (passes > 0) {
            targets->points[targets->n] = i;
            targets->passes[targets->n++] = passes;
        }
    }
}

static uint32_t lot_of(const struct targets *targets, uint32_t *pass)
{
    long at = below(targets->n);
    *pass = 1 + (uint32_t)below((long)targets->passes[at]);
    return targets->points[at];
}

/* Nobody dies, and it is seen who passes where. */
static void rehearse(const struct act *act, struct targets *targets, enum pi_role role)
{
    struct plan plan = {.n = 0};
    stage(act, &plan);
    find_targets(targets, role);
    assert_true(targets->n > 0);
}

static bool die_at(const struct act *act, uint32_t point, uint32_t pass)
{
    struct plan plan = {.steps = {step_of(PI_ROLE_WORKER, PI_DIE, point, pass)}, .n = 1};
    return stage(act, &plan);
}

/* The first pass, and in a long run others by lot. How many deaths came of it. */
static int die_at_passes(const struct act *act, uint32_t point, uint32_t passes)
{
    uint32_t most = (uint32_t)in_long_run(1, MANY);
    int deaths = 0;
    for (uint32_t i = 0; i < most && i < passes; i++) {
        uint32_t pass = passes <= most ? i + 1 : i == 0 ? 1 : 2 + (uint32_t)below(passes - 1);
        deaths += die_at(act, point, pass);
    }
    return deaths;
}

/* Also those points that are passed only when somebody dies. */
void die_alone(const struct act *act)
{
    static struct targets targets;
    static bool tried[PI_MAX_POINTS];
    int deaths = 0, points = 0;
    begin_points();
    seed_points();
    for (uint32_t i = 0; i < PI_MAX_POINTS; i++)
        tried[i] = false;
    rehearse(act, &targets, PI_ROLE_WORKER);
    for (int round = 0; round < ROUNDS; round++) {
        find_targets(&targets, PI_ROLE_WORKER);
        for (long i = 0; i < targets.n; i++) {
            if (!tried[targets.points[i]]) {
                int here = die_at_passes(act, targets.points[i], targets.passes[i]);
                deaths += here;
                points += here > 0;
            }
            tried[targets.points[i]] = true;
        }
    }
    print_message("%s: %d deaths, at %d points\n", act->name, deaths, points);
    assert_true(points > 5);
    end_points();
}

static struct pi_step second_death(const struct targets *targets)
{
    uint32_t pass, point = lot_of(targets, &pass);
    bool soon = below(2) == 0; /* beside or right after the first */
    return step_of(PI_ROLE_WORKER, PI_DIE, soon ? PI_ANYWHERE : point,
                   soon ? 1 + (uint32_t)below(40) : 1 + (uint32_t)below(2));
}

/* Until both have died at least once. */
void die_in_pairs(const struct act *act)
{
    static struct targets targets;
    long least = in_long_run(2, 1500), pairs = 0;
    int both = 0;
    begin_points();
    seed_points();
    rehearse(act, &targets, PI_ROLE_WORKER);
    for (; pairs < least || both == 0; pairs++) {
        uint32_t pass, point = lot_of(&targets, &pass);
        struct plan plan = {.n = 2};
        plan.steps[0] = step_of(PI_ROLE_WORKER, PI_DIE, point, pass);
        plan.steps[1] = second_death(&targets);
        both += stage(act, &plan);
    }
    print_message("%s: %ld pairs, of which both died in %d\n", act->name, pairs, both);
    end_points();
}

/* One worker stands still somewhere, another one dies, and while that one's work is repaired the
 * first is killed too, at each point that the supervisor passes. */
void die_in_recovery(const struct act *act)
{
    static struct targets workers, supervisor;
    long least = in_long_run(3, 1500), plays = 0;
    int all = 0;
    begin_points();
    seed_points();
    rehearse(act, &workers, PI_ROLE_WORKER);
    uint32_t pass, point = lot_of(&workers, &pass);
    (void)die_at(act, point, pass); /* for what the supervisor passes then */
    find_targets(&supervisor, PI_ROLE_SUPERVISOR);
    for (; plays < least || all == 0; plays++) {
        struct plan plan = {.n = 3};
        point = lot_of(&workers, &pass);
        plan.steps[0] = step_of(PI_ROLE_WORKER, PI_FREEZE, point, pass);
        plan.steps[1] = step_of(PI_ROLE_WORKER, PI_DIE, PI_ANYWHERE, 1 + (uint32_t)below(30));
        point = lot_of(&supervisor, &pass);
        plan.steps[2] = step_of(PI_ROLE_SUPERVISOR, PI_KILL_FROZEN, point, 1);
        all += stage(act, &plan);
        if (plays % 4 == 3)
            find_targets(&supervisor, PI_ROLE_SUPERVISOR); /* it depends on who dies where */
    }
    print_message("%s: %ld plays, in %d of them killed in the midst of recovery\n", act->name,
                  plays, all);
    end_points();
}
