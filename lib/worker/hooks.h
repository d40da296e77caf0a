/* hooks.h - a worker's name, its initializer and finalizer. */
#ifndef PI_HOOKS_H
#define PI_HOOKS_H

#include "pool/pool.h"

/* <prefix>_<worker>, in at most 15 bytes. */
void pi_worker_name(const posse_executor *executor, unsigned worker, char name[16]);
/* Runs the initializer as a task that has no future. False: it failed, and *why says how. pi_self
 * must be set. */
bool pi_initialize(posse_executor *executor, unsigned worker, struct pi_error *why);
void pi_finalize(posse_executor *executor, unsigned worker);

#endif
