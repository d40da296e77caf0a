/* copy.h - a copy that leaves nothing behind, and how what is left behind is cleared.
 *
 * Runs in: worker; the clearing also in the program and the supervisor. The C library copies by
 * registers that keep the bytes, and a fork gives these to the child. This copy goes through one
 * register that is used for all else, too, or through none.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

static inline void pi_copy_only(void *to, const void *from, size_t size)
{
#if defined(__x86_64__)
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
#else
    volatile unsigned char *at = to; /* volatile: no compiler makes larger pieces of it */
    const volatile unsigned char *source = from;
    for (; size >= sizeof(uint64_t) && ((uintptr_t)at | (uintptr_t)source) % sizeof(uint64_t) == 0;
         size -= sizeof(uint64_t), at += sizeof(uint64_t), source += sizeof(uint64_t))
        *(volatile uint64_t *)(uintptr_t)at = *(const volatile uint64_t *)(uintptr_t)source;
    for (; size > 0; size--)
        *at++ = *source++;
#endif
}

/* What the next process, which is a copy of this one, must not find. */
static inline void pi_copy_clear(void *bytes, size_t size)
{
    volatile unsigned char *at = bytes; /* volatile: nobody reads it, and still it is done */
    for (; size > 0; size--)
        *at++ = 0;
}
