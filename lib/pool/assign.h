/* assign.h - a function that runs once in every worker: what broadcast.c of the program and
 * worker/run_assigned.c of the workers have in common.
 *
 * Runs in: program, worker, supervisor.
 *
 * For each worker that is active posse_broadcast makes a task that is withheld (core/slot.h), and
 * names it in the worker's record (`assigned`). The worker claims it before it looks at the queue.
 * So how it ends, its waiter and its recovery are those of any task. Workers that start later may
 * run the function, too: before their first task, from a block that `for_later` of the header
 * names. One caller broadcasts at a time, so all workers run the functions in one order.
 *
 *   step                                            by          a death right after it
 *   1  a block with function and argument, HELD     program     the pool ends
 *   2  `for_later` names it (seq)                   program     the same
 *   3  `assigned` of the header is 1                program     the same
 *   4  looks at a worker's state (seq): active?     program     the same
 *   5  a task, withheld; `assigned` of the worker   program     the same
 *      names it (seq); posts, notifies
 *   6  w reads `for_later` at its start, and runs   w           as a death in an initializer
 *      it
 *   7  w sees `assigned`: claims the task           w           LOST, by `touched`
 *   8  w clears `assigned`, by CAS                  w           LOST, by `touched`
 *   9  w runs the function, unless step 6 did       w           LOST, by `current`
 *  10  a worker will not run its task, which is     supervisor  all workers end
 *      withheld: CANCELLED. It does not count
 *
 *   w died before step 7: its replacement finds `assigned` if it has the same record, and runs the
 *   task; else step 10 ends it. w died after step 8, or another caller gave up: `assigned` names a
 *   task that is not withheld any more, and the next reader clears it.
 *
 * Each worker that starts has STARTING in its record before it reads `for_later` (step 6), and step
 * 2 comes before step 4. So one of the two sees the other; if both do, the worker knows the serial
 * of what it has run at its start, and runs nothing in step 9. A worker becomes inactive in a round
 * of the supervisor, or has a round after it, and step 5 asks for one. So step 10 leaves no task. A
 * worker that was told to exit may have looked just before. So step 10 waits until it leaves
 * or is in a task: it would take a task from the queue else, without step 9.
 *
 * Whoever reads the block copies it, then looks at `for_later` again: the block is freed after that
 * has changed.
 */
#pragma once

#include "pool/pool.h"

#define PI_BROADCAST_SERIAL_BITS 30 /* of `for_later`; above them is the block's reference */
#define PI_BROADCAST_SERIAL_MASK (((uint32_t)1 << PI_BROADCAST_SERIAL_BITS) - 1)

/* What stands before the argument, in the block and in each task. */
struct pi_broadcast {
    _Alignas(16) uint64_t fn;
    uint64_t size;   /* of the argument */
    uint64_t serial; /* of the block; 0: for no later workers */
};

/* Of a worker's `assigned`. */
static inline uint64_t pi_assigned(posse_future future)
{
    return (uint64_t)future.generation << 32 | (future.slot + 1);
}
/* The word of the slot that it names, if its task is withheld; else 0. */
static inline uint64_t pi_assigned_word(posse_executor *e, uint64_t assigned)
{
    uint32_t index = (uint32_t)assigned - 1;
    uint64_t word = (uint32_t)assigned ? pi_slots_word(&e->segment.slots, index) : 0;
    return pi_generation(word) == assigned >> 32 && pi_is_withheld(word) ? word : 0;
}
