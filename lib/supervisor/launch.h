/* launch.h - starts the supervisor as a process. */
#ifndef PI_LAUNCH_H
#define PI_LAUNCH_H

#include "pool/pool.h"

/* In the program. POSSE_OK: the executor's link leads to the supervisor, which has started its
 * first workers. */
posse_status pi_launch(posse_executor *executor);

#endif
