/* loop.h - a worker's life. */
#pragma once

#include "pool/pool.h"

/* From the initializer until the worker says that it has exited or failed. Sets pi_self. */
void pi_worker_loop(posse_executor *executor, unsigned worker);
