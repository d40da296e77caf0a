#include "os/signals.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* Each list ends with 0. */
static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, 0};
static const int of_terminal[] = {SIGINT, SIGQUIT, SIGTTIN, SIGTTOU, 0};
static const int wakeups[] = {SIGCHLD, SIGCONT, 0};
static const int of_writes[] = {SIGPIPE, SIGXFSZ, 0};

static bool is_one_of(const int *list, int signal)
{
    while (*list && *list != signal)
        list++;
    return *list == signal;
}

static void fill_without(sigset_t *set, const int *list)
{
    sigfillset(set);
    for (; *list; list++)
        sigdelset(set, *list);
}

/* ---- in the program ---- */

void pi_os_signals_block(sigset_t *before)
{
    sigset_t set;
    fill_without(&set, faults);
    pthread_sigmask(SIG_BLOCK, &set, before);
}

void pi_os_signals_block_for_thread(sigset_t *before)
{
    sigset_t set;
    fill_without(&set, faults);
    sigdelset(&set, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &set, before);
}

void pi_os_signals_restore(const sigset_t *before) { pthread_sigmask(SIG_SETMASK, before, NULL); }

void pi_os_signals_begin_write(struct pi_os_write_signals *signals)
{
    sigset_t set;
    sigemptyset(&set);
    for (const int *signal = of_writes; *signal; signal++)
        sigaddset(&set, *signal);
    sigpending(&signals->pending);
    pthread_sigmask(SIG_BLOCK, &set, &signals->mask);
}

/* Takes those that came meanwhile. */
void pi_os_signals_end_write(const struct pi_os_write_signals *signals)
{
    int error = errno;
    for (const int *signal = of_writes; *signal; signal++) {
        sigset_t only;
        sigemptyset(&only);
        sigaddset(&only, *signal);
        if (!sigismember(&signals->pending, *signal))
            (void)sigtimedwait(&only, NULL, &(struct timespec){0, 0});
    }
    pthread_sigmask(SIG_SETMASK, &signals->mask, NULL);
    errno = error;
}

/* ---- in processes of ours ---- */

static void do_nothing(int signal) { (void)signal; }

/* sigaction fails for signals of the kernel and of the C library, which cannot change. */
void pi_os_signals_of_supervisor(sigset_t *ignored)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    sigemptyset(ignored);
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction action = {.sa_handler = is_one_of(wakeups, signal) ? do_nothing : SIG_DFL};
        struct sigaction before;
        if (sigaction(signal, &action, &before) == 0 && before.sa_handler == SIG_IGN)
            sigaddset(ignored, signal);
    }
}

void pi_os_signals_of_sleep(sigset_t *mask) { fill_without(mask, wakeups); }

/* The supervisor has set all but `wakeups` to their default. */
void pi_os_signals_of_worker(const sigset_t *ignored)
{
    sigset_t none;
    for (int signal = 1; signal < NSIG; signal++) {
        bool ignores = is_one_of(of_terminal, signal) || sigismember(ignored, signal) == 1;
        struct sigaction action = {.sa_handler = ignores ? SIG_IGN : SIG_DFL};
        if (ignores || is_one_of(wakeups, signal))
            (void)sigaction(signal, &action, NULL);
    }
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}
