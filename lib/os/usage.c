#include "os/usage.h"

#include "base/copy.h"
#include "base/tuning.h"
#include "os/cancel.h"
#include "os/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* ---- what it uses ---- */

#define STATUS "/proc/self/status"
#define PEAK "/proc/self/clear_refs"

static struct pi_os_fd kept_status = {.number = -1}, kept_peak = {.number = -1};
static bool keeps; /* of a sealed process */

/* At a high number, if there may be one: a low one may be that of a descriptor of the program that
 * is closed here. */
static void keep(struct pi_os_fd *kept, const char *path, int flags)
{
    int low = pi_os_fd_open(path, flags), high = fcntl(low, F_DUPFD_CLOEXEC, PI_KEPT_FD);
    if (high >= 0)
        pi_os_close(low);
    else if (low >= 0)
        high = pi_os_fd_above_stdio(low);
    if (high >= 0)
        (void)pi_os_fd_own(kept, high);
}

void pi_os_usage_keep(void)
{
    keep(&kept_status, STATUS, O_RDONLY);
    keep(&kept_peak, PEAK, O_WRONLY);
    keeps = true;
}

static ssize_t read_own(char *text, size_t size)
{
    if (!keeps)
        return pi_os_fd_read(STATUS, text, size);
    ssize_t length =
        pi_os_fd_is_ours(&kept_status) ? pread(kept_status.number, text, size - 1, 0) : 0;
    text[length > 0 ? length : 0] = '\0';
    return length;
}

/* What follows the name; NULL: it is not there. volatile: what the C library looks through stays in
 * registers, which a process that is forked has, too. */
static const volatile char *find(const volatile char *text, const char *name)
{
    for (; *text; text++) {
        size_t n = 0;
        while (name[n] && text[n] == name[n])
            n++;
        if (!name[n])
            return text + n;
    }
    return NULL;
}

/* The number of a line "<name>:  <number>". False: there is no such line. */
static bool read_number(const char *text, const char *name, uint64_t *number)
{
    const volatile char *at = find(text, name);
    if (!at)
        return false;
    while (*at == ' ' || *at == '\t')
        at++;
    for (*number = 0; *at >= '0' && *at <= '9'; at++)
        *number = 10 * *number + (uint64_t)(*at - '0');
    return true;
}

/* Of a line "<name>:  <number> kB". */
static bool read_bytes(const char *text, const char *name, uint64_t *bytes)
{
    bool known = read_number(text, name, bytes);
    if (known)
        *bytes *= 1024;
    return known;
}

static void name_status(pid_t pid, char path[32])
{
    snprintf(path, 32, "/proc/%ld/status", (long)pid);
}

/* Another error, as for want of descriptors, passes. */
bool pi_os_usage_is_hidden(pid_t pid)
{
    char path[32];
    name_status(pid, path);
    int fd = pi_os_fd_open(path, O_RDONLY);
    pi_os_close(fd);
    return fd < 0 && (errno == ENOENT || errno == EACCES || errno == EPERM);
}

bool pi_os_usage_of(pid_t pid, struct pi_os_usage *usage)
{
    char text[8192], path[32];
    uint64_t anonymous, swap = 0;
    int error = errno;
    name_status(pid, path);
    ssize_t length = pid ? pi_os_fd_read(path, text, sizeof text) : read_own(text, sizeof text);
    bool known = length > 0 && read_bytes(text, "\nVmData:", &usage->data) &&
                 read_bytes(text, "\nRssAnon:", &anonymous) &&
                 read_bytes(text, "\nVmRSS:", &usage->resident) &&
                 read_bytes(text, "\nVmHWM:", &usage->peak);
    if (known) {
        (void)read_bytes(text, "\nVmSwap:", &swap); /* not where the kernel has no swap */
        usage->private = anonymous + swap;
    }
    if (length > 0)
        pi_copy_clear(text, (size_t)length); /* it names a task's process */
    errno = error;
    return known;
}

/* One whose first thread has ended has others, as long as it lives. */
bool pi_os_usage_ends(pid_t pid)
{
    char text[8192], path[32];
    uint64_t threads;
    int error = errno;
    name_status(pid, path);
    ssize_t length = pi_os_fd_read(path, text, sizeof text);
    bool ends = length > 0 && read_number(text, "\nThreads:", &threads) && threads < 2;
    if (length > 0)
        pi_copy_clear(text, (size_t)length); /* as above */
    errno = error;
    return ends;
}

void pi_os_reset_peak(void)
{
    PI_OS_NO_CANCEL;
    int error = errno, fd = keeps ? kept_peak.number : pi_os_fd_open(PEAK, O_WRONLY);
    bool usable = fd >= 0 && (!keeps || pi_os_fd_is_ours(&kept_peak));
    ssize_t written = usable ? write(fd, "5", 1) : 0;
    (void)written;
    if (!keeps)
        pi_os_close(fd);
    errno = error;
}

#ifdef __linux__
/* A clock that says the same to all has a number below 0. */
static int common(clockid_t clock) { return clock < 0 ? (int)clock : 0; }

int pi_os_process_clock(void)
{
    clockid_t clock = 0;
    return clock_getcpuclockid(getpid(), &clock) == 0 ? common(clock) : 0;
}

int pi_os_thread_clock(void)
{
    clockid_t clock = 0;
    return pthread_getcpuclockid(pthread_self(), &clock) == 0 ? common(clock) : 0;
}
#else
int pi_os_process_clock(void) { return 0; }
int pi_os_thread_clock(void) { return 0; }
#endif

bool pi_os_cpu_clock(int clock, uint64_t *ns)
{
    struct timespec used;
    if (clock >= 0 || clock_gettime((clockid_t)clock, &used) != 0)
        return false;
    *ns = (uint64_t)used.tv_sec * PI_SECOND + (uint64_t)used.tv_nsec;
    return true;
}

bool pi_os_cpu_time(pid_t pid, uint64_t *ns)
{
#ifdef __linux__
    clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
    struct timespec used;
    if ((pid != 0 && clock_getcpuclockid(pid, &clock) != 0) || clock_gettime(clock, &used) != 0)
        return false;
    *ns = (uint64_t)used.tv_sec * PI_SECOND + (uint64_t)used.tv_nsec;
    return true;
#else
    (void)pid;
    (void)ns;
    return false;
#endif
}

/* The system does not change, so one look is enough. order: relaxed: only the value counts */
bool pi_os_usage_is_known(void)
{
    static _Atomic bool known;
    struct pi_os_usage usage;
    uint64_t ns;
    if (!atomic_load_explicit(&known, memory_order_relaxed))
        atomic_store_explicit(&known, pi_os_usage_of(0, &usage) && pi_os_cpu_time(0, &ns),
                              memory_order_relaxed);
    return atomic_load_explicit(&known, memory_order_relaxed);
}

/* ---- the limit ---- */

bool pi_os_lower_data_limit(uint64_t bytes, uint64_t *before)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_DATA, &limit) != 0)
        return false;
    *before = limit.rlim_cur;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur <= bytes)
        return true;
    limit.rlim_cur = bytes;
    return setrlimit(RLIMIT_DATA, &limit) == 0;
}

bool pi_os_restore_data_limit(uint64_t before)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_DATA, &limit) != 0)
        return false;
    if (limit.rlim_cur == before)
        return true;
    limit.rlim_cur = before;
    return setrlimit(RLIMIT_DATA, &limit) == 0;
}

/* ---- what tasks do to it ---- */

/* The limits of memory. What a task lowers, the tasks after it have. */
#define LIMITS 3

static struct rlimit noted[LIMITS]; /* 0: the system did not tell */
static bool could_open;

static bool read_limits(struct rlimit limits[LIMITS])
{
    return getrlimit(RLIMIT_DATA, &limits[0]) == 0 && getrlimit(RLIMIT_AS, &limits[1]) == 0 &&
           getrlimit(RLIMIT_STACK, &limits[2]) == 0;
}

static bool can_open(void)
{
    if (keeps)
        return pi_os_fd_is_ours(&kept_status);
    int fd = pi_os_fd_open(STATUS, O_RDONLY);
    pi_os_close(fd);
    return fd >= 0;
}

void pi_os_fitness_note(void)
{
    could_open = can_open();
    if (!read_limits(noted))
        memset(noted, 0, sizeof noted);
}

bool pi_os_is_fit(void)
{
    struct rlimit now[LIMITS];
    if (could_open && !can_open())
        return false;
    bool fit = read_limits(now);
    for (size_t i = 0; fit && i < LIMITS; i++)
        fit = now[i].rlim_cur >= noted[i].rlim_cur && now[i].rlim_max >= noted[i].rlim_max;
    return fit;
}

/* ---- before a crash ---- */

static void (*note_crash)(void);

void pi_os_note_crash(void)
{
    if (note_crash)
        note_crash();
}

/* SA_RESETHAND: the signal is at its default again. A fault comes again when this returns, as does
 * the signal of abort; one that was sent would not. */
static void crashed(int signal, siginfo_t *info, void *context)
{
    int error = errno;
    (void)context;
    note_crash();
    if (info->si_code <= 0)
        (void)raise(signal);
    errno = error;
}

static void exited(void) { note_crash(); }

void pi_os_before_crash(void (*note)(void))
{
    static const int crashes[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};
    const int flags = SA_SIGINFO | (int)SA_RESETHAND | SA_NODEFER | SA_ONSTACK;
    if (note_crash)
        return;
    note_crash = note;
    (void)atexit(exited);
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++) {
        struct sigaction action;
        if (sigaction(crashes[i], NULL, &action) != 0 || action.sa_handler != SIG_DFL)
            continue;
        action = (struct sigaction){.sa_sigaction = crashed, .sa_flags = flags};
        (void)sigaction(crashes[i], &action, NULL);
    }
}
