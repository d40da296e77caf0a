/* details.h - what few tasks have beside their slot: name, limits, what they used, memory, feed.
 *
 * Runs in: program, worker, supervisor. A block that lasts as long as this life of its slot. So
 * other tasks pay nothing for it.
 *
 * A task with max_memory or max_cpu_ms goes through these steps; w is its worker:
 *
 *   step                                                by          a death right after it
 *   1  the limits, and zero for the rest                submitter   as any task in FILLING
 *   2  what w has and has used, `over` is NONE; the     w           LOST, or another attempt
 *      process's limit of data is lowered
 *   3  `turn` is 1: they hold                           w           the same; before PENDING the
 *                                                                   supervisor clears `turn`
 *   4  compares w with step 2, in its rounds            supervisor  all workers end
 *   5  it is over: RUNNING -> KILLING(EXPIRED), or      supervisor  the same
 *      KILLING after posse_kill: 9 without 6
 *   6  `over`, and what it has used; kills w            supervisor  the same
 *   7  was refused memory, crashes or exits: `over`     w           TIMED_OUT
 *   8  has ended: the limit of data as before; `over`,  w           TIMED_OUT if it is over, else
 *      what it has used; then its last arrow                        as step 3
 *   9  w reaped: TIMED_OUT if step 6, 7 or 8 has set    supervisor  all workers end
 *      `over`, also where there are attempts left;
 *      CANCELLED if posse_kill came before
 *
 * The supervisor writes only in KILLING(EXPIRED) and when w is reaped: before that w may end the
 * task, and the block may become another's. While w runs another task on top (nested), the limits
 * are lifted: `turn` is 0, and after that w repeats steps 2 and 3 with what the other one has left.
 * So the supervisor reads `turn` before and after it compares.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PI_NAME_SIZE 32

/* Over which limit a task that is TIMED_OUT was; NONE: its deadline. */
enum pi_over { PI_OVER_NONE, PI_OVER_MEMORY, PI_OVER_CPU };

/* A block of posse_alloc that the task gets if it has a process of its own (posse_seal.h). */
struct pi_details_memory {
    uint64_t ref;
    uint64_t writable; /* 0, 1 */
};

struct pi_details {
    /* The submitter writes these in FILLING. 0: none. */
    char name[PI_NAME_SIZE];
    uint64_t max_memory; /* bytes */
    uint32_t max_cpu_ms;
    uint32_t grace_ms;
    /* What the worker had and had used without the task: bytes of private memory, resident bytes
     * from which the peak is counted, nanoseconds. The worker writes them, relaxed, before `turn`
     * (seq). */
    _Atomic uint64_t private_before;
    _Atomic uint64_t resident_before;
    _Atomic uint64_t cpu_before;
    _Atomic uint32_t turn; /* 0: they do not hold; another number each time that they do */
    /* Steps 6 to 8, relaxed: published with the state. `over` is an enum pi_over. */
    _Atomic uint32_t over;
    _Atomic uint64_t peak;   /* bytes that it had more than its worker before it, at most */
    _Atomic uint64_t cpu_ns; /* that it has used */
    /* The submitter writes it in FILLING. Not 0: posse_kill sends SIGTERM first (grace.c). */
    uint32_t terminate;
    uint32_t n_memory;     /* in FILLING, as `memory` */
    _Atomic uint64_t feed; /* the block of what it tells (feed.h); 0: none */
    /* The submitter writes it in FILLING, if the task is BOUNDED (slot.h): when the time of its
     * group is up (task_group.h). */
    uint64_t group_end_ns;
    struct pi_details_memory memory[];
};
_Static_assert(sizeof(struct pi_details) <= 128, "it is a block of the smallest class");

static inline size_t pi_details_size(size_t n_memory)
{
    return sizeof(struct pi_details) + n_memory * sizeof(struct pi_details_memory);
}
