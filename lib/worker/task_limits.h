/* task_limits.h - what a task may use: memory and processor time. core/details.h has the steps. */
#pragma once

#include "core/details.h"
#include "os/usage.h"
#include "pool/self.h"

/* A running task with limits, on its worker's stack. */
struct pi_limits {
    struct pi_details *details;
    uint64_t max_memory, max_cpu_ns; /* 0: none */
    bool begun;                      /* its limits hold */
    bool measured;                   /* `paused` is right */
    uint32_t turns;                  /* how often its limits have begun to hold */
    /* What the worker had, and had used, before the task; while a nested task runs, before that. */
    struct pi_os_usage had, paused;
    uint64_t cpu_had, cpu_paused;
    uint64_t data_limit; /* of the process, before the task */
};

/* Whether a task, or the one that waits for it on the same stack, has limits. */
static inline bool pi_limits_matter(const struct posse_task *task)
{
    return task->limits || (task->outer && task->outer->limits);
}

/* Whether this worker can enforce the limits of a task. False: an earlier task made it unfit. */
bool pi_limits_can_hold(posse_executor *executor, struct pi_slot *slot);
/* Sets when a task with a grace is asked to stop. */
void pi_limits_grace(struct posse_task *task);
/* Whether the task of this word is KILLING, and may end by itself (supervisor/grace.c). */
bool pi_limits_may_end(const struct posse_task *task, uint64_t word);
/* When the supervisor must look at it first. */
uint64_t pi_limits_first_look(const struct posse_task *task);
/* Before and after the function of such a task. False: its limits cannot be enforced here. code:
 * what the function returned, just now: errno is as it left it. */
bool pi_limits_begin(struct posse_task *task);
void pi_limits_end(struct posse_task *task, int code);
