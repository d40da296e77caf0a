/* death.h - what happens at the points of the library (base/crash_point.h): processes die there.
 *
 * It is a part of the library posse_crash. A test writes steps into memory that all processes
 * share: which process dies at which point, one step after another. When a process passes the point
 * of the step that is due, and has no passes left, it does what the step says. All passes are
 * counted, so the test knows where it can aim.
 */
#ifndef DEATH_H
#define DEATH_H

#include "base/crash_point.h"

#include <stdatomic.h>
#include <stdint.h>

enum pi_fate {
    PI_DIE,
    PI_FREEZE,     /* stands still until it is killed, or dies by itself after 80 ms */
    PI_KILL_FROZEN /* kills the process that stands still, and goes on */
};

#define PI_ANYWHERE UINT32_MAX
#define PI_MAX_POINTS 4096
#define PI_MAX_STEPS 3

struct pi_step {
    enum pi_role role;
    enum pi_fate fate;
    uint32_t point;        /* PI_ANYWHERE: any */
    _Atomic uint32_t left; /* passes, the one that does it included */
    uint32_t done_at;      /* the point */
};

struct pi_crash {
    struct pi_step steps[PI_MAX_STEPS];
    uint32_t n_steps;
    _Atomic uint32_t due; /* steps that are done */
    _Atomic long frozen;  /* the process that stands still, 0: none */
    _Atomic uint32_t passed[PI_ROLES][PI_MAX_POINTS];
};

extern struct pi_crash *pi_crash; /* shared; NULL: nobody dies, nothing is counted */

/* All points that were linked. A point's number is its place here. */
extern const struct pi_point pi_points[] __asm__("__start_pi_points");
extern const struct pi_point pi_points_end[] __asm__("__stop_pi_points");

#endif
