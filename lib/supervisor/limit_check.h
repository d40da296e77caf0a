/* limit_check.h - ends running tasks that use more memory or processor time than they may. */
#pragma once

#include "supervisor/supervisor.h"

/* Of a task that may be on the worker's stack: makes it KILLING if it is over a limit, or ends its
 * grace, or notes when to look again. */
void pi_check_limits(struct pi_supervisor *supervisor, unsigned worker, uint32_t index);
