/* sample.h - what posse-top knows of a program's executors after one look.
 *
 * Runs in: posse-top. All strings from other processes are clean (text.h).
 */
#pragma once

#include "core/details.h"
#include "posse.h"
#include "top/attach.h"
#include "top/function.h"
#include "top/reader.h"

/* What a worker does: constant, name. */
#define PI_TOP_STATES(X)                                                                           \
    X(STARTING, "starting") /* it runs its initializer */                                          \
    X(IDLE, "idle")                                                                                \
    X(BUSY, "busy")                                                                                \
    X(KILLING, "killing") /* it is about to be killed with its task */                             \
    X(STOPPED, "stopped") /* by a signal or a debugger */                                          \
    X(LEAVING, "leaving")                                                                          \
    X(FAILED, "failed") /* its initializer has */                                                  \
    X(DEAD, "dead")     /* and the supervisor has not seen it yet */

enum pi_top_state {
#define PI_TOP_STATE_CONSTANT(name, text) PI_TOP_##name,
    PI_TOP_STATES(PI_TOP_STATE_CONSTANT)
#undef PI_TOP_STATE_CONSTANT
};
const char *pi_top_state_name(enum pi_top_state state);
const char *pi_top_phase_name(enum pi_phase phase);
const char *pi_top_backend_name(posse_backend backend);

struct pi_top_task {
    bool there;
    uint32_t slot, generation;
    unsigned attempt;
    char name[PI_NAME_SIZE + 1]; /* "" if it has none */
    char function[PI_TOP_FUNCTION];
    uint64_t running_ns; /* 0: not known */
    bool longer;         /* it runs for longer than that: posse-top has not seen its start */
};

#define PI_TOP_UNKNOWN (-1.0) /* a rate, after the first look */

struct pi_top_worker {
    unsigned number;
    enum pi_top_state state;
    struct pi_top_process process; /* pid 0: not known */
    struct pi_top_task task;       /* the innermost */
    uint64_t ended;                /* tasks, in this worker and those that had its number */
    double ended_per_s, cpu_percent;
};

struct pi_top_sample {
    uint64_t inode; /* of its shared memory, or the address of its own: what it is known by */
    enum pi_top_problem problem;
    bool foreign;     /* it is of a program from which this one was forked: left out */
    char version[17]; /* of OTHER_VERSION */
    /* What follows is set only if there is no problem. */
    bool cut;      /* something was not there: the memory was cut, or overwritten */
    char name[16]; /* what its supervisor is called */
    posse_backend backend;
    pid_t supervisor; /* 0: not known */
    enum pi_phase phase;
    char reason[257]; /* why it is broken, or "" */
    unsigned max_workers;
    posse_stats stats; /* workers is what the supervisor counts */
    unsigned n_workers;
    struct pi_top_worker *workers;
    double ended_per_s, cpu_percent;
};

struct pi_top_round {
    uint64_t now_ns;
    struct pi_top_process program;
    bool more; /* executors than are shown */
    unsigned count;
    struct pi_top_sample *samples;
};

/* Looks at all executors of files->program. Anything but PI_TOP_FOUND: *round is empty, but for the
 * time and, with PI_TOP_NONE, the program. The caller frees it. */
enum pi_top_found pi_top_look(struct pi_top_files *files, struct pi_top_round *round);
void pi_top_round_free(struct pi_top_round *round);

/* Why an executor cannot be shown. */
void pi_top_say_problem(const struct pi_top_sample *sample, char *words, size_t size);

/* ---- parts of a look ---- */

/* sample_workers.c: the workers, and their processes among all. False: there is no memory. */
struct pi_top_view {
    struct pi_top_reader *reader;
    const struct pi_header *header; /* a copy */
    const struct pi_top_processes *processes;
    pid_t program;
    pid_t inner; /* its pid in its container, or the same */
    uint64_t now_ns;
};
bool pi_top_look_at_workers(const struct pi_top_view *view, struct pi_top_sample *sample);
/* tally.c: the counts of posse_get_stats. */
void pi_top_tally(const struct pi_top_view *view, posse_stats *stats);
