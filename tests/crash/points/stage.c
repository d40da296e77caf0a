/* stage.c - one scene and its deaths: see points.h. */
#include "points.h"

#include <posse_trace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A caller whose supervisor has died sees it when it looks. */
#define LOOK_MS 20

static const struct act *playing;

struct pi_step step_of(enum pi_role role, enum pi_fate fate, uint32_t point, uint32_t pass)
{
    return (struct pi_step){.role = role, .fate = fate, .point = point, .left = pass};
}

void begin_points(void)
{
    assert_in_range(count_points(), 100, PI_MAX_POINTS);
    pi_crash = make_shared(sizeof *pi_crash);
    forget_passes();
}

void end_points(void)
{
    struct pi_crash *crash = pi_crash;
    pi_crash = NULL;
    free_shared(crash, sizeof *crash);
}

int lost_or(posse_future future, posse_status how)
{
    posse_error error = error_of(future);
    assert_true(error.status == how || error.status == POSSE_WORKER_LOST);
    assert_ok(posse_release(future));
    return error.status != how;
}

void seed_points(void) { srand((unsigned)test_seed(UINT32_MAX)); }

void arm(const struct plan *plan)
{
    memset(pi_crash, 0, sizeof *pi_crash);
    memcpy(pi_crash->steps, plan->steps, sizeof plan->steps);
    pi_crash->n_steps = plan->n;
}

/* Nothing dies any more. A process that stands still dies in any case: this waits for it. */
void disarm(void)
{
    uint32_t due = atomic_exchange(&pi_crash->due, PI_MAX_STEPS);
    pi_crash->n_steps = due;
    long frozen = atomic_load(&pi_crash->frozen);
    assert_eventually(frozen == 0 || !process_lives((pid_t)frozen));
    note_passes(playing);
}

uint32_t steps_done(void)
{
    uint32_t due = atomic_load(&pi_crash->due);
    return due < pi_crash->n_steps ? due : pi_crash->n_steps;
}

int count_deaths(void)
{
    int deaths = 0;
    for (uint32_t i = 0; i < steps_done(); i++) {
        deaths +=
            pi_crash->steps[i].role == PI_ROLE_WORKER && pi_crash->steps[i].fate != PI_KILL_FROZEN;
    }
    return deaths;
}

/* What the log says of it if the test fails. */
static void tell(const struct act *act, const struct plan *plan)
{
    static const char *const roles[] = {"program", "supervisor", "worker"};
    static const char *const fates[] = {"dies", "freezes", "kills"};
    char steps[PI_MAX_STEPS][160] = {""};
    for (uint32_t i = 0; i < plan->n; i++) {
        const struct pi_step *step = &plan->steps[i];
        char place[100];
        snprintf(steps[i], sizeof steps[i], "; %s %s (pass %u) %s", roles[step->role],
                 fates[step->fate], (unsigned)atomic_load(&step->left),
                 place_text(step->point, place, sizeof place));
    }
    scene_is("%s%s%s%s", act->name, steps[0], steps[1], steps[2]);
}

static void check_after(const struct act *act, posse_executor *pool, long workers, int deaths)
{
    if (!act->leaves)
        assert_eventually(stats_of(pool).workers_lost == (uint64_t)deaths);
    if (!act->ends && deaths > 0)
        assert_int_equal(act->play(pool, 0), 0); /* it works on as if nothing had been */
    if (!act->leaves && !act->ends)
        assert_eventually(stats_of(pool).workers == (uint64_t)workers);
}

static void check_rest(posse_executor *pool)
{
    assert_eventually(stats_of(pool).memory_blocks == 0);
    assert_at_rest(pool);
}

static void end_scene(const struct act *act, posse_executor *pool, int deaths)
{
    if (!act->keeps)
        check_rest(pool);
    assert_ok(posse_shutdown(pool, 0, -1));
    check_rest(pool);
    assert_in_range(stats_of(pool).workers_lost, 0,
                    deaths + 2 * act->kills); /* it is played twice */
    assert_true(act->leaves || stats_of(pool).workers_lost == (uint64_t)deaths);
    end_pool(pool);
}

static void play_once(const struct act *act, int expected)
{
    posse_options options = OPTIONS(2, .stamps = 1);
    if (act->set)
        act->set(&options);
    posse_executor *pool = make_pool_with(options);
    if (act == &act_one_worker) /* it is enough, as a trace has many points */
        assert_ok(posse_trace_start(pool, "/dev/null", POSSE_TRACE_JSON));
    int lost = act->play(pool, expected);
    disarm();
    int deaths = count_deaths();
    assert_in_range(lost, 0, deaths * (act->costs ? act->costs : 1));
    check_after(act, pool, options.max_workers, deaths);
    end_scene(act, pool, deaths);
}

static void note_deaths(void)
{
    for (uint32_t i = 0; i < steps_done(); i++)
        if (pi_crash->steps[i].fate != PI_KILL_FROZEN)
            note_death(pi_crash->steps[i].role, pi_crash->steps[i].done_at);
}

bool stage(const struct act *act, const struct plan *plan)
{
    int expected = 0;
    playing = act;
    for (uint32_t i = 0; i < plan->n; i++)
        expected += plan->steps[i].fate != PI_KILL_FROZEN;
    tell(act, plan);
    time_limit(TIME_LIMIT); /* for each */
    arm(plan);
    if (act->whole) {
        look_every(LOOK_MS);
        act->whole();
    } else {
        look_never();
        play_once(act, expected);
    }
    note_deaths();
    return steps_done() == plan->n;
}
