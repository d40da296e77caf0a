/* deadline.h - ends running tasks that are late or to be killed. */
#pragma once

#include "supervisor/supervisor.h"

/* Ends such tasks, and notes each worker's next deadline. */
void pi_enforce_deadlines(struct pi_supervisor *supervisor);
