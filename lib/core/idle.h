/* idle.h - which workers have no task, and which of them is woken next.
 *
 * Runs in: program, worker, supervisor. A worker without a task is SPINNING (it looks at the queue
 * for a few microseconds) or SLEEPING (on its semaphore). One word has both bits of 32 workers, so
 * a change from one to the other is one step:
 *
 *   actor       step                                      then
 *   submitter   pushes (seq), reads the words (seq)       a worker spins: that one will find the
 *                                                         task. Else it turns one SLEEPING bit into
 *                                                         SPINNING by CAS, which claims that
 *                                                         sleeper, and posts its semaphore
 *   worker      sets SPINNING (seq), looks at the queue
 *               (seq)
 *   ... finds   clears SPINNING (seq), looks there        not empty: it wakes the next one, as a
 *       a task                                            submitter does
 *   ... gives   turns SPINNING into SLEEPING (seq),       finds a task: it clears its bit; if that
 *       up      looks at the queue once more              was claimed meanwhile, the post stays for
 *                                                         its next sleep
 *
 * order: the submitter pushes before it reads the words; the worker writes its bits before it looks
 * at the queue; all seq. So the submitter sees the worker, or the worker sees the task.
 *
 * A dead worker leaves its bits, or has claimed a sleeper and not posted it. When the supervisor
 * has reaped the worker, it clears its bits and posts everyone once. It does the same for a worker
 * that was stopped. A post too many only makes a worker look once more. The model is
 * tests/model/idle.pml.
 */
#pragma once

#include "core/bitmap.h"
#include "core/worker_record.h"

#define PI_IDLE_WORDS ((PI_MAX_WORKERS + 31) / 32)

struct pi_idle {
    _Atomic uint64_t word[PI_IDLE_WORDS]; /* bits 0-31: SLEEPING, bits 32-63: SPINNING */
};

/* How many workers have a bit in that word. */
static inline unsigned pi_idle_count_in(uint64_t word)
{
    return (unsigned)__builtin_popcountll((word | word >> 32) & UINT32_MAX);
}

void pi_idle_spin(struct pi_idle *idle, unsigned worker);
/* SPINNING -> SLEEPING */
void pi_idle_sleep(struct pi_idle *idle, unsigned worker);
/* Clears both bits. */
void pi_idle_leave(struct pi_idle *idle, unsigned worker);
/* Whether the worker sleeps or spins. */
bool pi_idle_has(struct pi_idle *idle, unsigned worker);

/* Of the first n workers: whether one spins, and how many do; whether one sleeps or spins, and how
 * many do. */
bool pi_idle_any_spinner(struct pi_idle *idle, unsigned workers);
unsigned pi_idle_count_spinners(struct pi_idle *idle, unsigned workers);
bool pi_idle_any(struct pi_idle *idle, unsigned workers);
unsigned pi_idle_count(struct pi_idle *idle, unsigned workers);

/* Claims one sleeper: SLEEPING -> SPINNING. Returns the worker, which the caller must post, or
 * PI_NO_INDEX if none sleeps. */
uint32_t pi_idle_claim(struct pi_idle *idle, unsigned workers);
/* The same, but PI_NO_INDEX if one spins already. */
uint32_t pi_idle_claim_if_none_spins(struct pi_idle *idle, unsigned workers);
