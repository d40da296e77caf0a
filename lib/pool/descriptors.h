/* descriptors.h - how the descriptors of a job reach the worker that runs its task.
 *
 * Runs in: program, worker; pi_descriptors_ended also in the supervisor.
 *
 * A worker is forked before the program opens the descriptor. So the supervisor holds copies, under
 * the slot's index and generation, and hands them to the worker that asks for them. With threads
 * and inline the program holds the copies in the same table (held.h), and nobody is asked.
 *
 *   process                    does                                          has copies then
 *   1  submitter, FILLING      sends KEEP with the descriptors, and waits    submitter, message
 *   2  supervisor              holds them, or refuses; answers               submitter, supervisor
 *   3  submitter               publishes the task; the program may close     supervisor
 *   4  worker, RUNNING         sends TAKE, and waits                         supervisor
 *   5  supervisor              answers with copies; closes its own if the    answer (supervisor)
 *                              task has no retries left
 *   6  worker                  calls the function                            worker (supervisor)
 *   7  worker                  closes its copies, ends the task              (supervisor)
 *   8  the process that ended  notifies the supervisor, unless 5 has closed  (supervisor)
 *      or freed the task       them for sure: see pi_descriptors_left
 *   9  supervisor, its round   closes what is held for tasks that are over   nobody
 *
 * A request is one message on a socket to the supervisor: the program has one such socket, all
 * workers share another. It carries one end of a new pair of sockets, on which the answer comes. So
 * the answer reaches the process that asked, and the kernel closes the copies in an answer that
 * nobody reads. A sealed worker can make no sockets. It makes one pair before, keeps both ends, and
 * so does not find the end of its socket if the supervisor gets a request without the other end.
 * Therefore the supervisor ends the socket of such a request.
 *
 *   dies            at      left behind                          repair
 *   the submitter,  1       a message: FILLING, or FREE by then  2 holds, or refuses; 9 after the
 *   a worker                                                     slot is recovered and FREE
 *                   2 to 3  held for FILLING                     9, as above
 *   the worker      4       a message: RUNNING, or not any more  5 to nobody, or refuses: also if
 *                                                                the next attempt runs, in a worker
 *                                                                of the same number
 *                   4 to 7  its copies                           the kernel closes them. The next
 *                                                                attempt asks again, or 9
 *                   7 to 8  held for a task that has ended       9, in the round that reaps it
 *   the program     any                                          the supervisor and workers end
 *   the supervisor  any     a caller waits for an answer         the end of its sockets wakes the
 *                                                                caller; workers die with it
 *
 * Steps 4 to 6 are the same in KILLING: the task may still end by itself (supervisor/grace.c).
 *
 * A worker that is forked while some are held closes its copies first thing.
 *
 * The model is tests/model/custody.pml.
 *
 * Limits: a caller has one request under way, so at most PI_OS_MAX_FDS descriptors of each caller
 * are in messages. The supervisor refuses (EMFILE) when it would have fewer than
 * PI_SPARE_DESCRIPTORS left, or holds some for PI_MAX_HELD tasks.
 *
 * The supervisor never waits: it takes what is there, and gives up an answer that it cannot send.
 * It sees that a life of a slot is over by the state word, so a wild task costs descriptors only.
 * A wild task can end the socket that the workers share, or close its worker's. Then the supervisor
 * makes another one for the workers that it starts from then on. A worker whose socket has ended or
 * is closed gives a task with descriptors back, and is replaced. If the initializer has closed it,
 * the worker fails such tasks, as its successor would.
 */
#pragma once

#include "pool/held.h"
#include "pool/pool.h"

enum pi_descriptors_op { PI_DESCRIPTORS_KEEP = 1, PI_DESCRIPTORS_TAKE };

struct pi_descriptors_request {
    uint32_t op;
    uint32_t worker; /* that takes them */
    struct pi_life life;
    uint32_t retries; /* of the slot, when the worker takes them: they tell an attempt */
};
struct pi_descriptors_answer {
    uint32_t op;   /* of the request */
    int32_t error; /* 0 or an errno */
    struct pi_life life;
};

static inline bool pi_slot_has_descriptors(struct pi_slot *slot)
{
    return pi_load_relaxed(&slot->arg_size) & PI_DESCRIPTORS; /* relaxed: constant after FILLING */
}

/* Whether they may still be held for a task that goes to or is in this state. A task that is DONE
 * has got them, and the holder closed its own if no retries were left. */
static inline bool pi_descriptors_left(struct pi_slot *slot, enum pi_state state)
{
    if (!pi_slot_has_descriptors(slot))
        return false;
    return state != PI_DONE || pi_load_relaxed(&slot->retries) > 0; /* relaxed: as it was taken */
}

/* Has them held for a task that is FILLING. POSSE_OK, POSSE_SYSTEM, POSSE_NO_MEMORY,
 * POSSE_NOT_SUPPORTED, POSSE_BROKEN, POSSE_SHUT_DOWN. */
posse_status pi_descriptors_keep(posse_executor *executor, const struct pi_life *life,
                                 const int *from, size_t n);
/* For the worker of a task: `own` gets its copies. 0 or an errno. */
int pi_descriptors_take(const struct posse_task *task, struct pi_os_fds *own);
/* In a worker, before it is sealed: makes the sockets for answers. 0 or an errno. */
int pi_descriptors_before_seal(posse_executor *executor);
/* Whether this worker can ask for them. */
bool pi_descriptors_in_reach(posse_executor *executor);
/* After the end of a task, or of its slot, whose descriptors may be left. Keeps errno. */
void pi_descriptors_ended(posse_executor *executor, uint32_t index, uint64_t word);
