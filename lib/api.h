/* api.h - what the calls of posse.h have in common. */
#ifndef PI_API_H
#define PI_API_H

#include "worker/backend.h"

/* POSSE_OK if the executor may be used here; POSSE_INVALID (NULL), POSSE_WRONG_PROCESS. */
static inline posse_status pi_check(const posse_executor *executor)
{
    if (!executor)
        return POSSE_INVALID;
    return os_guard_holds(&executor->guard) ? POSSE_OK : POSSE_WRONG_PROCESS;
}

/* The slot of a future and its word now. As pi_check; POSSE_INVALID also for a stale handle. */
posse_status pi_future_look(posse_future future, struct pi_slot **slot, uint64_t *word);

/* Whether the workers have this function. */
bool pi_loaded(posse_executor *executor, uintptr_t address);

/* As posse_submit_with; the argument is written to its place by a function like memcpy, which gets
 * job->arg to read. */
typedef void *pi_writer(void *to, const void *from, size_t size);
posse_status pi_submit(posse_executor *executor, const posse_job *job, pi_writer *write,
                       posse_future *future);

/* The executor one of whose callbacks this thread is in, or NULL. */
extern _Thread_local posse_executor *pi_calling_back;
/* Waits until no callback is left to be called; not if one calls it. False: the moment has passed. */
bool pi_settle_callbacks(posse_executor *executor, uint64_t until);

#endif
