/* internal.h - what the calls of posse.h have in common. */
#pragma once

#include "pool/error.h"
#include "pool/pool.h"

/* Of a process that has forked away from an executor's: POSSE_NOT_SUPPORTED in that of a task
 * (POSSE_FRESH), else POSSE_WRONG_PROCESS. */
posse_status pi_elsewhere(void);
/* POSSE_OK if the executor may be used here; POSSE_INVALID (NULL), or as pi_elsewhere. */
static inline posse_status pi_check(const posse_executor *executor)
{
    if (!executor)
        return pi_refuse(POSSE_INVALID, "executor is NULL");
    return pi_os_fork_detect_holds(&executor->guard) ? POSSE_OK : pi_elsewhere();
}

/* POSSE_NOT_SUPPORTED: its tasks run elsewhere, so it shares no memory with them. */
static inline posse_status pi_check_shared(const posse_executor *executor)
{
    return !executor->runner
               ? POSSE_OK
               : pi_refuse(POSSE_NOT_SUPPORTED, "options.runner: tasks run elsewhere and share "
                                                "nothing with the workers");
}

/* task.c: the same for what a task says of itself. */
posse_status pi_check_task(const posse_task *task);

/* ---- sized.c: structs that begin with their size ---- */

static inline size_t pi_size_of(const void *sized) { return *(const size_t *)sized; }
/* A struct that a call is given, as this library knows it (`known` bytes): itself if its size is
 * that; else `copy`, with zeros for what it lacks. NULL: it has no valid size, or says more than
 * this library knows. */
const void *pi_sized_copy(const void *given, void *copy, size_t known);
static inline const void *pi_sized_read(const void *given, void *copy, size_t known)
{
    return given && pi_size_of(given) == known ? given : pi_sized_copy(given, copy, known);
}
/* A struct that a call fills: POSSE_INVALID if it is NULL or has no valid size. */
posse_status pi_sized_check(const void *given);
/* Fills it from one of `known` bytes, as far as it goes, and with zeros from there on. */
void pi_sized_write(void *to, const void *from, size_t known);

/* ---- options.c ---- */

/* Copies the options that were given, or the defaults, and checks them. POSSE_INVALID,
 * POSSE_TOO_LARGE, POSSE_NOT_SUPPORTED. */
posse_status pi_options_read(const posse_options *given, posse_options *options);
/* Writes them into the executor. POSSE_INVALID, POSSE_NO_MEMORY. */
posse_status pi_options_apply(posse_executor *executor, const posse_options *options);

/* trace.c: how many events there is room for. */
void pi_trace_size(const posse_executor *executor, struct pi_segment_options *options);
/* Of an executor that ends: a trace that was not stopped is lost. */
void pi_trace_drop(posse_executor *executor);

/* seal_options.c: checks options.seal, and copies it into the executor, for free; NULL: the seal
 * that allows nothing. POSSE_INVALID, POSSE_TOO_LARGE, POSSE_NOT_SUPPORTED, POSSE_NO_MEMORY,
 * POSSE_SYSTEM; the copy may be made then, too. */
struct posse_seal;
posse_status pi_seal_read(posse_executor *executor, const struct posse_seal *given);

/* ---- at_exit.c: the list of executors that exit waits for ---- */

/* Registers the handler of atexit, once. POSSE_NO_MEMORY. */
posse_status pi_at_exit_begin(void (*handler)(void));
void pi_at_exit_add(posse_executor *executor);
void pi_at_exit_remove(posse_executor *executor);
/* Takes the next executor of this process off the list; NULL: there is none. Calls pi_call_enter,
 * so that destroy waits for the caller, which then calls pi_call_exit. */
posse_executor *pi_at_exit_next(void);

/* ---- future.c, describe.c: how a task ended ---- */

/* What a call sees of a future. */
struct pi_seen {
    struct pi_slot *slot;
    uint64_t word; /* of the slot */
    bool entered;  /* the caller must call pi_call_exit once it has read all */
};
/* Looks now. As pi_check; POSSE_INVALID also for a stale handle. */
posse_status pi_future_look(posse_future future, struct pi_seen *seen);
/* The word alone; 0, which is no state of a task, if there is none. Unlike posse_done it delivers
 * nothing: the caller may hold the dispatcher's lock. */
uint64_t pi_future_word(posse_future future);
/* How the task ended, whose word is final (status.c). POSSE_INVALID: it was released meanwhile. */
posse_status pi_end_of(posse_executor *executor, const struct pi_seen *seen);
static inline posse_status pi_end_or_ok(posse_executor *executor, struct pi_seen seen)
{
    return pi_state(seen.word) == PI_DONE ? POSSE_OK : pi_end_of(executor, &seen);
}
/* Waits until the task has ended, as posse_result does. */
posse_status pi_await(posse_future future, long timeout_ms, struct pi_seen *seen);
/* The status if what was read of a slot was this task's, else POSSE_INVALID. Another thread may
 * have released it meanwhile. order: pi_discard changes the word before another task can write
 * anything there. */
static inline posse_status pi_confirm(posse_future future, struct pi_slot *slot,
                                      posse_status status)
{
    return pi_handle_valid(pi_load_again(&slot->word), future) ? status
                                                               : pi_refuse(POSSE_INVALID, PI_STALE);
}
/* Which run of an item this is, if it has had `runs` before its task: as posse_task_attempt. */
static inline int pi_attempt(int of_task, unsigned runs)
{
    return runs < UINT8_MAX - (unsigned)of_task ? of_task + (int)runs : UINT8_MAX;
}
/* As posse_cancel and posse_kill, of a task whose future may be released. */
posse_status pi_cancel(posse_future future, struct pi_seen seen);
posse_status pi_kill(posse_future future, struct pi_seen seen);
/* Fills an error with a call's status and its words, and nothing else. */
void pi_error_of_call(posse_status status, posse_error *error);
/* As posse_exception, of a task that is final. */
void pi_error_of_task(posse_executor *executor, const struct pi_seen *seen, posse_error *error);
/* Adds a death to an error whose status is WORKER_LOST or FORBIDDEN. */
void pi_error_of_death(const struct pi_death *death, posse_error *error);
/* Why the executor is broken; POSSE_OK if it is not. */
void pi_error_of_break(posse_executor *executor, posse_error *error);

/* submit_check.c: whether the workers have this function. */
bool pi_loaded(posse_executor *executor, uintptr_t address);
/* POSSE_OK: the executor accepts tasks of this thread. */
posse_status pi_accepts(posse_executor *executor);
/* Whether it is a posse_priority. */
static inline bool pi_is_priority(long number)
{
    return number >= POSSE_PRIORITY_LOW && number <= POSSE_PRIORITY_HIGH;
}
/* Whether it has limits: few have. */
static inline bool pi_job_is_limited(const posse_job *job)
{
    return (job->max_memory | (unsigned long)job->max_cpu_ms | (unsigned long)job->grace_ms |
            (unsigned long)job->timeout_ms) != 0;
}
/* POSSE_OK: the job is right, and its function loaded. */
posse_status pi_check_job(posse_executor *executor, const posse_job *job);

struct pi_details;
/* job_memory.c: POSSE_OK: the task may get job.memory. */
posse_status pi_check_memory(posse_executor *executor, const posse_job *job);
/* Writes it into the details of the task, which have room for it. */
void pi_fill_memory(posse_executor *executor, const posse_job *job, struct pi_details *details);

/* submit.c: as posse_submit_with; but `write`, a function like memcpy, writes the argument to its
 * place. It gets job->arg to read. */
typedef void *pi_writer(void *to, const void *from, size_t size);
posse_status pi_submit(posse_executor *executor, const posse_job *job, pi_writer *write,
                       posse_future *future);

/* ---- task_group.c, task_member.c: the task of a job with a group ---- */

struct pi_submission;
struct pi_member;
/* Whether a job for the executor may have this group. */
posse_status pi_check_job_group(const posse_executor *executor, const struct posse_group *group);
/* What of `arg_size` says that the group has the task; and until when, if its time is limited. */
uint64_t pi_group_kind(const struct posse_group *group);
uint64_t pi_group_end_ns(const struct posse_group *group);
/* POSSE_OK: it takes tasks. POSSE_CANCELLED, POSSE_DEADLINE. pi_wake_room wakes when it changes. */
posse_status pi_group_status(struct posse_group *group);
/* Before the task enters the queue. POSSE_OK: *member must be given to pi_member_joined; NULL: the
 * task waits in its group. Otherwise its slot is freed. */
posse_status pi_member_enter(struct pi_submission *s, struct pi_member **member);
/* The task has entered the queue, or was refused with that status, which it returns. */
posse_status pi_member_joined(struct pi_member *member, posse_status status);

/* submit_inline.c: runs a task that is FILLING, exactly `word`, to its end; `flags` are added to
 * its word. POSSE_OK, or why it was not accepted: it is freed then. */
posse_status pi_submit_inline(posse_executor *executor, uint32_t index, uint64_t word,
                              uint64_t flags);

/* Whether this thread is in a callback of the executor's. */
bool pi_calls_back(const posse_executor *executor);
/* Waits until all callbacks have returned, or the executor is being destroyed: posse_destroy calls
 * the others. Does not wait in a callback. *called: there were some. POSSE_OK, POSSE_TIMEOUT. */
posse_status pi_finish_callbacks(posse_executor *executor, uint64_t until, bool *called);
/* stats.c: the part of posse_get_stats that counts tasks and workers. One pass over the slots. */
void pi_count_tasks(posse_executor *executor, posse_stats *stats);
/* wait_idle.c: as posse_wait_idle. */
struct pi_idle_wait {
    posse_executor *executor;
    /* NULL, or called before each sleep: what its caller does meanwhile. Returns when it is due
     * again, but not after `until`. */
    uint64_t (*look)(void *context, uint64_t until);
    void *context;
    uint64_t until; /* pi_wait_idle sets it */
};
posse_status pi_wait_idle(struct pi_idle_wait *wait, long timeout_ms);
/* How a wait for all tasks ends that need not wait any longer (executor.c). */
posse_status pi_shutdown_status(posse_executor *executor);
/* After pi_dispatch_close: waits for the thread, which calls the last callbacks. */
void pi_close_callbacks(posse_executor *executor);
