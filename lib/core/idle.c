#include "core/idle.h"

#include "base/assert.h"

#define SPINNING(worker) ((uint64_t)1 << (32 + (worker) % 32))
#define SLEEPING(worker) ((uint64_t)1 << ((worker) % 32))

static _Atomic uint64_t *word_of(struct pi_idle *idle, unsigned worker)
{
    PI_ASSERT(worker < PI_MAX_WORKERS);
    return &idle->word[worker / 32];
}

/* The SLEEPING bits of word i that are of the first n workers. */
static uint64_t sleeping_in(unsigned workers, unsigned i)
{
    unsigned rest = workers - 32 * i;
    return rest >= 32 ? UINT32_MAX : SLEEPING(rest) - 1;
}

static unsigned words_for(unsigned workers) { return (workers + 31) / 32; }

void pi_idle_spin(struct pi_idle *idle, unsigned worker)
{
    pi_or_seq(word_of(idle, worker), SPINNING(worker)); /* before the look at the ring */
}

void pi_idle_sleep(struct pi_idle *idle, unsigned worker)
{
    uint64_t seen = pi_load_relaxed(word_of(idle, worker)); /* relaxed: the CAS checks it */
    /* seq: before the last look at the ring */
    while (!pi_cas_seq(word_of(idle, worker), &seen, (seen & ~SPINNING(worker)) | SLEEPING(worker)))
        ;
}

void pi_idle_leave(struct pi_idle *idle, unsigned worker)
{
    /* before the look at the ring */
    pi_and_seq(word_of(idle, worker), ~(SPINNING(worker) | SLEEPING(worker)));
}

bool pi_idle_has(struct pi_idle *idle, unsigned worker)
{
    /* seq: with the steps of the worker */
    return pi_load_seq(word_of(idle, worker)) & (SPINNING(worker) | SLEEPING(worker));
}

bool pi_idle_any_spinner(struct pi_idle *idle, unsigned workers)
{
    for (unsigned i = 0; i < words_for(workers); i++)
        if (pi_load_seq(&idle->word[i]) >> 32 & sleeping_in(workers, i)) /* after a push */
            return true;
    return false;
}

unsigned pi_idle_count_spinners(struct pi_idle *idle, unsigned workers)
{
    unsigned count = 0;
    for (unsigned i = 0; i < words_for(workers); i++) /* seq: after a push */
        count += (unsigned)__builtin_popcountll(pi_load_seq(&idle->word[i]) >> 32 &
                                                sleeping_in(workers, i));
    return count;
}

bool pi_idle_any(struct pi_idle *idle, unsigned workers)
{
    for (unsigned i = 0; i < words_for(workers); i++)
        if (pi_load_seq(&idle->word[i])) /* after a push */
            return true;
    return false;
}

unsigned pi_idle_count(struct pi_idle *idle, unsigned workers)
{
    unsigned count = 0;
    for (unsigned i = 0; i < words_for(workers); i++) /* relaxed: advice only */
        count += pi_idle_count_in(pi_load_relaxed(&idle->word[i]));
    return count;
}

uint32_t pi_idle_claim(struct pi_idle *idle, unsigned workers)
{
    for (unsigned i = 0; i < words_for(workers); i++) {
        uint64_t seen = pi_load_seq(&idle->word[i]); /* after a push */
        while (seen & sleeping_in(workers, i)) {
            uint64_t bit = seen & (~seen + 1); /* the lowest: its caches are the warmest */
            if (pi_cas_seq(&idle->word[i], &seen, (seen & ~bit) | bit << 32)) /* before the post */
                return i * 32 + (uint32_t)__builtin_ctzll(bit);
        }
    }
    return PI_NO_INDEX;
}

uint32_t pi_idle_claim_if_none_spins(struct pi_idle *idle, unsigned workers)
{
    return pi_idle_any_spinner(idle, workers) ? PI_NO_INDEX : pi_idle_claim(idle, workers);
}
