/* hooks.h - a worker's name, its initializer and finalizer. */
#pragma once

#include "pool/pool.h"

/* <prefix>_<worker>, in at most 15 bytes. */
void pi_worker_name(const posse_executor *executor, unsigned worker, char name[16]);
/* All run the program's function as a task without a future. The caller must have set pi_self. */
/* False: it failed, and *why says how. */
bool pi_call_hook(posse_executor *executor, unsigned worker, const struct pi_hook *hook,
                  struct pi_error *why);
bool pi_initialize(posse_executor *executor, unsigned worker, struct pi_error *why);
void pi_finalize(posse_executor *executor, unsigned worker);
