/* trim.h - giving memory back to the system. */
#pragma once

#include "pool/pool.h"

/* A caller has freed bytes, or a worker goes to sleep (0 bytes): asks for a trim if more memory is
 * committed than an idle executor keeps. */
void pi_note_freed(posse_executor *executor, size_t bytes);
/* Asks for a trim because memory was refused: the count may be wrong, or unused slots and rings may
 * hold the memory. Keeps errno. */
void pi_ask_for_trim(posse_executor *executor);

/* How far the trim is, in the memory of the one process that makes it. */
struct pi_trim {
    uint64_t at;          /* when the next part is due; PI_NEVER: no caller has asked */
    uint64_t end;         /* where the queue ended at the last look */
    unsigned rounds;      /* that are over, since a caller has asked last */
    uint32_t group, unit; /* where this round goes on */
    bool found;           /* something that the next round may give back */
};
/* In the supervisor while the phase is OPEN: gives memory back, if a caller has asked, the executor
 * is idle, and it is time. Takes less than a millisecond. */
void pi_trim_when_due(posse_executor *executor, struct pi_trim *trim);

/* Gives back the memory of n units that the caller has claimed, and makes them NONE. Their tags
 * stay, because another call may be about to look there. */
void pi_units_discard(posse_executor *executor, uint32_t unit, uint32_t n);
/* Gives back all free memory of the arena at once, because the caller has found none. */
void pi_reclaim_blocks(posse_executor *executor, unsigned owner);
