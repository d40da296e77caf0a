#include "core/seats.h"

#define SPINNING(seat) ((uint64_t)1 << (32 + (seat) % 32))
#define SLEEPING(seat) ((uint64_t)1 << ((seat) % 32))
#define ALL_SLEEPING ((uint64_t)UINT32_MAX)

/* Bits of word i that are of the first n seats: others are none of ours. */
static uint64_t sleeping_in(unsigned seats, unsigned i)
{
    unsigned rest = seats - 32 * i;
    return rest >= 32 ? ALL_SLEEPING : ((uint64_t)1 << rest) - 1;
}

static unsigned words_for(unsigned seats) { return (seats + 31) / 32; }

void pi_idle_spin(struct pi_idle *idle, unsigned seat)
{
    pi_or_seq(&idle->word[seat / 32], SPINNING(seat));
}

void pi_idle_sleep(struct pi_idle *idle, unsigned seat)
{
    _Atomic uint64_t *word = &idle->word[seat / 32];
    uint64_t seen = pi_load_relaxed(word); /* relaxed: the CAS checks it */
    while (!pi_cas_seq(word, &seen, (seen & ~SPINNING(seat)) | SLEEPING(seat)))
        ;
}

void pi_idle_leave(struct pi_idle *idle, unsigned seat)
{
    pi_and_seq(&idle->word[seat / 32], ~(SPINNING(seat) | SLEEPING(seat)));
}

bool pi_idle_is_spinning(struct pi_idle *idle, unsigned seat)
{
    return pi_load_relaxed(&idle->word[seat / 32]) & SPINNING(seat); /* relaxed: advice only */
}

bool pi_idle_has(struct pi_idle *idle, unsigned seat)
{
    return pi_load_seq(&idle->word[seat / 32]) & (SPINNING(seat) | SLEEPING(seat));
}

bool pi_idle_any_spinner(struct pi_idle *idle, unsigned seats)
{
    for (unsigned i = 0; i < words_for(seats); i++)
        if (pi_load_seq(&idle->word[i]) >> 32 & sleeping_in(seats, i))
            return true;
    return false;
}

bool pi_idle_any(struct pi_idle *idle, unsigned seats)
{
    for (unsigned i = 0; i < words_for(seats); i++)
        if (pi_load_seq(&idle->word[i])) /* seq: after a push, as to claim one */
            return true;
    return false;
}

unsigned pi_idle_count(struct pi_idle *idle, unsigned seats)
{
    unsigned count = 0;
    for (unsigned i = 0; i < words_for(seats); i++)
        count += (unsigned)__builtin_popcountll(pi_load_relaxed(&idle->word[i])); /* advice only */
    return count;
}

uint32_t pi_idle_claim(struct pi_idle *idle, unsigned seats, bool force)
{
    if (!force && pi_idle_any_spinner(idle, seats))
        return PI_NONE;
    for (unsigned i = 0; i < words_for(seats); i++) {
        uint64_t seen = pi_load_seq(&idle->word[i]);
        while (seen & sleeping_in(seats, i)) {
            uint64_t bit = seen & (~seen + 1); /* the lowest: its caches are the warmest */
            if (pi_cas_seq(&idle->word[i], &seen, (seen & ~bit) | bit << 32))
                return i * 32 + (uint32_t)__builtin_ctzll(bit);
        }
    }
    return PI_NONE;
}
