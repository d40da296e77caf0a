/* crash_point.h - places to die at, in builds with POSSE_CRASH_POINTS, for the tests.
 *
 * Runs in: program, worker, supervisor. A point stands before and after each write to shared memory
 * (atomic.h), and each step of a request (pool/descriptors.c). Each has a record in one section of
 * the object file. So the linker makes the list of all points.
 *
 * What happens at a point is a matter of the tests: tests/crash/death/death.h.
 */
#pragma once

#ifdef POSSE_CRASH_POINTS

enum pi_role { PI_ROLE_PROGRAM, PI_ROLE_SUPERVISOR, PI_ROLE_WORKER, PI_ROLES };

struct pi_point {
    _Alignas(32) const char *file; /* as large as it is aligned, so that a section is an array */
    const char *function;
    int line;
    int after; /* 1: after the write */
};
_Static_assert(sizeof(struct pi_point) == 32, "no gaps");

extern enum pi_role pi_crash_role; /* of this process */
void pi_crash_point(const struct pi_point *point);

#define PI_POINT(after)                                                                            \
    __extension__({                                                                                \
        static const struct pi_point point_                                                        \
            __attribute__((section("pi_points"))) = {__FILE__, __func__, __LINE__, after};         \
        pi_crash_point(&point_);                                                                   \
    })
#define PI_TAKE_ROLE(role) ((void)(pi_crash_role = (role)))

#else
#define PI_POINT(after) ((void)0)
#define PI_TAKE_ROLE(role) ((void)0)
#endif
