/* launch.h - starts the supervisor as a process. */
#pragma once

#include "pool/pool.h"

/* In the program. POSSE_OK: the executor's link leads to the supervisor, which has started its
 * first workers. */
posse_status pi_launch(posse_executor *executor);
