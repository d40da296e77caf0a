/* child.h - one worker, as the supervisor sees it: its state, its start, the request to exit. */
#pragma once

#include "supervisor/supervisor.h"

/* What a worker says of itself. */
enum pi_worker_state pi_worker_state(const struct pi_supervisor *supervisor, unsigned worker);
/* Whether a worker lives, or starts, and will take another task. */
bool pi_is_active(const struct pi_supervisor *supervisor, unsigned worker);
/* A task, by its slot and its word: its generation, and 1 + the slot. 0 stands for none. */
static inline uint64_t pi_task_name(uint32_t index, uint64_t word)
{
    return (uint64_t)pi_generation(word) << 32 | (index + 1);
}
/* The task that a worker runs. */
uint64_t pi_current_task(const struct pi_supervisor *supervisor, unsigned worker);
/* Notes which workers have ended their initializer well. Then the last start was no failure. */
void pi_note_initialized(struct pi_supervisor *supervisor);

/* Says in shared memory how many workers live: a count of the supervisor's own, so it puts right
 * what a task has written there. */
void pi_publish_alive(struct pi_supervisor *supervisor);

/* Whether there is a record for one worker more. */
bool pi_can_start(const struct pi_supervisor *supervisor);
/* Starts one worker. False: it cannot be started now. */
bool pi_start_worker(struct pi_supervisor *supervisor);
/* How long the first start after a failed one waits. Tests make it shorter. */
extern uint64_t pi_retry_ns;
/* A worker ended during its start: puts the next start off. */
void pi_delay_starts(struct pi_supervisor *supervisor);
/* The same for a start that failed by itself, as supervisor->why says. May break the executor. */
void pi_start_failed(struct pi_supervisor *supervisor);

/* If the worker waits for a place (worker/place.c), it looks at its orders again. */
void pi_end_place_wait(struct pi_supervisor *supervisor, unsigned worker);
/* Tells a worker to exit when its task has ended. */
void pi_retire(struct pi_supervisor *supervisor, unsigned worker);
