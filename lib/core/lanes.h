/* lanes.h - the queue of tasks: a lane for each priority.
 *
 * Runs in: program, worker, supervisor. A lane is the queue of one priority: one ring (ring.h), or
 * several. The lane of a task stands in its slot, and is the same in all its attempts. An executor
 * begins with the lane NORMAL alone. The first submit with another priority gives the other lanes
 * memory, then raises `more` from 0 to 1, for good. Callers that read 0 there look at the lane
 * NORMAL alone: that load is all that priorities cost if no task has one.
 *
 * order: all seq. A submitter raises `more`, pushes, and reads the idle words. A worker sets its
 * idle bit, reads `more`, and looks at the lanes that there are, in any order. So the submitter
 * sees the worker, or the worker sees `more` and the task. For other sleepers (room_waiter in
 * segment.h, grow_on_demand in scale.c) it is the same.
 *
 * Which task is next: a worker takes the first of lane HIGH, then of NORMAL, then of LOW. Each 32nd
 * time that a worker looks for a task (PI_CLAIMS_PER_LOW), it takes the first of LOW, if one waits.
 * While one waits, each look finds a task. So at most 31 tasks are taken before the first of LOW,
 * whatever is submitted. All workers count together, because each may be replaced after any task.
 *
 * A slot has one entry at most in each lane, and a flag in its word for each of them. A task that
 * is cancelled leaves its entry behind. The slot's next life uses that one if it has the same lane,
 * and else makes an entry in its own. An entry in another lane than the task's counts as stale. So
 * the entries of a lane are never more than the slots, whatever is cancelled and submitted.
 *
 * Rings of the lane NORMAL. Many workers at one head take turns at its cache line. So where many
 * workers may be, the lane has several rings: one for every PI_WORKERS_PER_RING of them. Which ring
 * a task is in follows from its slot: PI_RING_TURN slots in a row go into one, and so on by turns.
 * So an entry serves the next life of its slot here, too. A worker takes PI_RING_TURN tasks from a
 * ring, then goes on to the next one. Each worker that begins does so at the next ring, so those
 * that run few tasks come to all of them. If a ring is empty it looks at the next. So tasks start
 * roughly in their order, and none waits for workers of its ring. An executor with a queue
 * limit has one ring, whose length is the exact one.
 *
 * The models are tests/model/idle.pml and lanes.pml.
 */
#pragma once

#include "base/tuning.h"
#include "core/slot.h"

#define PI_NORMAL_RINGS 16 /* at most */
#define PI_QUEUE_RINGS (PI_NORMAL_RINGS + PI_LANES - 1)

struct pi_lanes {
    struct pi_ring ring[PI_QUEUE_RINGS]; /* those of NORMAL, then of HIGH and of LOW */
    unsigned normal;                     /* rings of NORMAL: a power of two */
    _Atomic uint32_t *claims;            /* looks for a task while there are all lanes */
    struct pi_monotonic more; /* 1: the lanes other than NORMAL have memory, and may have entries */
};

/* A worker that looks for a task, how many workers had begun before it, and how many tasks it has
 * run: that says which ring's turn it is. */
struct pi_taker {
    unsigned owner;
    unsigned begun;
    unsigned ran;
};

/* Whether there are other lanes than NORMAL. */
static inline bool pi_lanes_more(struct pi_lanes *lanes) { return pi_monotonic_get(&lanes->more); }

static inline bool pi_lanes_has(struct pi_lanes *lanes, enum pi_lane lane)
{
    return lane == PI_LANE_NORMAL || pi_lanes_more(lanes);
}

/* The rings that may have memory, and how many of them are in use now. */
static inline unsigned pi_lanes_rings(const struct pi_lanes *lanes)
{
    return lanes->normal + PI_LANES - 1;
}
static inline unsigned pi_lanes_count(struct pi_lanes *lanes)
{
    return pi_lanes_more(lanes) ? pi_lanes_rings(lanes) : lanes->normal;
}

/* Where the task of a slot waits. */
static inline struct pi_ring *pi_lanes_ring(struct pi_lanes *lanes, enum pi_lane lane,
                                            uint32_t slot)
{
    if (lane != PI_LANE_NORMAL)
        return &lanes->ring[lanes->normal + (unsigned)lane - 1];
    return &lanes->ring[slot / PI_RING_TURN & (lanes->normal - 1)];
}

/* As pi_ring_push, into the lane of the slot's task. PI_PUSH_NO_CELL: also if there is no such lane
 * yet. */
static inline enum pi_push pi_lanes_push(struct pi_lanes *lanes, enum pi_lane lane, uint32_t slot,
                                         uint64_t limit)
{
    if (!pi_lanes_has(lanes, lane))
        return PI_PUSH_NO_CELL;
    return pi_ring_push(pi_lanes_ring(lanes, lane, slot), slot, limit);
}

/* As pi_slots_claim_next, from the lane whose turn it is. */
uint32_t pi_lanes_claim_next(struct pi_lanes *lanes, struct pi_slots *slots,
                             const struct pi_taker *taker, uint64_t *word);

/* Whether a ring has an entry. */
bool pi_lanes_any(struct pi_lanes *lanes);
/* Of all lanes: entries; entries that were passed; the positions without an entry. The last two
 * only grow. */
uint64_t pi_lanes_length(struct pi_lanes *lanes);
uint64_t pi_lanes_passed(struct pi_lanes *lanes);
uint64_t pi_lanes_end(struct pi_lanes *lanes);
/* As pi_slots_count_entries, of all lanes. */
struct pi_entries pi_lanes_count_entries(struct pi_lanes *lanes, struct pi_slots *slots,
                                         unsigned max);
