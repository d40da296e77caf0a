/* Why an executor broke, or could not be had. What is read from shared memory is copied first and
 * then made to end, so a task that scribbles there changes a text and no more. */
#include "pool/error.h"
#include "pool/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static _Thread_local const char *refusal; /* a pointer only: see lib/CMakeLists.txt */

void pi_note_refusal(const char *words) { refusal = words; }

const char *pi_refusal(void) { return refusal ? refusal : ""; }

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

struct pi_error pi_error_from_words(const char *words)
{
    struct pi_error reason = {.death.pid = -1};
    snprintf(reason.message, sizeof reason.message, "%s", words);
    return reason;
}

/* Errors and signals as glibc says them, but in no locale's language, and without a lock that
 * another thread may have held at the fork. */

/* Those that a start of a worker may end with; "" for others. */
static const char *words_of_error(int error)
{
    switch (error) {
    case EPERM: return " (Operation not permitted)";
    case EAGAIN: return " (Resource temporarily unavailable)";
    case ENOMEM: return " (Cannot allocate memory)";
    case EACCES: return " (Permission denied)";
    case EINVAL: return " (Invalid argument)";
    case EFBIG: return " (File too large)";
    case ENOSPC: return " (No space left on device)";
    case ENOSYS: return " (Function not implemented)";
    default: return "";
    }
}

struct pi_error pi_error_from_errno(const char *what, int error)
{
    struct pi_error reason = {.death.pid = -1};
    snprintf(reason.message, sizeof reason.message, "%s: error %d%s", what, error,
             words_of_error(error));
    return reason;
}

static const char *words_of_signal(int signal)
{
    switch (signal) {
    case SIGHUP: return " (Hangup)";
    case SIGINT: return " (Interrupt)";
    case SIGQUIT: return " (Quit)";
    case SIGILL: return " (Illegal instruction)";
    case SIGTRAP: return " (Trace/breakpoint trap)";
    case SIGABRT: return " (Aborted)";
    case SIGBUS: return " (Bus error)";
    case SIGFPE: return " (Floating point exception)";
    case SIGKILL: return " (Killed)";
    case SIGSEGV: return " (Segmentation fault)";
    case SIGPIPE: return " (Broken pipe)";
    case SIGALRM: return " (Alarm clock)";
    case SIGTERM: return " (Terminated)";
    case SIGXCPU: return " (CPU time limit exceeded)";
    case SIGXFSZ: return " (File size limit exceeded)";
    case SIGSYS: return " (Bad system call)";
    default: return "";
    }
}

void pi_describe_death(const struct pi_death *death, char *text, size_t size)
{
    long pid = (long)death->pid;
    if (death->signal)
        snprintf(text, size, "worker %ld was killed by signal %d%s", pid, (int)death->signal,
                 words_of_signal(death->signal));
    else
        snprintf(text, size, "worker %ld terminated abruptly with exit code %d", pid,
                 (int)death->exit_code);
}

struct pi_error pi_error_from_death(const struct pi_death *death)
{
    struct pi_error reason = {.death = *death};
    pi_describe_death(death, reason.message, sizeof reason.message);
    return reason;
}

void pi_error_cell_write(struct pi_error_cell *report, unsigned owner,
                         const struct pi_error *reason)
{
    uint32_t none = 0;
    if (!pi_cas(&report->state, &none, PI_ERROR_CLAIMED + owner))
        return;
    report->reason = *reason;
    pi_store_release(&report->state, PI_ERROR_WRITTEN + owner); /* with pi_error_cell_read */
}

bool pi_error_cell_read(struct pi_error_cell *report, struct pi_error *reason)
{
    if (!(pi_load_acquire(&report->state) & PI_ERROR_WRITTEN)) /* with pi_error_cell_write */
        return false;
    *reason = report->reason;
    reason->message[sizeof reason->message - 1] = 0;
    return true;
}

void pi_why_broken(posse_executor *e, posse_error *error)
{
    struct pi_error reason;
    *error = (posse_error){.struct_size = sizeof *error, .status = POSSE_OK};
    if (pi_phase_of(e) < PI_DEAD)
        return;
    /* Nothing is said if whoever broke it died, or is about to say it. */
    if (!pi_error_cell_read(&e->segment.header->broken, &reason))
        reason = pi_error_from_words(posse_status_message(POSSE_BROKEN));
    bool death = reason.death.pid >= 0;
    error->status = POSSE_BROKEN;
    error->code = reason.code;
    error->signal = death ? reason.death.signal : 0;
    error->exit_code = death ? reason.death.exit_code : 0;
    error->pid = death ? (long)reason.death.pid : 0;
    memcpy(error->message, reason.message, sizeof reason.message);
}
