/* backlog.h - how many workers the queued tasks could use. */
#ifndef PI_BACKLOG_H
#define PI_BACKLOG_H

#include "supervisor/supervisor.h"

/* The task that a worker is in: its life, and 1 + its slot; 0: none. */
uint64_t pi_task_of(const struct pi_supervisor *supervisor, unsigned worker);
/* How many workers more the tasks that wait could use; notes who is busy. */
unsigned pi_backlog(struct pi_supervisor *supervisor);
bool pi_has_backlog(struct pi_supervisor *supervisor);

#endif
