/* atomic.h - the memory orders that posse uses, by name.
 *
 * Runs in: program, worker, supervisor. Four kinds suffice:
 *   relaxed   the value alone counts: hints, statistics, or a word that a later compare-and-swap
 *             checks again
 *   acquire   a load that sees a release finds everything written before it
 *   release   publishes everything written before it
 *   seq       both, and in one order with all other seq operations: where a store must precede
 *             a load (one goes to sleep while another brings work)
 * and one fence: `load_again` comes after all reads before it, whatever their order, and shows
 * whether what they saw was still there.
 * A compare-and-swap is `cas` (acquire and release) or `cas_seq`; a failed one reloads *expected.
 *
 * A comment beside each use names its partner, its table, or why relaxed is enough:
 * tests/lint/orderings.sh counts them. Every write to shared memory goes through here. So a build
 * with POSSE_CRASH_POINTS kills a process before and after any of them; see crash_point.h and
 * tests/crash/points.c.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if UINTPTR_MAX == 0xffffffff
#error "posse needs a 64-bit system: it reserves more address space than 32 bits have"
#endif

#include "base/crash_point.h"

#ifdef POSSE_CRASH_POINTS
#define PI_STORE_(op)                                                                              \
    __extension__({                                                                                \
        PI_POINT(0);                                                                               \
        (op);                                                                                      \
        PI_POINT(1);                                                                               \
    })
#define PI_VALUE_(op)                                                                              \
    __extension__({                                                                                \
        PI_POINT(0);                                                                               \
        __typeof__(op) value_ = (op);                                                              \
        PI_POINT(1);                                                                               \
        value_;                                                                                    \
    })
#else
#define PI_STORE_(op) (op)
#define PI_VALUE_(op) (op)
#endif

#define pi_load_relaxed(p) atomic_load_explicit(p, memory_order_relaxed)
#define pi_load_acquire(p) atomic_load_explicit(p, memory_order_acquire)
#define pi_load_seq(p) atomic_load_explicit(p, memory_order_seq_cst)

#ifdef __SANITIZE_THREAD__ /* which knows no fences, and gcc says so */
#define pi_load_again(p) pi_load_acquire(p)
#else
#define pi_load_again(p) (atomic_thread_fence(memory_order_acquire), pi_load_relaxed(p))
#endif

#define pi_store_relaxed(p, v) PI_STORE_(atomic_store_explicit(p, v, memory_order_relaxed))
#define pi_store_release(p, v) PI_STORE_(atomic_store_explicit(p, v, memory_order_release))
#define pi_store_seq(p, v) PI_STORE_(atomic_store_explicit(p, v, memory_order_seq_cst))

#define pi_cas(p, expected, v)                                                                     \
    PI_VALUE_(atomic_compare_exchange_strong_explicit(p, expected, v, memory_order_acq_rel,        \
                                                      memory_order_acquire))
#define pi_cas_seq(p, expected, v)                                                                 \
    PI_VALUE_(atomic_compare_exchange_strong_explicit(p, expected, v, memory_order_seq_cst,        \
                                                      memory_order_seq_cst))

#define pi_or_seq(p, v) PI_VALUE_(atomic_fetch_or_explicit(p, v, memory_order_seq_cst))
#define pi_and_seq(p, v) PI_VALUE_(atomic_fetch_and_explicit(p, v, memory_order_seq_cst))
#define pi_add_relaxed(p, v) PI_VALUE_(atomic_fetch_add_explicit(p, v, memory_order_relaxed))
#define pi_exchange_seq(p, v) PI_VALUE_(atomic_exchange_explicit(p, v, memory_order_seq_cst))

/* Adds to a counter that has one writer: no locked operation. */
#define pi_increment(p) pi_store_relaxed(p, pi_load_relaxed(p) + 1)

/* A short rest in a loop that waits for another processor. */
static inline void pi_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Lets the cache fetch what will be written soon. A wrong address does no harm. */
#define pi_prefetch(p) __builtin_prefetch((const void *)(p), 1)
