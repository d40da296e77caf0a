#include "os/seal.h"

#include "base/atomic.h"
#include "base/tuning.h"
#include "os/calls.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int pi_os_path_denied(const char *name)
{
#ifdef O_PATH
    int fd = pi_os_fd_open(name, O_PATH);
#else
    int fd = pi_os_fd_open(name, O_RDONLY);
#endif
    if (fd < 0)
        return errno;
    pi_os_close(fd);
    return 0;
}

#if PI_OS_HAS_CALLS
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* the reason of a SIGSYS */
#endif

/* ---- descriptors ---- */

static int close_from_to(unsigned first, unsigned last)
{
    if (first > last)
        return 0;
    return syscall(PI_OS_CALL_close_range, first, last, 0) == 0 ? 0 : errno;
}

/* The next descriptor that stays open, from `from` on. */
static unsigned next_kept(const struct pi_os_seal *seal, const int own[3], unsigned from)
{
    unsigned next = from <= STDERR_FILENO ? from : UINT_MAX;
    for (int i = 0; i < 3; i++)
        if (own[i] >= 0 && (unsigned)own[i] >= from && (unsigned)own[i] < next)
            next = (unsigned)own[i];
    for (size_t i = 0; i < seal->n_descriptors; i++) {
        unsigned kept = (unsigned)seal->descriptors[i];
        if (kept >= from && kept < next)
            next = kept;
    }
    return next;
}

int pi_os_seal_descriptors(const struct pi_os_seal *seal, const int own[3])
{
    int error = 0;
    if (seal->allow & PI_OS_ALLOW_DESCRIPTORS)
        return 0;
    for (unsigned from = 0; from < UINT_MAX && error == 0;) {
        unsigned kept = next_kept(seal, own, from);
        error = kept > from ? close_from_to(from, kept - 1) : 0;
        from = kept < UINT_MAX ? kept + 1 : UINT_MAX;
    }
    return error;
}

/* ---- what the process shows of itself ---- */

/* The strings that the program was started with end at the name of its file, on the first stack.
 * What it has set since then lies elsewhere, perhaps where it cannot be written. */
static void clear_environment(void)
{
    uintptr_t end = (uintptr_t)getauxval(AT_EXECFN), size = (uintptr_t)sysconf(_SC_ARG_MAX);
    for (char **at = environ; at && *at; at++)
        if ((uintptr_t)*at < end && (uintptr_t)*at >= end - size)
            memset(*at, 0, strlen(*at));
    (void)clearenv();
}

/* ---- forbidden calls ---- */

static pi_os_forbidden *noted; /* where the number goes */
static pid_t sealed;           /* this process, and no child of it */

/* It is removed as it begins, and SIGSYS is not blocked: so the second SIGSYS ends the process,
 * also if raise is a call that is forbidden. */
static void on_forbidden(int signal, siginfo_t *info, void *context)
{
    (void)context;
    if (getpid() == sealed && info->si_code == SYS_SECCOMP)
        pi_store_release(noted, (uint32_t)info->si_syscall + 1); /* with forbidden_call */
    (void)raise(signal);
}

static int handle_forbidden(pi_os_forbidden *forbidden)
{
    struct sigaction action = {.sa_sigaction = on_forbidden};
    action.sa_flags = (int)(SA_SIGINFO | SA_RESETHAND | SA_NODEFER | SA_ONSTACK);
    noted = forbidden;
    sealed = getpid();
    return sigaction(SIGSYS, &action, NULL) == 0 ? 0 : errno;
}

/* ---- all ---- */

int pi_os_seal_denied(const struct pi_os_seal *seal)
{
    int error = pi_os_filter_denied();
    if (error == 0 && !(seal->allow & PI_OS_ALLOW_DESCRIPTORS))
        error = close_from_to(UINT_MAX, UINT_MAX); /* no descriptor has that number */
    return error ? error : pi_os_landlock_denied(seal);
}

/* The kernel may count a thread for a moment after it was joined. */
static bool is_alone(void)
{
    for (int tries = 0; tries < PI_MAX_RETRIES && pi_os_other_threads() > 0; tries++)
        pi_os_sleep(PI_RETRY_NS);
    return pi_os_other_threads() == 0;
}

/* No core, and no other process of the user reads its memory. A program that a task starts can be
 * read again, but leaves no core either. */
static int hide(void)
{
    const struct rlimit none = {.rlim_cur = 0};
    bool hidden = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && setrlimit(RLIMIT_CORE, &none) == 0;
    return hidden ? 0 : errno;
}

/* What children inherit, but for the filter. */
static int begin(const struct pi_os_seal *seal, pi_os_forbidden *forbidden)
{
    if (!is_alone())
        return EBUSY;
    if (!(seal->allow & PI_OS_ALLOW_ENVIRONMENT))
        clear_environment();
    int error = seal->allow & PI_OS_ALLOW_DUMPS ? 0 : hide();
    if (error)
        return error;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return errno;
    return handle_forbidden(forbidden);
}

/* Landlock limits one thread, and those that it makes later. */
int pi_os_seal_apply(const struct pi_os_seal *seal, pi_os_forbidden *forbidden)
{
    int ruleset = -1, error = begin(seal, forbidden);
    if (error == 0)
        error = pi_os_landlock_open(seal, &ruleset);
    if (error == 0)
        error = pi_os_landlock_apply(ruleset);
    pi_os_close(ruleset);
    return error ? error : pi_os_filter_apply(seal, PI_OS_SEALED);
}

int pi_os_seal_worker(const struct pi_os_seal *seal, pi_os_forbidden *forbidden, int *ruleset)
{
    int error = begin(seal, forbidden);
    *ruleset = -1;
    if (error == 0)
        error = pi_os_landlock_open(seal, ruleset);
    return error ? error : pi_os_filter_apply(seal, PI_OS_SEALED_WORKER);
}

int pi_os_seal_task(const struct pi_os_seal *seal, pi_os_forbidden *forbidden, int ruleset)
{
    noted = forbidden;
    sealed = getpid();
    int error = pi_os_landlock_apply(ruleset);
    return error ? error : pi_os_filter_apply(seal, PI_OS_SEALED_TASK);
}

#else

int pi_os_seal_denied(const struct pi_os_seal *seal)
{
    (void)seal;
    return ENOSYS;
}

int pi_os_seal_descriptors(const struct pi_os_seal *seal, const int own[3])
{
    (void)seal;
    (void)own;
    return ENOSYS;
}

int pi_os_seal_apply(const struct pi_os_seal *seal, pi_os_forbidden *forbidden)
{
    (void)seal;
    (void)forbidden;
    return ENOSYS;
}

int pi_os_seal_worker(const struct pi_os_seal *seal, pi_os_forbidden *forbidden, int *ruleset)
{
    *ruleset = -1;
    return pi_os_seal_apply(seal, forbidden);
}

int pi_os_seal_task(const struct pi_os_seal *seal, pi_os_forbidden *forbidden, int ruleset)
{
    (void)ruleset;
    return pi_os_seal_apply(seal, forbidden);
}

#endif
