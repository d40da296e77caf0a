/* phase.h - how an executor goes from open to closed, or breaks. */
#pragma once

#include "pool/pool.h"

/* Raises the phase. False: it is there or further already. */
bool pi_raise_phase(posse_executor *executor, enum pi_phase phase);
/* Marks the executor broken, says why, and wakes every caller. */
void pi_break(posse_executor *executor, const struct pi_error *why);
/* The same for a ring that is damaged. */
void pi_break_queue(posse_executor *executor);
/* What a phase means to a caller: POSSE_OK while open. */
posse_status pi_phase_status(enum pi_phase phase);
