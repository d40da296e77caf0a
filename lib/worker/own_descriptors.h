/* own_descriptors.h - runs a task whose job has descriptors. */
#pragma once

#include "pool/block.h"
#include "pool/self.h"

/* Calls fn with the task's own copies of the descriptors, and closes those that it has not taken.
 * *code is what fn returns. 0 or an errno: there are no copies, and fn was not called. */
int pi_call_with_descriptors(struct posse_task *task, posse_fn *fn, const struct pi_bytes *arg,
                             int *code);
