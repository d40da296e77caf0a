/* error.h - what failed, in words: for posse_last_error, and why an executor broke. */
#pragma once

#include "pool/pool.h"

/* Returns the status, and notes the words, which are constant, for posse_last_error. Each
 * POSSE_INVALID, POSSE_TOO_LARGE, POSSE_NOT_SUPPORTED, POSSE_NO_MEMORY and POSSE_SYSTEM of a call
 * comes from here: pi_refuse(POSSE_INVALID, "size is 0"). */
void pi_note_refusal(const char *words) __attribute__((cold));
static inline posse_status pi_refuse(posse_status status, const char *words)
{
    pi_note_refusal(words);
    return status;
}
/* What may be wrong with the arguments of a call. The first one that was made is refused. */
struct pi_mistake {
    bool made;
    posse_status status;
    const char *words;
};
posse_status pi_refuse_first(const struct pi_mistake *mistakes, size_t n);
#define PI_REFUSE_FIRST(mistakes) pi_refuse_first(mistakes, sizeof(mistakes) / sizeof *(mistakes))
/* The words of this thread's last refusal. */
const char *pi_refusal(void);
/* Words that several calls need. */
#define PI_STALE "the future is stale: it was released, or is none of this executor's"
#define PI_WRONG_TIMEOUT "timeout_ms is under -1"
#define PI_NO_HEAP "the program has no memory left"
#define PI_NO_PARKER "too many threads and tasks are waiting, or there is no memory for one more"
#define PI_NO_SHARED "shared memory is exhausted: /dev/shm, a resource limit, or the machine"

/* What an errno means to a caller, which finds it in errno too. POSSE_OK: it is 0. POSSE_NO_MEMORY:
 * memory, processes or threads are exhausted. POSSE_SYSTEM: any other. The words name what
 * failed. */
posse_status pi_refuse_errno(int error, const char *words);
/* The same for a function that has just failed and set errno. */
posse_status pi_failure(const char *words);

/* An error that is no more than words; what failed with an errno; a worker's death. */
struct pi_error pi_error_from_words(const char *words);
struct pi_error pi_error_from_errno(const char *what, int error);
struct pi_error pi_error_from_death(const struct pi_death *death);
/* The end of a worker in words. */
void pi_describe_death(const struct pi_death *death, char *text, size_t size);
/* The number of the call that was forbidden; -1: unknown, or none was. */
long pi_forbidden_call(const struct pi_death *death);

/* Writes an error for `owner`, unless the cell has one already. */
void pi_error_cell_write(struct pi_error_cell *cell, unsigned owner, const struct pi_error *error);
/* False: no error was written. The message ends, whatever the memory holds. */
bool pi_error_cell_read(struct pi_error_cell *cell, struct pi_error *error);
