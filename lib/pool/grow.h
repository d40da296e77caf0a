/* grow.h - making tables longer. */
#ifndef PI_GROW_H
#define PI_GROW_H

#include "pool/pool.h"

/* Makes a table longer. All: false if that cannot be; errno tells why. */
bool pi_grow_slots(posse_executor *executor);
bool pi_grow_ring(posse_executor *executor);
bool pi_grow_parkers(posse_executor *executor);
bool pi_grow_workers(posse_executor *executor, unsigned from, unsigned to);
/* Raises the arena's end until there are n units before it that are nobody's. Their first, to be
 * claimed, or PI_NO_INDEX. */
uint32_t pi_grow_arena(posse_executor *executor, uint32_t n);
/* Puts a slot into the ring, which grows if it must. */
enum pi_push pi_push(posse_executor *executor, uint32_t index, uint64_t limit);

#endif
