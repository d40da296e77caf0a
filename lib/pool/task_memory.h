/* task_memory.h - what a worker shares with the process of one task, where options.isolation is
 * POSSE_FRESH: the task's argument and its result. worker/fresh.c has the protocol.
 *
 * Runs in: worker, and the process of a task.
 *
 * The head, then room for the argument, then room for the result. The process may write anything
 * anywhere here. So the worker keeps sizes and pids elsewhere, reads each thing that the process
 * says once, at its end, and checks it.
 */
#pragma once

#include "core/crash_record.h"
#include "core/feed.h"
#include "os/packet.h"
#include "os/seal.h"
#include "os/semaphore.h"
#include "os/shm.h"
#include "pool/block.h"

/* Blocks of the program that the task gets (worker/fresh_memory.c): pages of the segment. */
#define PI_MAX_TASK_BLOCKS 16
struct pi_task_block {
    struct pi_os_pages pages;
    bool writable;
};
struct pi_task_blocks {
    uint32_t n;
    struct pi_task_block at[PI_MAX_TASK_BLOCKS];
};

struct pi_task_memory {
    /* The worker writes these before `go`. */
    struct pi_os_semaphore go;
    uint32_t index; /* as in the task, as are the next three */
    uint64_t word, deadline;
    uint32_t grace_ms;
    size_t arg_size, arg_room, result_room;
    bool limited;         /* its memory is */
    bool has_descriptors; /* of the job: these */
    struct pi_os_fds descriptors;
    struct pi_task_blocks blocks;
    /* As the task's own: what it is, and its result if that is small. The worker writes the word
     * again when the task is asked to stop. */
    struct pi_slot slot;

    /* The process writes these. */
    _Atomic int32_t error;    /* an errno: it could not be sealed */
    _Atomic uint32_t begun;   /* 1: it has begun the task */
    _Atomic uint32_t done;    /* 1: the task has returned, and all below is written */
    _Atomic uint32_t failed;  /* 1: by posse_task_fail, whose message is the result */
    _Atomic uint32_t refused; /* 1: malloc was refused memory, last of all */
    _Atomic int32_t code;
    _Atomic uint64_t size; /* of the result */
    pi_os_forbidden forbidden;
    struct pi_crash_record record; /* with options.autopsy */
    struct pi_feed feed;           /* its progress */
};

#define PI_TASK_HEAD ((sizeof(struct pi_task_memory) + 63) & ~(size_t)63)

static inline void *pi_task_arg_room(struct pi_task_memory *memory)
{
    return (char *)memory + PI_TASK_HEAD;
}
/* arg_room: as the caller knows it. */
static inline void *pi_task_result_room(struct pi_task_memory *memory, size_t arg_room)
{
    return (char *)memory + PI_TASK_HEAD + arg_room;
}
