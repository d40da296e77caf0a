/* monotonic.h - a number in shared memory that only grows: how many things of a table have memory,
 * or how far an executor is on its way to its end.
 *
 * Runs in: program, worker, supervisor. A task may overwrite it. A process that believed a number
 * that is far too large would touch memory that is not there, or take the executor for closed. So
 * the word holds the number and, above it, a product of it; any other word is not believed. Each
 * process keeps the largest number that it has seen, believes none below it, and puts it back if it
 * finds something else.
 *
 * A process can look at no more of a table than it has opened (segment.h). So a larger number is
 * seen only once `open` has opened what it stands for.
 */
#pragma once

#include "base/atomic.h"

struct pi_monotonic {
    _Atomic uint64_t *word; /* shared. order: raised by CAS, seq: what it stands for is there */
    _Atomic uint64_t seen;  /* private: the largest so far */
    uint32_t max;
    /* Opens the things below number for this process; false: it cannot. NULL: they are open
     * already. Any thread may call it at any time. */
    bool (*open)(void *context, uint32_t number);
    void *context;
};

/* Zero for zero: memory that was never written. */
static inline uint64_t pi_monotonic_word(uint32_t number)
{
    return (uint64_t)(number * 0x9e3779b1u) << 32 | number;
}
static inline bool pi_monotonic_is_valid(uint64_t word)
{
    return word == pi_monotonic_word((uint32_t)word);
}

void pi_monotonic_init(struct pi_monotonic *count, _Atomic uint64_t *word, uint32_t max);
/* The number, if the word is not the one that was seen last. */
uint32_t pi_monotonic_reload(struct pi_monotonic *count, uint64_t word);
/* False: it was as much already. What it stands for is open here. */
bool pi_monotonic_raise(struct pi_monotonic *count, uint32_t to);

static inline uint32_t pi_monotonic_get(struct pi_monotonic *count)
{
    uint64_t word = pi_load_seq(count->word); /* with pi_monotonic_raise */
    /* acquire: with the thread that saw it first in this process */
    if (word == pi_load_acquire(&count->seen))
        return (uint32_t)word;
    return pi_monotonic_reload(count, word);
}
