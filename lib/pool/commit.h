/* commit.h - counting and backing the memory of the segment. */
#ifndef PI_COMMIT_H
#define PI_COMMIT_H

#include "pool/pool.h"

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

#endif
