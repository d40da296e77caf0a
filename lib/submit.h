/* submit.h - the steps of submitting that submit.c and submit_many.c have in common.
 *
 * Runs in: program, worker.
 */
#pragma once

#include "core/lanes.h"
#include "internal.h"

/* A task on its way into the ring. */
struct pi_submission {
    posse_executor *executor;
    const posse_job *job;
    pi_writer *write; /* copies the argument, or puts it together in place */
    uint64_t flags;   /* for the word of the task, but for its entry */
    enum pi_lane lane;
    unsigned owner;
    uint64_t limit; /* of the queue; 0: none */
    uint64_t until; /* to wait for room; 0: it has not waited yet */
    uint64_t now;   /* the stamp of its tasks, 0: not taken yet */
    /* Its slot, and the slot's word: FILLING, exact. */
    uint32_t index;
    struct pi_slot *slot;
    uint64_t word;
};

static inline void pi_submit_set_job(struct pi_submission *s, const posse_job *job)
{
    s->job = job;
    s->lane = job->priority == POSSE_PRIORITY_NORMAL ? PI_LANE_NORMAL
              : job->priority > 0                    ? PI_LANE_HIGH
                                                     : PI_LANE_LOW;
}

/* Takes up to `most` slots for its tasks, at least 1. 0: there is no memory for any. */
unsigned pi_submit_take(struct pi_submission *s, unsigned most, struct pi_filling *taken);
/* Writes the task into its slot. If that fails, the slot is freed. */
posse_status pi_submit_fill(struct pi_submission *s);
/* Publishes the task and pushes it into its ring. POSSE_FULL: the task is FILLING again. */
posse_status pi_submit_enqueue(struct pi_submission *s);

/* ---- submit_room.c ---- */

/* At a limit of the queue: whether it is full though no push would say so. */
bool pi_submit_is_full(const struct pi_submission *s);
/* After a push that has not taken the task at once. As pi_submit_enqueue. */
posse_status pi_submit_push_again(struct pi_submission *s, enum pi_push pushed);
/* After POSSE_FULL: waits for room, as the job says. */
posse_status pi_submit_await_room(struct pi_submission *s);

/* ---- submit_undo.c ---- */

/* PENDING -> FILLING. `entries` are the flags of IN_RING that still hold. False: the task was
 * claimed or cancelled meanwhile. */
bool pi_submit_take_back(struct pi_submission *s, uint64_t entries);
/* The executor has closed: frees the slot of a task that was pushed. False: it was accepted. */
bool pi_submit_undo(struct pi_submission *s);
