/* crash_point.h - places to die at, in builds with POSSE_CRASH_POINTS, for the tests.
 *
 * Runs in: program, worker, supervisor. A point stands before and after each write to shared memory
 * (atomic.h). Each has a record in one section of the object file. So the linker makes the list of
 * all points. A point's number is the place of its record there.
 *
 * A test writes steps into memory that all processes share: which process dies at which point, one
 * step after another. When a process passes the point of the step that is due, and has no passes
 * left, it does what the step says. All passes are counted, so the test knows where it can aim.
 */
#ifndef PI_CRASH_POINT_H
#define PI_CRASH_POINT_H

#ifdef POSSE_CRASH_POINTS

#include <stdatomic.h>
#include <stdint.h>

enum pi_role { PI_ROLE_PROGRAM, PI_ROLE_SUPERVISOR, PI_ROLE_WORKER, PI_ROLES };

enum pi_fate {
    PI_DIE,
    PI_FREEZE,     /* stands still until it is killed, or dies by itself after 80 ms */
    PI_KILL_FROZEN /* kills the process that stands still, and goes on */
};

struct pi_point {
    _Alignas(32) const char *file; /* as large as it is aligned, so that a section is an array */
    const char *function;
    int line;
    int after; /* 1: after the write */
};
_Static_assert(sizeof(struct pi_point) == 32, "no gaps");

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

extern struct pi_crash *pi_crash;        /* shared; NULL: nobody dies, nothing is counted */
extern enum pi_role pi_crash_role;       /* of this process */
extern const struct pi_point pi_points[] /* all that were linked */
    __asm__("__start_pi_points");
extern const struct pi_point pi_points_end[] __asm__("__stop_pi_points");

void pi_crash_point(const struct pi_point *point);

#define PI_POINT(after)                                                                            \
    __extension__({                                                                                \
        static const struct pi_point point_                                                        \
            __attribute__((section("pi_points"))) = {__FILE__, __func__, __LINE__, after};         \
        pi_crash_point(&point_);                                                                   \
    })
#define PI_TAKE_ROLE(role) ((void)(pi_crash_role = (role)))

#else
#define PI_TAKE_ROLE(role) ((void)0)
#endif
#endif
