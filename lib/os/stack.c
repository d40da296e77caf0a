#include "os/stack.h"

#ifdef __linux__
#include "base/tuning.h"

#include <pthread.h>
#include <sys/auxv.h>
#include <sys/resource.h>

/* The stack of a process's first thread grows down from the name of the program's file, to a limit
 * that may change. (pthread_getattr_np reads /proc for it, or with musl tells what is mapped so
 * far.) False: this is another thread. */
static bool find_first(uintptr_t here, uintptr_t *lowest, uintptr_t *size)
{
    struct rlimit limit;
    uintptr_t top = (uintptr_t)getauxval(AT_EXECFN);
    *size = PI_MAX_STACK;
    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < PI_MAX_STACK)
        *size = (uintptr_t)limit.rlim_cur;
    *lowest = top - *size;
    return here < top && here >= *lowest;
}

static bool find_other(uintptr_t *lowest, uintptr_t *size)
{
    pthread_attr_t attributes;
    void *stack = NULL;
    size_t length = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return false;
    bool found = pthread_attr_getstack(&attributes, &stack, &length) == 0;
    pthread_attr_destroy(&attributes);
    *lowest = (uintptr_t)stack;
    *size = length;
    return found;
}

/* Of this thread: the end of its stack, and where it begins to be short. 0: not looked for yet. */
static _Thread_local uintptr_t lowest_end, short_end;

static void find_ends(uintptr_t here)
{
    uintptr_t lowest, size;
    lowest_end = short_end = UINTPTR_MAX;
    if (!find_first(here, &lowest, &size) && !find_other(&lowest, &size))
        return;
    lowest_end = lowest;
    short_end = lowest + (size / 4 < PI_STACK_MARGIN ? size / 4 : PI_STACK_MARGIN);
}

bool pi_os_stack_has_room(void)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    if (lowest_end == 0)
        find_ends(here);
    return here < lowest_end || here >= short_end;
}
#else
bool pi_os_stack_has_room(void) { return true; }
#endif
