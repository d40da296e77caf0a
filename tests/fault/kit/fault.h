/* fault.h - makes chosen calls of the library fail, and counts what it holds.
 *
 * The test is linked with a copy of the library whose every call in calls.def goes to calls.c
 * instead. While it is armed, the calls of the chosen classes are counted, in memory that all
 * processes of an executor share, and the k-th fails: alone, or with all later ones of its kind, or
 * with all later ones. Calls that the test makes itself are never counted.
 */
#ifndef FAULT_H
#define FAULT_H

#include "support/support.h"

#include <sys/resource.h>

/* Whose calls fail. With threads HELPERS are all but the one that runs the scene. */
enum fault_class {
    PROGRAM = 1,
    SUPERVISOR = 2,
    WORKER = 4,
    HELPERS = SUPERVISOR | WORKER,
};

enum fault_mode { ONCE, ITS_KIND, EVERYTHING, FAULT_MODES };

enum fault_call {
#define FAULT(type, name, ...) CALL_##name,
#define BY_HAND(name) CALL_##name,
#define SOUND(name, reason)
#include "fault/kit/calls.def"
#undef FAULT
#undef BY_HAND
#undef SOUND
    CALLS
};
extern const char *const fault_names[CALLS];

/* What is to fail. */
struct fault_plan {
    unsigned classes;
    enum fault_mode mode;
    unsigned choice; /* which of a call's errors */
    long at;         /* k; 0: nothing fails */
    int only;        /* 1 + the one call that counts; 0: all do */
};

/* In shared memory; of the run that is going on. */
struct fault_state {
    struct fault_plan plan;
    _Atomic bool armed;
    _Atomic long calls;
    _Atomic long failed;
    _Atomic int call;  /* the first that failed, */
    _Atomic int error; /* and with what */
};
extern struct fault_state *fault_state; /* NULL: nothing fails */

/* For calls.c: forks and starts of threads that lie between the program and here. */
extern int fault_forks;
extern _Thread_local int fault_starts;
/* With which of its errors a call fails now; 0: it does not. */
#define FAULT_MOST_ERRORS 8
int fault_error(enum fault_call call, const int *errors);

void fault_arm(const struct fault_plan *plan);
void fault_disarm(void);
/* Whether the failure has been, and is over. */
bool fault_is_spent(void);

/* Blocks and mappings of the library in this process. */
struct fault_balance {
    _Atomic long blocks, mappings;
};
extern struct fault_balance fault_balance;

/* Called once by the next post of the library, in the program, when it has posted: what others
 * might do then. */
extern void (*fault_after_wake)(void);

/* ---- sweep.c ---- */

/* What a program does with a pool. Runs in a forked child: 0, or 1 after a word on stderr, as by
 * REQUIRE. It arms what is planned by fault_begin and returns with nothing of posse's left. */
typedef int fault_scene(void);

/* Arms, as the plan of this run says. */
void fault_begin(void);
/* Whether failures go on, so that a pool may be of no more use. */
bool fault_lasts(void);

/* Runs the scene with every call of these classes failing in turn, in all modes, until no call is
 * left; asserts that the scene says 0 each time, that it does not hang, and that no process,
 * thread, descriptor, block or mapping is left. Gives how many calls failed. */
long sweep(const char *name, fault_scene *scene, unsigned classes);

/* ---- scene.c ---- */

/* Sets of statuses. */
#define AS(status) (1u << (status))
#define ALLOW(status, set) REQUIRE(is_among((status), (set)))
bool is_among(posse_status status, unsigned set); /* counts it, too */

/* Submits a few tasks, one after another, and looks at their results. */
int use_pool(posse_executor *pool);
/* Destroys it; before that it must work, if the failure is over. */
int leave_pool(posse_executor *pool);
/* Sweeps with the failures in each class that the backend has; asserts that there were some. */
void sweep_all(const char *name, fault_scene *scene);

#define CREATED (AS(POSSE_OK) | AS(POSSE_NO_MEMORY) | AS(POSSE_NOT_SUPPORTED) | AS(POSSE_SYSTEM))
#define ACCEPTED (AS(POSSE_OK) | AS(POSSE_NO_MEMORY) | AS(POSSE_SYSTEM) | AS(POSSE_BROKEN))
#define ENDED (AS(POSSE_OK) | AS(POSSE_NO_MEMORY) | AS(POSSE_BROKEN))

#endif
