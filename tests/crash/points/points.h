/* points.h - plays scenes in which processes die at points of the library (base/crash_point.h).
 *
 *   stage.c     plays one scene with its deaths, and asserts all that must hold after it
 *   aim.c       where to die: each point alone, two workers in one scene, in the midst of recovery
 *   places.c    which of all the places in the code were died at
 *   ends.c      the program and the supervisor die
 *   act_*.c     the scenes
 */
#ifndef POINTS_H
#define POINTS_H

#include "support/support.h"

#include "crash/death/death.h"

/* One way to use a pool, in which workers may die. */
struct act {
    const char *name;
    /* Changes the default options, of two workers; NULL: none. */
    void (*set)(posse_options *options);
    /* Uses the pool, in which up to `deaths` workers die meanwhile. Asserts that the pool keeps
     * its promises, and returns how many tasks were lost. */
    int (*play)(posse_executor *pool, int deaths);
    int costs;   /* tasks that one death may take with it; 0: one */
    bool leaves; /* workers also leave by themselves: one that dies then is not always lost */
    bool ends;   /* the pool is over after it */
    int kills;   /* workers that the pool itself kills, or its tasks */
    bool keeps;  /* each worker that lives has a block of memory */
    /* In its stead, if the scene is of another kind: makes the pool, uses it, ends it. */
    void (*whole)(void);
};

extern const struct act act_one_worker, act_two_workers, act_listeners, act_objects, act_recycling,
    act_idle_timeout, act_resize, act_failing_start, act_map, act_calls, act_retries, act_growth,
    act_draining, act_cancelling, act_killing, act_asking, act_batches, act_priorities, act_limits,
    act_descriptors, act_unobserved, act_fresh, act_feed, act_broadcast, act_groups, act_autopsy;

/* Waits, asserts that the task ended well or was lost, and releases it. (act_ends.c) */
posse_error take_either(posse_future future);

/* Waits, asserts that the task ended so or was lost, and releases it. Gives 1 if it was lost
 * otherwise than so. (stage.c) */
int lost_or(posse_future future, posse_status how);

/* ---- stage.c ---- */

/* What is to happen in the next scene. */
struct plan {
    struct pi_step steps[PI_MAX_STEPS];
    uint32_t n;
};

void begin_points(void); /* asserts; of each test */
void end_points(void);
void seed_points(void); /* what the test draws its lots by */

struct pi_step step_of(enum pi_role role, enum pi_fate fate, uint32_t point, uint32_t pass);
void arm(const struct plan *plan);
void disarm(void);
/* How many steps were done. */
uint32_t steps_done(void);
/* Workers that have died of it. */
int count_deaths(void);
/* Plays it, and asserts. Whoever is not woken sleeps on, and the test runs out of its time. False:
 * not all of the steps came to be done. */
bool stage(const struct act *act, const struct plan *plan);

/* ---- aim.c ---- */

void die_alone(const struct act *act);
void die_in_pairs(const struct act *act);
void die_in_recovery(const struct act *act);
long below(long n); /* a lot: 0 <= lot < n */

/* ---- ends.c ---- */

void supervisor_dies(void);
void program_dies(void);

/* ---- places.c ---- */

/* Keeps what was counted in the scene until now; what was counted is of another test. */
void note_passes(const struct act *act);
void forget_passes(void);
void note_death(enum pi_role role, uint32_t point);
/* How often a role has passed a point in one scene of this test at most; how often it died there,
 * in all tests. */
uint32_t passes_at(enum pi_role role, uint32_t point);
uint32_t deaths_at(enum pi_role role, uint32_t point);
uint32_t count_points(void);
/* Prints how many places were died at, and asserts that none is missing that a worker can reach. */
void assert_all_died_at(void);
bool has_anybody_died(void);
const char *place_text(uint32_t point, char *text, size_t size); /* the text */

#endif
