/* scale.h - how many workers there are: starting, replacing and retiring them. */
#ifndef PI_SCALE_H
#define PI_SCALE_H

#include "supervisor/supervisor.h"

/* Starts and sends away workers, as the tasks, the options and posse_resize want it. */
void pi_scale(struct pi_supervisor *supervisor);
/* Notes which workers have got through their start. */
void pi_note_initialized(struct pi_supervisor *supervisor);
/* Has a worker go when its task has ended. */
void pi_retire(struct pi_supervisor *supervisor, unsigned worker);
/* How long the next start waits after a failed one; twice as long after each further one. Tests
 * make it short. */
extern uint64_t pi_retry_ns;
/* A start came to nothing: tries again later. */
void pi_delay_starts(struct pi_supervisor *supervisor);
/* The same for one that failed by itself, as supervisor->why says; or breaks the pool. */
void pi_start_failed(struct pi_supervisor *supervisor);

/* Whether a worker is one of the staff: it lives, and will take another task. */
bool pi_is_active(const struct pi_supervisor *supervisor, unsigned worker);

#endif
