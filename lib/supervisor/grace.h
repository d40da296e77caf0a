/* grace.h - ends running tasks that were asked to stop, when their grace is over. */
#pragma once

#include "supervisor/supervisor.h"

/* Of a task that may be on the worker's stack: makes it KILLING, or with threads CANCELLED, if its
 * grace is over, or notes when it will be. */
void pi_check_grace(struct pi_supervisor *supervisor, unsigned worker, uint32_t index);
/* Of a task that was KILLING(worker) in `word`: whether it has been sent SIGTERM, perhaps just now,
 * and has time left. */
bool pi_terminate_first(struct pi_supervisor *supervisor, unsigned worker, uint32_t index,
                        uint64_t word);
/* Of a task that is KILLING, and over a limit: ends its time. */
void pi_end_grace(struct pi_supervisor *supervisor, unsigned worker, uint32_t index, uint64_t word);
