/* deadline.h - ending tasks whose time is over, and tasks that are to be killed. */
#ifndef PI_DEADLINE_H
#define PI_DEADLINE_H

#include "supervisor/supervisor.h"

/* deadline.c: ends the tasks whose time is over or that are to be killed; notes the next deadlines. */
void pi_enforce_deadlines(struct pi_supervisor *supervisor);

#endif
