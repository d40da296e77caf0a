/* fresh_spare.h - the processes that a worker forks, one for each task. */
#pragma once

#include "worker/fresh_task.h"

/* The one that was forked ahead, or a new one, for an argument of that size. 0 or an errno. */
int pi_spare_take(posse_executor *executor, size_t arg_size, struct pi_spare *spare);
/* A new one. */
int pi_spare_fork(posse_executor *executor, size_t arg_size, struct pi_spare *spare);
/* Frees its memory. */
void pi_spare_drop(struct pi_spare *spare);
/* Ends one that has not begun, and must not. */
void pi_spare_end(pid_t pid);
/* Kills one that has said all. It is reaped later, */
void pi_spare_leave(pid_t pid);
/* which is now. */
void pi_spare_reap_leaving(void);
/* One was reaped, which has used so much processor time. */
void pi_spare_count(uint64_t used);
/* Whether tasks may leave children: no process is forked ahead then. */
bool pi_spare_adopts(void);
