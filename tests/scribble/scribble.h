/* scribble.h - a program whose tasks have gone wild, one run of it.
 *
 *   file                       what it does
 *   aim.c                      where to scribble: the parts of the segment, and places in them
 *   values.c                   what is written there
 *   calls.c, many.c, tasks.c   the calls that the program makes meanwhile, and its tasks
 *   program.c                  one run, in a forked child: pool, calls and scribbles, the end
 *   scribble.c                 the tests: many runs, and what is asserted of each
 *
 * Which calls are made and what is written where follows from the seed alone; when a task writes it
 * does not. In every second run the program itself writes, between two calls, so that such a run is
 * nearly the same each time.
 *
 * PART_OWN is a program with POSSE_FRESH. Its wild tasks write over all that their process can
 * reach, the memory that it shares with its worker first of all. They harm nothing but their own
 * future: other tasks keep their results, no worker crashes, and in the end the pool is whole and
 * at rest.
 */
#ifndef SCRIBBLE_H
#define SCRIBBLE_H

#include "pool/sync.h" /* the insides: where to write */
#include "support/sealed.h"
#include "support/support.h"

/* Parts of the segment. */
#define PARTS(X)                                                                                   \
    X(PHASE, "phase")     /* what stands first in the header: phase, counts, ... */                \
    X(IDLE, "idle")       /* who sleeps */                                                         \
    X(RING, "ring")       /* head, tail, cuts */                                                   \
    X(CELLS, "cells")     /* of the ring */                                                        \
    X(STATS, "stats")     /* the rest of the header: room, next look, counts */                    \
    X(REPORTS, "reports") /* why it broke */                                                       \
    X(WORKERS, "workers")                                                                          \
    X(PARKERS, "parkers")                                                                          \
    X(WORDS, "words") /* of slots */                                                               \
    X(SLOTS, "slots") /* all of them */                                                            \
    X(MAPS, "maps")   /* of free slots, parkers and blocks */                                      \
    X(TAGS, "tags")   /* of blocks */                                                              \
    X(BLOCKS, "blocks")                                                                            \
    X(STAMPS, "stamps")   /* and how long tasks took; else of workers */                           \
    X(OBJECTS, "objects") /* locks and queues */                                                   \
    X(ANY, "any")         /* all of these, each time another one */                                \
    X(OWN, "own")         /* what a task can reach that has a process of its own */

enum part {
#define PART_CONSTANT(name, text) PART_##name,
    PARTS(PART_CONSTANT)
#undef PART_CONSTANT
        N_PARTS
};

/* What is written. */
#define KINDS(X)                                                                                   \
    X(BYTES, "bytes") /* a few random ones */                                                      \
    X(WORDS, "words") /* random */                                                                 \
    X(SMALL, "small") /* numbers, and such as are limits */                                        \
    X(ZERO, "zero")                                                                                \
    X(ONES, "ones")                                                                                \
    X(FLIP, "flip")     /* one bit of what is there */                                             \
    X(COPY, "copy")     /* what stands elsewhere in the same part */                               \
    X(STEP, "step")     /* a little more or less than what is there */                             \
    X(LIKELY, "likely") /* words, tags, references, cells as they might be */                      \
    X(WIPE, "wipe")     /* a whole range with one value */                                         \
    X(MIXED, "mixed")   /* all of these, each time another one */

enum kind {
#define KIND_CONSTANT(name, text) KIND_##name,
    KINDS(KIND_CONSTANT)
#undef KIND_CONSTANT
        N_KINDS
};

/* One run. */
struct run {
    enum part part;
    enum kind kind;
    uint64_t seed;
    long steps; /* calls, at most: for those who look for the one that matters */
    bool seals; /* workers can be sealed here, and some are */
};

/* Random numbers. */
struct dice {
    uint64_t state;
};
uint64_t roll(struct dice *dice);
uint64_t below(struct dice *dice, uint64_t n); /* 0 to n - 1 */
bool one_in(struct dice *dice, uint64_t n);

/* ---- aim.c ---- */

/* A range of the segment. */
struct target {
    char *at;
    size_t size;
};
/* PART_OWN: in such a process. */
struct target aim(posse_executor *pool, enum part part, struct dice *dice);

/* ---- values.c ---- */

void scribble(posse_executor *pool, const struct run *run, struct dice *dice);

/* ---- calls.c ---- */

#define MAX_FUTURES 12

/* What keeps a call waiting is found by its looks: they come sooner than after a second. */
#define LOOK_MS 100

/* Seconds for one run, which takes a tenth of a second, or some if much is lost. */
#define WATCH_S TIME_LIMIT

/* Seen by the parent also when the child is dead: it lies in memory that they share. */
struct notes {
    _Atomic(const char *) call; /* that the program is in, or was in when it ended */
    _Atomic long calls, late_ms;
    _Atomic long statuses[POSSE_OWNER_DIED + 2]; /* how often each was given */
    _Atomic long wrong;                          /* a status that is none */
    _Atomic long supervisor_pid;
    _Atomic long supervisor; /* how it ended, as waitpid tells; -1: it did not */
    _Atomic long broken;
    _Atomic long crashes; /* of workers (PART_OWN) */
};

struct program {
    const struct run *run;
    struct notes *notes;
    struct dice dice;
    posse_executor *pool;
    posse_future futures[MAX_FUTURES];
    posse_lock lock;
    posse_queue queue;
    void *memory[4];
    posse_completion_queue *completions;
    bool patient; /* makes calls that have no limit */
    long began;   /* the call */
    _Atomic long callbacks;
};

/* Makes a call of the program's, one of many. */
void make_call(struct program *program);
/* Makes one call and notes which it is, what it gave, and how much longer it took than it was to:
 * limit_ms, NO_LIMIT if it may take any time (then the parent's watch ends it). */
#define NO_LIMIT (-1)
#define CALL(program, limit_ms, call)                                                              \
    (begin_call((program), #call), end_call_of((program), (call), (limit_ms)))
void begin_call(struct program *program, const char *name);
posse_status end_call_of(struct program *program, posse_status status, long limit_ms);

/* Some limit, NO_LIMIT too if the program is patient; some future; reads what a call has shown. */
long a_limit(struct program *program);
posse_future *a_future(struct program *program);
void read_all(const void *data, size_t size);

/* ---- tasks.c, many.c ---- */

#define BIG_BYTES 100000

void submit_any(struct program *program);
/* Writes somewhere; every second program does it itself, the others have tasks that do. */
void go_wild(struct program *program);
/* Other tasks, beside those that go wild (PART_OWN). */
bool innocents_are_right(struct program *program);
void wait_for_many(struct program *program);
void as_completed(struct program *program);
void map_items(struct program *program);

/* ---- program.c ---- */

struct order {
    struct run run;
    struct notes *notes;
};
int run_program(void *order); /* in a child; 0: nothing was wrong */

#endif
