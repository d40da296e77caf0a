/* order: `word` is seq, as a submitter looks at counts and phase after its push; `seen` is private
 * to the process, and acquire and release by the seq of <stdatomic.h>: what it stands for is
 * open. */
#include "core/monotonic.h"

#include "base/assert.h"

void pi_monotonic_init(struct pi_monotonic *count, _Atomic uint64_t *word, uint32_t max)
{
    count->word = word;
    count->max = max;
    count->open = NULL;
    atomic_init(&count->seen, 0);
}

static bool open(struct pi_monotonic *count, uint32_t number)
{
    return !count->open || count->open(count->context, number);
}

/* Whether somebody may have raised the number to that. */
static bool is_possible(const struct pi_monotonic *count, uint64_t word)
{
    return pi_monotonic_is_valid(word) && (uint32_t)word <= count->max;
}

/* Remembers a word if it is more than the last one. Private memory, so it is no crash point. */
static uint64_t remember(struct pi_monotonic *count, uint64_t word)
{
    uint64_t seen = pi_load_acquire(&count->seen);
    if (!is_possible(count, word) || (uint32_t)word <= (uint32_t)seen ||
        !open(count, (uint32_t)word))
        return seen;
    while ((uint32_t)word > (uint32_t)seen)
        if (atomic_compare_exchange_strong(&count->seen, &seen, word))
            return word;
    return seen;
}

/* A number that this process cannot open stays: others can. */
uint32_t pi_monotonic_reload(struct pi_monotonic *count, uint64_t word)
{
    uint64_t seen = remember(count, word);
    if (word != seen && (!is_possible(count, word) || (uint32_t)word < (uint32_t)seen))
        (void)pi_cas_seq(count->word, &word, seen);
    return (uint32_t)seen;
}

bool pi_monotonic_raise(struct pi_monotonic *count, uint32_t to)
{
    uint64_t raised = pi_monotonic_word(to), word = pi_load_seq(count->word);
    PI_ASSERT(to <= count->max);
    bool done = false;
    while (!done && pi_monotonic_reload(count, word) < to &&
           (!is_possible(count, word) || (uint32_t)word < to))
        done = pi_cas_seq(count->word, &word, raised);
    (void)remember(count, raised);
    return done;
}
