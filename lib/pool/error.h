/* error.h - errors of calls in words, and why an executor broke. */
#ifndef PI_ERROR_H
#define PI_ERROR_H

#include "pool/pool.h"

/* Gives the status back, and notes the words, which are constant, for posse_last_error. Each
 * POSSE_INVALID, POSSE_TOO_LARGE, POSSE_NOT_SUPPORTED, POSSE_NO_MEMORY and POSSE_SYSTEM of a call
 * comes from here: pi_refuse(POSSE_INVALID, "size is 0"). */
void pi_note_refusal(const char *words) __attribute__((cold));
static inline posse_status pi_refuse(posse_status status, const char *words)
{
    pi_note_refusal(words);
    return status;
}
/* The words of this thread's last refusal. */
const char *pi_refusal(void);
/* Words that several calls need. */
#define PI_STALE "the future is stale: it was released, or is none of this executor's"
#define PI_WRONG_TIMEOUT "timeout_ms is under -1"
#define PI_NO_HEAP "the program has no memory left"
#define PI_NO_PARKER "too many threads and tasks are waiting, or there is no memory for one more"
#define PI_NO_SHARED "shared memory is exhausted: /dev/shm, a resource limit, or the machine"

/* What an errno means to a caller, who finds it in errno too: POSSE_OK if it is 0, POSSE_NO_MEMORY
 * if memory or the number of processes and threads is exhausted, else POSSE_SYSTEM. The words say
 * what failed. */
posse_status pi_refuse_errno(int error, const char *words);
/* The same of what has just failed, and has set errno. */
posse_status pi_failure(const char *words);

/* A reason that is no more than words; the same for what has failed with an errno. */
struct pi_error pi_error_from_words(const char *words);
struct pi_error pi_error_from_errno(const char *what, int error);
struct pi_error pi_error_from_death(const struct pi_death *death);
/* The end of a worker in words. */
void pi_describe_death(const struct pi_death *death, char *text, size_t size);
/* Says it, in the name of `owner`, unless something is said already. */
void pi_error_cell_write(struct pi_error_cell *report, unsigned owner,
                         const struct pi_error *reason);
/* False: nothing (more) is said. Whatever the memory holds, the message ends. */
bool pi_error_cell_read(struct pi_error_cell *report, struct pi_error *reason);
/* Fills error as posse_why_broken does: POSSE_OK if the executor is not broken. */
void pi_why_broken(posse_executor *executor, posse_error *error);

#endif
