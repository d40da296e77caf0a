/* order: all seq, as the table in waiters.h says. */
#include "core/waiters.h"

#define USED_MASK 0xffffu
#define NEXT_SHIFT 16
#define BITS(word) ((uint32_t)(word))

static unsigned words_used(uint64_t used)
{
    unsigned words = used & USED_MASK;
    return words < PI_WAITERS_WORDS ? words : PI_WAITERS_WORDS; /* a task may have overwritten it */
}

void pi_waiters_init(struct pi_waiters *waiters, uint32_t serial)
{
    atomic_init(&waiters->used, pi_stamp(serial));
    for (unsigned i = 0; i < PI_WAITERS_WORDS; i++)
        atomic_init(&waiters->word[i], pi_stamp(serial));
}

/* Before the bit: a waker that finds this word not yet used came before the waiter's look. */
static bool use_words(struct pi_waiters *waiters, uint32_t serial, unsigned words)
{
    uint64_t seen = pi_load_seq(&waiters->used);
    while (pi_stamped(seen, serial) && (seen & USED_MASK) < words)
        if (pi_cas_seq(&waiters->used, &seen, (seen & ~(uint64_t)USED_MASK) | words))
            return true;
    return pi_stamped(seen, serial);
}

bool pi_waiters_add(struct pi_waiters *waiters, uint32_t serial, uint32_t parker)
{
    if (parker >= PI_MAX_WAITERS || !use_words(waiters, serial, parker / 32 + 1))
        return false;
    _Atomic uint64_t *word = &waiters->word[parker / 32];
    uint64_t bit = (uint64_t)1 << parker % 32, seen = pi_load_seq(word);
    while (pi_stamped(seen, serial) && !(seen & bit))
        if (pi_cas_seq(word, &seen, seen | bit))
            return true;
    return pi_stamped(seen, serial);
}

/* Clears a bit; true: it was set, and nobody else cleared it. */
static bool clear(struct pi_waiters *waiters, uint32_t serial, uint32_t parker)
{
    _Atomic uint64_t *word = &waiters->word[parker / 32];
    uint64_t bit = (uint64_t)1 << parker % 32, seen = pi_load_seq(word);
    while (pi_stamped(seen, serial) && (seen & bit))
        if (pi_cas_seq(word, &seen, seen & ~bit))
            return true;
    return false;
}

void pi_waiters_remove(struct pi_waiters *waiters, uint32_t serial, uint32_t parker)
{
    if (parker < PI_MAX_WAITERS)
        (void)clear(waiters, serial, parker);
}

bool pi_waiters_has(struct pi_waiters *waiters, uint32_t serial, uint32_t parker)
{
    uint64_t word = parker < PI_MAX_WAITERS ? pi_load_seq(&waiters->word[parker / 32]) : 0;
    return pi_stamped(word, serial) && (word >> parker % 32 & 1);
}

/* A waiting parker of the word, from bit `from` on, or PI_NO_INDEX. */
static uint32_t find(struct pi_waiters *waiters, uint32_t serial, unsigned word, unsigned from)
{
    uint64_t seen = pi_load_seq(&waiters->word[word]);
    uint32_t bits = BITS(seen) & UINT32_MAX << from;
    if (!pi_stamped(seen, serial) || bits == 0)
        return PI_NO_INDEX;
    return word * 32 + (uint32_t)__builtin_ctz(bits);
}

/* The first waiting parker at `next` or after it, once around; or PI_NO_INDEX. */
static uint32_t find_from(struct pi_waiters *waiters, uint32_t serial, unsigned words,
                          uint32_t next)
{
    unsigned first = next / 32 < words ? next / 32 : 0;
    for (unsigned i = 0; i <= words; i++) { /* the first word twice: its low bits come last */
        uint32_t found = find(waiters, serial, (first + i) % words, i == 0 ? next % 32 : 0);
        if (found != PI_NO_INDEX)
            return found;
    }
    return PI_NO_INDEX;
}

uint32_t pi_waiters_claim(struct pi_waiters *waiters, uint32_t serial)
{
    for (;;) {
        uint64_t used = pi_load_seq(&waiters->used);
        unsigned words = words_used(used);
        if (words == 0 || !pi_stamped(used, serial))
            return PI_NO_INDEX;
        uint32_t next = (uint32_t)(used >> NEXT_SHIFT) & USED_MASK;
        uint32_t parker = find_from(waiters, serial, words, next);
        if (parker == PI_NO_INDEX)
            return PI_NO_INDEX;
        if (!clear(waiters, serial, parker))
            continue; /* another has claimed it, or it left */
        uint64_t rest = used & ~((uint64_t)USED_MASK << NEXT_SHIFT);
        /* If it fails, another has moved it. */
        (void)pi_cas_seq(&waiters->used, &used, rest | (uint64_t)(parker + 1) << NEXT_SHIFT);
        return parker;
    }
}
