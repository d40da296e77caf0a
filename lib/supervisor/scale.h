/* scale.h - how many workers there are. */
#pragma once

#include "supervisor/supervisor.h"

/* Starts, replaces and retires workers, as the tasks, the options and posse_resize ask for it. */
void pi_scale(struct pi_supervisor *supervisor);
