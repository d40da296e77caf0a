/* commit.h - backing the memory of the segment, counting it, and opening it for this process. */
#pragma once

#include "pool/pool.h"

/* Counts bytes before they are backed. False: more than max_memory, and errno says so. */
bool pi_commit(posse_executor *executor, size_t length);
void pi_uncommit(posse_executor *executor, size_t length);
/* Counts anew what has memory, or is about to be given some. */
void pi_recount(posse_executor *executor);
/* Backs a range of the segment that is open. False: errno tells why not. */
bool pi_back(posse_executor *executor, const void *from, size_t length);
/* Gives whole pages back. Pages that the system does not take stay, and count as given back all the
 * same: they must be backed and counted before they are used again. */
void pi_give_back(posse_executor *executor, const void *from, size_t length);

/* `size` rounded up to whole pages. */
size_t pi_whole_pages(size_t size);
/* What a group of slots takes. */
size_t pi_group_size(const posse_executor *executor);
/* From the start of the segment to the end of the parkers' map: bytes that are always backed. */
size_t pi_header_front(const posse_executor *executor);

/* Opens slots, units of the arena or rings for this process: those below the number, and rings 0 to
 * k. The context is the executor. False: errno tells why not. */
bool pi_open_slots(void *context, uint32_t number);
bool pi_open_arena(void *context, uint32_t number);
bool pi_open_trace(void *context, uint32_t number);
bool pi_open_rings(struct pi_ring *ring, uint32_t k);
/* Opens what a new segment begins with, and sets what opens the rest as the tables grow. */
bool pi_open_first(posse_executor *executor);
/* In a worker process with little address space: gives up what is not open. */
void pi_give_up_space(posse_executor *executor);
