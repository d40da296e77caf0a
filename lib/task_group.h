/* task_group.h - task groups (posse_group.h), inside.
 *
 * Runs in: program.
 *
 * A group is private memory of the program, guarded by the lock of its executor's dispatcher. For
 * each task it has a member with a subscription (pool/dispatch.h). When the task has ended, the
 * delivering thread calls pi_group_ended_locked, below called `ended`. What tells a group of an end
 * is the task's word and the dispatcher's list, which a recovery repairs as for any other waiter.
 * So no death of a worker leaves a group half changed, and the program's death ends the executor.
 * Only two things of a group are in shared memory: PI_GROUPED, and that a task is withheld.
 *
 * PI_GROUPED (core/slot.h): the group holds the task beside whoever holds its future, so it can see
 * how a task ended that nobody observes. Whoever gives up last frees the slot:
 *
 *   actor               gives up by (seq)                    then looks (seq)
 *   holder of future    DETACHED, in posse_release           final, and neither PINNED nor GROUPED
 *   group               clears GROUPED, in `ended`           final, DETACHED, not PINNED
 *   finisher            the final word                       DETACHED, not GROUPED
 *   thread that is      clears PINNED                        DETACHED, not GROUPED
 *   inside
 *   The last of them sees what all others did. If two see it, one compare-and-swap wins.
 *
 * Withheld: with max_running a task that finds no room is PENDING, but in no ring (core/slot.h),
 * and waits in the group's list. The end of one task lets the first of the list go:
 *
 *   a member is   meaning                          changed by                             to
 *   entering      its task is on its way into the  submitter: it is in, or refused        running,
 *                 queue; counts as running                                                gone
 *   waiting       withheld, in the list            `ended` of another: offered to all     running
 *                                                  ... it was claimed by a task that      ahead
 *                                                  waits for it, or cancelled
 *   running       in the queue, or runs            `ended`                                gone
 *   ahead         claimed or ended out of turn;    `ended`                                gone
 *                 does not count as running
 *   While members wait, max_running others count as running. So each end lets one go, and if none
 *   counts as running none waits.
 *
 * Shutdown: the supervisor closes a DRAINING executor only if none of its tasks are withheld
 * (`withheld` of the header). A submitter counts its task, then looks at the phase; the supervisor
 * looks at the phase, then at the count: all seq. So the supervisor sees the task, or the submitter
 * takes it back. Whoever takes a task off the list notifies the supervisor.
 *
 * A limit of time: the end is a moment that is known when the group is made, so each task carries
 * it (BOUNDED, details.h). At the end
 *
 *   a task that      ends TIMED_OUT               by
 *   runs             as at its own deadline: the  the supervisor (deadline.c), or its worker
 *                    earlier of the two counts
 *   is PENDING, also in one walk of the list,     the leader thread, which sleeps until then (a
 *   withheld         by one compare-and-swap      timer of dispatch.h), or a caller that sees first
 *                                                 that the time is up
 *   enters just now  behind the walk              its submitter, as with a cancel
 *   is PENDING again when it was lost, or given   whoever put it back, and read the clock then
 *                    back, behind the walk
 *   is claimed       its function is not called   its worker, which compares the clock first
 *   after the end
 *
 * The model is tests/model/group.pml, where the leader is one that cancels.
 */
#pragma once

#include "internal.h"
#include "posse_group.h"

struct pi_member {
    struct pi_subscription sub;
    struct posse_group *group;
    struct pi_member *prev, *next;     /* in the list of those that have not ended */
    struct pi_member *before, *behind; /* in the list of those that wait */
    bool waits, runs;
};

struct posse_group {
    posse_executor *executor;
    struct pi_cq cq; /* of the subscriptions; nothing is ever delivered to it */
    size_t max_running;
    bool cancel_on_failure;
    bool cancelled;
    bool late;                                      /* its time is up, and its tasks were told */
    uint64_t end_ns;                                /* when it is; PI_NEVER: it has no limit */
    struct pi_timer timer;                          /* for that */
    struct pi_member *first, *last;                 /* that have not ended */
    struct pi_member *first_waiting, *last_waiting; /* of these */
    size_t left;                                    /* members, also entering ones */
    size_t running;                                 /* that count as running */
    size_t waiters;                                 /* callers of posse_group_wait */
    posse_status failure;                           /* how the first of them failed, or POSSE_OK; */
    bool has_cancelled;                             /* others were cancelled */
};

/* ---- task_member.c: the dispatcher's lock is held ---- */

/* As pi_cancel or pi_kill. */
typedef posse_status pi_end_fn(posse_future future, struct pi_seen seen);
/* A task that runs is left alone. */
posse_status pi_cancel_pending(posse_future future, struct pi_seen seen);
/* Calls it for each task that has not ended. Each of them ends later, by the dispatcher. */
void pi_group_end_all_locked(const struct posse_group *group, pi_end_fn *end);
/* The task of a subscription has ended, or can end no more. */
void pi_group_ended_locked(struct pi_subscription *sub);
/* If the time of the group is up: ends its tasks that have not begun. */
void pi_group_check_time_locked(struct posse_group *group);
/* From now on it takes no tasks: of those that wait for room, too. Calls `end` for all it has. */
void pi_group_cancel_locked(struct posse_group *group, pi_end_fn *end);
/* Forgets a task that has not ended. */
void pi_group_drop_locked(struct pi_member *member);
