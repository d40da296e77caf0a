/* sealed.h - takes rights from a worker, if options.seal says so. */
#pragma once

#include "pool/pool.h"

/* Before the initializer: closes descriptors. False: it cannot, and *why says so. */
bool pi_seal_begin(posse_executor *executor, struct pi_error *why);
/* After it: the rest, for ever. False: the worker is not sealed, and must run no task. */
bool pi_seal_worker(posse_executor *executor, unsigned worker, struct pi_error *why);
