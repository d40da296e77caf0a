/* Runs in: program.
 *
 * The list of executors that exit waits for (wait_at_exit). executor.c has a handler of atexit that
 * takes them off one by one and shuts each down in an orderly way. posse_destroy takes its executor
 * off before. If exit has come first, the handler is one of the callers that destroy lets go first:
 * it ends without having waited for the tasks.
 *
 * A process that the program forks has a copy of the list, and of the lock, perhaps held by a
 * thread that it does not have. So the lock names the process that holds it, and another process
 * takes it over. The child passes over executors of its parent: their guards say whose they are.
 */
#include "internal.h"
#include "os/clock.h"
#include "os/process.h"
#include "pool/park.h"

#include <errno.h>
#include <stdlib.h>

static _Atomic long holder; /* of the list; 0: free */
static posse_executor *list;
static bool registered;

/* The lock is held for a few instructions, so a thread that finds it taken yields. */
static void lock(void)
{
    long self = (long)pi_os_self(), seen = 0;
    /* acquire: with the release of unlock. relaxed: a failed one has read nothing else */
    while (!atomic_compare_exchange_weak_explicit(&holder, &seen, self, memory_order_acquire,
                                                  memory_order_relaxed)) {
        if (seen == self) { /* a thread of this process */
            pi_os_yield();
            seen = 0;
        }
    }
}

static void unlock(void)
{
    atomic_store_explicit(&holder, 0, memory_order_release); /* with the acquire of lock */
}

posse_status pi_at_exit_begin(void (*handler)(void))
{
    lock();
    registered = registered || atexit(handler) == 0;
    posse_status status = registered ? POSSE_OK : pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    unlock();
    return status;
}

void pi_at_exit_add(posse_executor *e)
{
    lock();
    e->at_exit_next = list;
    list = e;
    unlock();
}

void pi_at_exit_remove(posse_executor *e)
{
    lock();
    posse_executor **link = &list;
    while (*link && *link != e)
        link = &(*link)->at_exit_next;
    if (*link)
        *link = e->at_exit_next;
    unlock();
}

posse_executor *pi_at_exit_next(void)
{
    lock();
    posse_executor *e = list;
    while (e && !pi_os_fork_detect_holds(&e->guard))
        e = e->at_exit_next;
    list = e ? e->at_exit_next : NULL;
    if (e)
        pi_call_enter(e);
    unlock();
    return e;
}
