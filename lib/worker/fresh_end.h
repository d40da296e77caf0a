/* fresh_end.h - the end of a task that has a process of its own, and what it may use until then. */
#pragma once

#include "core/details.h"
#include "os/spare.h"
#include "os/usage.h"
#include "pool/self.h"
#include "worker/fresh_task.h"

/* What a task may use, and what it uses. Zero: no limits. */
struct pi_fresh_use {
    struct pi_details *details;      /* NULL: no limits */
    uint64_t max_memory, max_cpu_ns; /* 0: none */
    pid_t pid;
    struct pi_os_usage had; /* what its process had before it, */
    uint64_t cpu_had;       /* and had used */
    uint64_t peak;          /* the most that it gained, as far as the worker has looked */
    uint64_t rest_ns;       /* of processor time; until the next look */
    unsigned unread;        /* looks in a row that could not tell its memory */
    enum pi_over over;
};

/* Reads the limits of a task, and sets those of its process, which has not begun. False: they
 * cannot be set: it may have died. */
bool pi_fresh_limit(struct pi_fresh_use *use, struct posse_task *task, pid_t pid);
/* How long the worker may sleep until it looks: at most `pause`. */
uint64_t pi_fresh_pause(const struct pi_fresh_use *use, uint64_t pause);
/* Looks. True: the process must be killed, as the task is over a limit, or hides its use. */
bool pi_fresh_is_over(struct pi_fresh_use *use);

/* The process has ended so. It may be over a limit that no look has found. */
void pi_fresh_note_end(struct pi_fresh_use *use, const struct pi_os_end *how);

struct pi_fresh_end {
    const struct pi_spare *spare;
    const struct pi_os_end *how;
    struct pi_fresh_use *use;
};
/* The process has ended: takes the result, or says in the task that it is lost or over a limit.
 * Returns what the task returned. */
int pi_fresh_end(struct posse_task *task, const struct pi_fresh_end *end);
