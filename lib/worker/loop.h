/* loop.h - a worker's life. */
#ifndef PI_LOOP_H
#define PI_LOOP_H

#include "pool/pool.h"

/* A worker's life, from its initializer to the mark that it has left. Sets pi_self. */
void pi_worker_loop(posse_executor *executor, unsigned worker);

#endif
