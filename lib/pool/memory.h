/* memory.h - the memory of an executor: how much there may be, how its tables grow, blocks for
 * arguments and results, and giving memory back.
 */
#ifndef PI_MEMORY_H
#define PI_MEMORY_H

#include "core/segment.h"
#include "posse.h"

/* ---- memory.c ---- */

/* Counts so many bytes, before they are backed. False: that is more than max_memory; errno says
 * so. */
bool pi_commit(posse_executor *executor, size_t length);
void pi_uncommit(posse_executor *executor, size_t length);
/* Counts anew what has memory, or is being given some. */
void pi_recount(posse_executor *executor);
/* Backs a range of the segment that is open. False: that cannot be, errno tells why. */
bool pi_back(posse_executor *executor, const void *from, size_t length);
/* Gives whole pages back. If the system does not take them they stay, and count as given back all
 * the same: they must be backed, and counted, before they are used again. */
void pi_give_back(posse_executor *executor, const void *from, size_t length);
/* Bytes `from` to `to` of a table, whose first `from` bytes have memory. */
struct pi_piece {
    void *table;
    size_t from, to;
};
/* Backs the pages that n pieces lack, and counts them: *size bytes. All or nothing is counted. If
 * memory is short it gives back that of free blocks first. */
bool pi_back_pieces(posse_executor *executor, const struct pi_piece *pieces, unsigned n,
                    size_t *size);
/* Opens slots, units of the arena or rings for this process: those below the number, and rings 0 to
 * k. The context is the executor. False: it cannot, errno tells why. */
bool pi_open_slots(void *context, uint32_t number);
bool pi_open_arena(void *context, uint32_t number);
bool pi_open_rings(void *context, uint32_t k);
/* Opens and backs what a new segment begins with. */
bool pi_memory_begin(posse_executor *executor);
/* In a worker process with little address space: gives up what is not open. */
void pi_give_up_space(posse_executor *executor);

/* ---- grow.c ---- */

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

/* ---- block.c ---- */

/* A block of at least size bytes, HELD(owner). POSSE_NO_MEMORY, POSSE_SYSTEM, POSSE_TOO_LARGE. */
posse_status pi_block_acquire(posse_executor *executor, unsigned owner, size_t size,
                              pi_block_ref *ref);
/* Frees a block if its tag is exactly that; else nothing. In the name of owner. */
bool pi_block_release(posse_executor *executor, unsigned owner, pi_block_ref ref, uint64_t tag);
/* HELD -> ATTACHED, by the holder. */
void pi_block_attach(posse_executor *executor, pi_block_ref ref, uint32_t slot,
                     uint32_t generation);
/* How many bytes a block that is held or in use has; 0: no reference. */
size_t pi_block_room(posse_executor *executor, pi_block_ref ref);
/* Its bytes, at least size of them, or NULL: the reference is not valid. */
void *pi_block_bytes(posse_executor *executor, pi_block_ref ref, uint64_t size);
/* Gives back the memory of units that owner has claimed, and makes them NONE. */
void pi_units_discard(posse_executor *executor, uint32_t unit, uint32_t n, bool tags);
/* A round of the trim, for units `from` to before `to`, by the supervisor (inline: by the caller
 * that frees): closes empty spans, and gives back what the round before has found unused. How many
 * units the next round may give back. */
uint32_t pi_trim_blocks(posse_executor *executor, unsigned owner, uint32_t from, uint32_t to);
/* Gives back all free memory of the arena at once, because the caller has found none. */
void pi_reclaim_blocks(posse_executor *executor, unsigned owner);

/* ---- trim.c ---- */

/* So many bytes were freed, or this worker goes to sleep (0): asks for a trim if there is more
 * memory than what an idle executor keeps. */
void pi_note_freed(posse_executor *executor, size_t bytes);
/* Asks for a trim, as memory was refused: what is counted may be wrong, or be of slots and rings
 * that nobody uses. Keeps errno. */
void pi_ask_for_trim(posse_executor *executor);

/* ---- block.c, on: what a slot refers to ---- */

/* Size, bytes and block (0 if inline) of a slot's argument, result and name. The bytes are NULL if
 * what the slot says is impossible, as a task has scribbled on it, or if there is no name. */
struct pi_bytes {
    uint64_t size;
    void *bytes;
    pi_block_ref ref;
};
struct pi_bytes pi_slot_arg(posse_executor *executor, struct pi_slot *slot);
struct pi_bytes pi_slot_result(posse_executor *executor, struct pi_slot *slot);
/* Where in the slot a result of at most PI_INLINE_RESULT bytes goes. */
void *pi_slot_result_room(struct pi_slot *slot, uint64_t size);
struct pi_bytes pi_slot_name(posse_executor *executor, struct pi_slot *slot);

#endif
