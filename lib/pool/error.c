/* Runs in: program, worker, supervisor.
 *
 * What failed, in words. A call that refuses notes constant words for posse_last_error, one pointer
 * for each thread. An executor that breaks has a cell in shared memory that says why; the first
 * error stays. What is read from there is copied first and then made to end, so a task that
 * overwrites it changes a text and no more.
 *
 * Errors and signals have the words of glibc, but in no locale's language, and without a lock that
 * another thread may have held at the fork.
 */
#include "pool/error.h"
#include "os/calls.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static _Thread_local const char *refusal; /* a pointer only: see lib/CMakeLists.txt */

void pi_note_refusal(const char *words) { refusal = words; }

const char *pi_refusal(void) { return refusal ? refusal : ""; }

posse_status pi_refuse_first(const struct pi_mistake *mistakes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (mistakes[i].made)
            return pi_refuse(mistakes[i].status, mistakes[i].words);
    return POSSE_OK;
}

posse_status pi_refuse_errno(int error, const char *words)
{
    if (error == 0)
        return POSSE_OK;
    errno = error;
    bool exhausted = error == ENOMEM || error == ENOSPC || error == ENOBUFS ||
                     error == EFBIG || /* over RLIMIT_FSIZE */
                     error == EAGAIN;  /* of fork and pthread_create: no more are allowed */
    return pi_refuse(exhausted ? POSSE_NO_MEMORY : POSSE_SYSTEM, words);
}

posse_status pi_failure(const char *words)
{
    return pi_refuse_errno(errno ? errno : ENOMEM, words);
}

/* ---- words ---- */

struct numbered {
    int number;
    const char *words;
};

/* The last entry has number 0; "" for numbers that the list lacks. */
static const char *find(const struct numbered *list, int number)
{
    while (list->number != 0 && list->number != number)
        list++;
    return list->words;
}

/* Those that the start of a worker may fail with. */
static const struct numbered errors[] = {
    {EPERM, " (Operation not permitted)"},
    {EAGAIN, " (Resource temporarily unavailable)"},
    {ENOMEM, " (Cannot allocate memory)"},
    {EACCES, " (Permission denied)"},
    {EINVAL, " (Invalid argument)"},
    {EFBIG, " (File too large)"},
    {ENOSPC, " (No space left on device)"},
    {ENOSYS, " (Function not implemented)"},
    {0, ""},
};

static const struct numbered signals[] = {
    {SIGHUP, " (Hangup)"},
    {SIGINT, " (Interrupt)"},
    {SIGQUIT, " (Quit)"},
    {SIGILL, " (Illegal instruction)"},
    {SIGTRAP, " (Trace/breakpoint trap)"},
    {SIGABRT, " (Aborted)"},
    {SIGBUS, " (Bus error)"},
    {SIGFPE, " (Floating point exception)"},
    {SIGKILL, " (Killed)"},
    {SIGSEGV, " (Segmentation fault)"},
    {SIGPIPE, " (Broken pipe)"},
    {SIGALRM, " (Alarm clock)"},
    {SIGTERM, " (Terminated)"},
    {SIGXCPU, " (CPU time limit exceeded)"},
    {SIGXFSZ, " (File size limit exceeded)"},
    {SIGSYS, " (Bad system call)"},
    {0, ""},
};

long pi_forbidden_call(const struct pi_death *death)
{
    return death->forbidden == PI_UNKNOWN_CALL ? -1 : (long)death->forbidden - 1;
}

void pi_describe_death(const struct pi_death *death, char *text, size_t size)
{
    long pid = (long)death->pid, call = pi_forbidden_call(death);
    if (death->forbidden)
        snprintf(text, size, "worker %ld made a system call that its seal forbids: %s (%ld)", pid,
                 pi_os_call_name(call), call);
    else if (death->signal)
        snprintf(text, size, "worker %ld was killed by signal %d%s", pid, (int)death->signal,
                 find(signals, death->signal));
    else
        snprintf(text, size, "worker %ld terminated abruptly with exit code %d", pid,
                 (int)death->exit_code);
}

struct pi_error pi_error_from_words(const char *words)
{
    struct pi_error why = {.death.pid = -1};
    snprintf(why.message, sizeof why.message, "%s", words);
    return why;
}

struct pi_error pi_error_from_errno(const char *what, int error)
{
    struct pi_error why = {.death.pid = -1};
    snprintf(why.message, sizeof why.message, "%s: error %d%s", what, error, find(errors, error));
    return why;
}

struct pi_error pi_error_from_death(const struct pi_death *death)
{
    struct pi_error why = {.death = *death};
    pi_describe_death(death, why.message, sizeof why.message);
    return why;
}

/* ---- in shared memory ---- */

void pi_error_cell_write(struct pi_error_cell *cell, unsigned owner, const struct pi_error *error)
{
    uint32_t none = 0;
    if (!pi_cas(&cell->state, &none, PI_ERROR_CLAIMED + owner)) /* orders nothing: it claims */
        return;
    cell->reason = *error;
    pi_store_release(&cell->state, PI_ERROR_WRITTEN + owner); /* with pi_error_cell_read */
}

bool pi_error_cell_read(struct pi_error_cell *cell, struct pi_error *error)
{
    if (!(pi_load_acquire(&cell->state) & PI_ERROR_WRITTEN)) /* with pi_error_cell_write */
        return false;
    *error = cell->reason;
    error->message[sizeof error->message - 1] = 0;
    return true;
}
