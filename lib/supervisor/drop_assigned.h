/* drop_assigned.h - tasks of workers that will not run them. */
#pragma once

#include "supervisor/supervisor.h"

/* In each round: ends tasks of posse_broadcast whose worker is not active, see pool/assign.h. */
void pi_drop_assigned(struct pi_supervisor *s);
