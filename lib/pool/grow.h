/* grow.h - making the tables of the segment longer. */
#pragma once

#include "pool/pool.h"

/* Opens and backs what a new segment begins with. False, as all of these: errno tells why not. */
bool pi_memory_begin(posse_executor *executor);

/* Makes a table longer. */
bool pi_grow_slots(posse_executor *executor);
bool pi_grow_ring(posse_executor *executor, struct pi_ring *ring);
bool pi_grow_parkers(posse_executor *executor);
/* For the first trace: gives the rings of events memory. */
bool pi_grow_trace(posse_executor *executor);
bool pi_grow_workers(posse_executor *executor, unsigned from, unsigned to);
/* Raises the arena's end until n units before it are nobody's. Returns the first of these, which
 * the caller still has to claim, or PI_NO_INDEX. */
uint32_t pi_grow_arena(posse_executor *executor, uint32_t n);
/* As pi_lanes_push, but the lane gets memory, or grows, if it must. */
enum pi_push pi_push(posse_executor *executor, enum pi_lane lane, uint32_t index, uint64_t limit);
