/* Crash points, in builds with POSSE_CRASH_POINTS: see core/atomic.h. */
#include "core/atomic.h"

#ifdef POSSE_CRASH_POINTS
#include <signal.h>
#include <string.h>
#include <unistd.h>

_Atomic int *pi_crash_countdown;
char *pi_crash_where;
bool pi_crash_here;

void pi_crash_point(const char *where)
{
    if (!pi_crash_here || !pi_crash_countdown)
        return;
    if (atomic_load(pi_crash_countdown) <= 0 || atomic_fetch_sub(pi_crash_countdown, 1) != 1)
        return;
    if (pi_crash_where)
        strncpy(pi_crash_where, where, 127);
    kill(getpid(), SIGKILL);
}
#else
typedef int pi_no_crash_points; /* an empty file is not C */
#endif
