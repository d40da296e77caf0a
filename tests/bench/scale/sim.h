/* sim.h - the state of a simulation, and the steps that the rows of rows.c name.
 *
 * Private to the simulation: submitter.c, worker.c and idle.c are the steps, rows.c the table,
 * protocol.c the engine. */
#ifndef SCALE_SIM_H
#define SCALE_SIM_H

#include "protocol.h"

#include <stdbool.h>

enum {
    CELLS_PER_LINE = 8,
    FIRST_CELLS = 512,   /* of a ring, at first */
    BITS_PER_LINE = 512, /* of the map: 64 bytes */
    TAIL_LAG = 8,
    AHEAD = 3,
    STRIDE = 4,
    TURN = 8,
    MAX_TAKE = 64,
    SPIN_NS = 20000
};

enum place {
    NOWHERE,
    HEADER,
    CALLER,
    MAP,
    SLOT,
    HEAD,
    TAIL,
    LAST,
    CELL,
    AHEAD_CELL,
    AHEAD_SLOT,
    NEXT_SLOT,
    IDLE,
    RECORD,
    INBOX,
    PLACES
};
struct sim;
struct actor;
/* Returns the row that comes next; -1: the following one. */
typedef int step(struct sim *sim, struct actor *actor);
typedef bool condition(const struct sim *sim, const struct actor *actor);

struct row {
    const char *mirrors;
    enum place place;
    enum access access;
    double ns;
    step *then;
    condition *when;
};

/* ---- state ----------------------------------------------------------------------------------- */

struct task {
    struct line slot;
    bool in_ring, final;
    int waiter; /* 1 + the submitter that waits for its end; 0: none */
};

struct ring {
    struct line head, tail, *cells;
    uint32_t *entry;
    unsigned first, end, tail_at;
    /* The program's, in a line of their own. behind_last: the last entry's position + 1; 0: none */
    struct line last;
    unsigned behind_last, earlier_head;
    unsigned room; /* cells that it has so far */
};

struct actor {
    double at; /* when it makes its next access; INFINITY: it waits */
    unsigned cache, number;
    int row;
    struct ring *ring; /* that it is at */
    unsigned position, task;
    unsigned seen_head, seen_tail; /* by this push */
    bool searched;                 /* it has not entered behind `last` */
    double since;                  /* it spins or waits */
    unsigned woken;                /* sleepers, by this submit or at the end of this idling */
    /* A submitter: its tasks, how many it has, and which one is next. */
    uint32_t *tasks;
    unsigned share, next;
    bool waits;
    /* A worker */
    unsigned tried;           /* rings without entry */
    uint32_t taken[MAX_TAKE]; /* entries that it has taken */
    unsigned n_taken, begun, prefetched, lost;
    bool idle, spins, sleeps, claimed;
    bool listens; /* it waits for a push */
    int given;    /* 1 + the task in its own line; 0: none */
    struct line record, inbox;
    uint64_t random;
    unsigned ran;   /* tasks so far */
    double busy_ns; /* of all its rows but those of idling */
};

struct sim {
    struct machine machine;
    struct protocol protocol;
    struct load load;
    struct line header, caller, idle, *map;
    struct task *tasks;
    struct ring *rings;
    struct actor *actors; /* the submitters, then the workers */
    unsigned n_actors, next_slot, spinners, sleepers, at_end, batch;
    double began, ended;
};

static inline struct actor *worker_at(const struct sim *s, unsigned i)
{
    return &s->actors[s->load.submitters + i];
}

/* A ring has at least twice as many cells as there are slots. */
static inline unsigned ring_cells(const struct sim *s)
{
    unsigned cells = FIRST_CELLS;
    while (cells < 2 * s->load.tasks)
        cells *= 2;
    return cells;
}

static inline uint32_t *entry_at(const struct sim *s, const struct ring *ring, unsigned position)
{
    return &ring->entry[position % ring_cells(s)];
}

static inline bool is_worker(const struct sim *s, const struct actor *a)
{
    return a->number >= s->load.submitters;
}

enum row_name {
    CHECK,
    CALLS,
    TAKE_BIT = CALLS + 3,
    ACQUIRE = TAKE_BIT + 1,
    PUBLISH = ACQUIRE + 4,
    PUSH = PUBLISH + 2,
    SEARCH = PUSH + 3,
    FIND_END,
    PUT = FIND_END + 2,
    WAKE = PUT + 5,
    SUBMITTED = WAKE + 2,
    LOOK,
    RELEASED = LOOK + 5,
    WORK,
    OWN_LINE,
    PEEK,
    PEEK_CELL,
    CLAIM,
    ADVANCE = CLAIM + 3,
    LOOK_AHEAD = ADVANCE + 2,
    TAKE = LOOK_AHEAD + 2,
    TAKE_HEAD = TAKE + 2,
    TAKE_FETCH,
    TAKE_NEXT,
    STOP_IDLING = TAKE_NEXT + 2,
    WAKE_NEXT = STOP_IDLING + 3,
    RUN = WAKE_NEXT + 2,
    FINISH = RUN + 7,
    GO_IDLE = FINISH + 2,
    SPIN,
    PROBE,
    SLEEP = PROBE + 2,
    ROWS = SLEEP + 3
};

extern const struct row protocol_rows[ROWS];

/* ---- steps ----------------------------------------------------------------------------------- */

/* submitter.c */
step take_slot, publish, see_last, see_cell, see_tail, walk, see_room, put, note_head, read_tail,
    move_tail, pushed, give, wake, submitted, look, released;
condition first_of_call, last_of_call, has_map, has_stash, searched, eighth, tail_lags, can_call,
    can_give;
void begin_batch(struct sim *sim, double now);

/* worker.c */
step is_given, see_head, see_entry, see_word, claim, look_at_head, advance, claimed, take, fetched,
    next_taken, run_task, finish, finished;
condition is_direct;

/* idle.c */
step may_spin, spin, probe, sleep_now, asleep, stop_idling, is_more, wake_next;
condition can_wake;
void wake_one(struct sim *sim, struct actor *actor);

#endif
