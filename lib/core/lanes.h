/* lanes.h - the queue of tasks: a ring for each priority.
 *
 * Runs in: program, worker, supervisor. A lane is the ring (ring.h) of one priority. The lane of a
 * task stands in its slot, and is the same in all its attempts. An executor begins with the lane
 * NORMAL alone. The first submit with another priority gives the other lanes memory, then raises
 * `more` from 0 to 1, for good. Callers that read 0 there look at the lane NORMAL alone: that load
 * is all that priorities cost if no task has one.
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
 * The models are tests/model/idle.pml and lanes.pml.
 */
#ifndef PI_LANES_H
#define PI_LANES_H

#include "core/slot.h"

struct pi_lanes {
    struct pi_ring ring[PI_LANES];
    _Atomic uint32_t *claims; /* looks for a task while there are all lanes */
    struct pi_monotonic more; /* 1: the lanes other than NORMAL have memory, and may have entries */
};

/* How many lanes there are: all, or the first. */
static inline unsigned pi_lanes_count(struct pi_lanes *lanes)
{
    return pi_monotonic_get(&lanes->more) ? PI_LANES : 1;
}

static inline bool pi_lanes_has(struct pi_lanes *lanes, enum pi_lane lane)
{
    return lane == PI_LANE_NORMAL || pi_lanes_count(lanes) > 1;
}

/* As pi_ring_push, into the lane of the slot's task. PI_PUSH_NO_CELL: also if there is no such lane
 * yet. */
static inline enum pi_push pi_lanes_push(struct pi_lanes *lanes, enum pi_lane lane, uint32_t slot,
                                         uint64_t limit)
{
    if (!pi_lanes_has(lanes, lane))
        return PI_PUSH_NO_CELL;
    return pi_ring_push(&lanes->ring[lane], slot, limit);
}

/* As pi_slots_claim_next, from the lane whose turn it is. */
uint32_t pi_lanes_claim_next(struct pi_lanes *lanes, struct pi_slots *slots, unsigned owner,
                             uint64_t *word);

/* Whether a lane has an entry. */
bool pi_lanes_any(struct pi_lanes *lanes);
/* Of all lanes: entries; entries that were passed; the positions without an entry. The last two
 * only grow. */
uint64_t pi_lanes_length(struct pi_lanes *lanes);
uint64_t pi_lanes_passed(struct pi_lanes *lanes);
uint64_t pi_lanes_end(struct pi_lanes *lanes);
/* As pi_slots_count_entries, of all lanes. */
struct pi_entries pi_lanes_count_entries(struct pi_lanes *lanes, struct pi_slots *slots,
                                         unsigned max);

#endif
