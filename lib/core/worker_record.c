#include "core/worker_record.h"

#define SPINNING(worker) ((uint64_t)1 << (32 + (worker) % 32))
#define SLEEPING(worker) ((uint64_t)1 << ((worker) % 32))
#define ALL_SLEEPING ((uint64_t)UINT32_MAX)

/* Bits of word i that are of the first n workers: others are none of ours. */
static uint64_t sleeping_in(unsigned workers, unsigned i)
{
    unsigned rest = workers - 32 * i;
    return rest >= 32 ? ALL_SLEEPING : ((uint64_t)1 << rest) - 1;
}

static unsigned words_for(unsigned workers) { return (workers + 31) / 32; }

void pi_idle_spin(struct pi_idle *idle, unsigned worker)
{
    pi_or_seq(&idle->word[worker / 32], SPINNING(worker));
}

void pi_idle_sleep(struct pi_idle *idle, unsigned worker)
{
    _Atomic uint64_t *word = &idle->word[worker / 32];
    uint64_t seen = pi_load_relaxed(word); /* relaxed: the CAS checks it */
    while (!pi_cas_seq(word, &seen, (seen & ~SPINNING(worker)) | SLEEPING(worker)))
        ;
}

void pi_idle_leave(struct pi_idle *idle, unsigned worker)
{
    pi_and_seq(&idle->word[worker / 32], ~(SPINNING(worker) | SLEEPING(worker)));
}

bool pi_idle_is_spinning(struct pi_idle *idle, unsigned worker)
{
    return pi_load_relaxed(&idle->word[worker / 32]) & SPINNING(worker); /* relaxed: advice only */
}

bool pi_idle_has(struct pi_idle *idle, unsigned worker)
{
    return pi_load_seq(&idle->word[worker / 32]) & (SPINNING(worker) | SLEEPING(worker));
}

bool pi_idle_any_spinner(struct pi_idle *idle, unsigned workers)
{
    for (unsigned i = 0; i < words_for(workers); i++)
        if (pi_load_seq(&idle->word[i]) >> 32 & sleeping_in(workers, i))
            return true;
    return false;
}

bool pi_idle_any(struct pi_idle *idle, unsigned workers)
{
    for (unsigned i = 0; i < words_for(workers); i++)
        if (pi_load_seq(&idle->word[i])) /* seq: after a push, as to claim one */
            return true;
    return false;
}

unsigned pi_idle_count(struct pi_idle *idle, unsigned workers)
{
    unsigned count = 0;
    for (unsigned i = 0; i < words_for(workers); i++)
        count += (unsigned)__builtin_popcountll(pi_load_relaxed(&idle->word[i])); /* advice only */
    return count;
}

uint32_t pi_idle_claim(struct pi_idle *idle, unsigned workers, bool force)
{
    if (!force && pi_idle_any_spinner(idle, workers))
        return PI_NO_INDEX;
    for (unsigned i = 0; i < words_for(workers); i++) {
        uint64_t seen = pi_load_seq(&idle->word[i]);
        while (seen & sleeping_in(workers, i)) {
            uint64_t bit = seen & (~seen + 1); /* the lowest: its caches are the warmest */
            if (pi_cas_seq(&idle->word[i], &seen, (seen & ~bit) | bit << 32))
                return i * 32 + (uint32_t)__builtin_ctzll(bit);
        }
    }
    return PI_NO_INDEX;
}
