/* fresh_task.h - the process of one task. */
#pragma once

#include "pool/pool.h"

struct pi_task_memory;

/* A process that its worker has forked for a task, as the worker knows it. */
struct pi_spare {
    posse_executor *executor;
    struct pi_task_memory *memory; /* NULL: there is no such process */
    size_t size;                   /* of that */
    size_t arg_room, result_room;  /* in it */
    pid_t pid;
    int ruleset; /* for pi_os_seal_task */
};

/* The body of such a process: gives up what is not the task's, seals the process, waits for the
 * task, runs it, and exits. context: a struct pi_spare. */
void pi_fresh_main(void *context);
/* Whether this is the process of the task, and none that the task has forked. */
bool pi_fresh_is_here(void);
