#include "os/spare.h"

#include "base/atomic.h"
#include "base/copy.h"
#include "base/tuning.h"
#include "os/clock.h"

#include <errno.h>
#include <signal.h>

#ifdef __linux__
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PR_SET_CHILD_SUBREAPER
#define PR_SET_CHILD_SUBREAPER 36
#endif

static struct sigaction of_program; /* what SIGCHLD does in a worker */

/* ---- memory ---- */

void *pi_os_task_memory_make(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory; /* cppcheck-suppress memleak */
}

bool pi_os_task_memory_keep(void *memory, size_t size)
{
    return madvise(memory, size, MADV_DONTFORK) == 0;
}

void pi_os_task_memory_free(void *memory, size_t size) { (void)munmap(memory, size); }

/* ---- children that others have left ---- */

int pi_os_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 ? 0 : errno; }

/* Another process may have got its number meanwhile, but no other one is in that group. */
enum pi_os_adopted pi_os_adopted(pid_t orphan, pid_t group)
{
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_PID, (id_t)orphan, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        getpgid(orphan) != group)
        return PI_OS_ADOPTED_GONE;
    return info.si_pid == 0 ? PI_OS_ADOPTED_LIVES : PI_OS_ADOPTED_ENDED;
}

pid_t pi_os_ended_child(void)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ? info.si_pid : 0;
}

bool pi_os_has_children(void)
{
    pid_t ended;
    while ((ended = wait4(-1, NULL, WNOHANG, NULL)) > 0 || (ended < 0 && errno == EINTR))
        ;
    return ended == 0;
}

void pi_os_reap_all(uint64_t until)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (uint64_t now; pi_os_has_children() && (now = pi_os_now()) < until;) {
        struct timespec rest = pi_os_timespec(until - now);
        (void)sigtimedwait(&set, NULL, &rest);
    }
}

/* ---- forking ---- */

static void mask_children(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    (void)pthread_sigmask(how, &set, NULL);
}

/* If SIGCHLD were ignored, the kernel would reap children without a word. */
int pi_os_spare_begin(bool adopts)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    if (sigaction(SIGCHLD, &standard, &of_program) != 0)
        return errno;
    mask_children(SIG_BLOCK);
    return adopts ? pi_os_adopt_orphans() : 0;
}

int pi_os_spare_fork(void (*body)(void *context), void *context, pid_t *child)
{
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        return errno;
    if (pid != 0) {
        *child = pid;
        return 0;
    }
    if (pi_os_die_with_parent() != 0 || getppid() != parent)
        _exit(1);
    if (of_program.sa_handler != SIG_DFL)
        (void)sigaction(SIGCHLD, &of_program, NULL);
    mask_children(SIG_UNBLOCK);
    body(context);
    _exit(1);
}

/* ---- the end ---- */

static uint64_t ns_of(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * PI_SECOND + (uint64_t)time->tv_usec * (PI_MS / 1000);
}

static void describe(int status, const struct rusage *usage, struct pi_os_end *end)
{
    bool exited = WIFEXITED(status);
    end->death.signal = exited ? 0 : WTERMSIG(status);
    end->death.exit_code = exited ? WEXITSTATUS(status) : -1;
    end->cpu_ns = ns_of(&usage->ru_utime) + ns_of(&usage->ru_stime);
    end->peak = (uint64_t)usage->ru_maxrss * 1024;
}

/* If the system does not tell how the child ended, it is killed, and counts as killed. */
static bool take(pid_t child, int flags, struct pi_os_end *end)
{
    struct rusage usage = {.ru_maxrss = 0};
    int status = SIGKILL;
    pid_t ended;
    while ((ended = wait4(child, &status, flags, &usage)) < 0 && errno == EINTR)
        ;
    if (ended < 0)
        (void)pi_os_spare_kill(child);
    if (ended != 0)
        describe(status, &usage, end);
    pi_copy_clear(&usage, sizeof usage);
    return ended != 0;
}

enum pi_os_spare_event pi_os_spare_await(pid_t child, uint64_t until, _Atomic uint32_t *done,
                                         struct pi_os_end *end)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (;;) {
        if (done && pi_load_acquire(done)) /* with the store before pi_os_spare_say */
            return PI_OS_SPARE_SAYS;
        if (take(child, WNOHANG, end))
            return PI_OS_SPARE_ENDED;
        uint64_t now = pi_os_now();
        if (now >= until)
            return PI_OS_SPARE_LIVES;
        struct timespec rest = pi_os_timespec(until - now);
        (void)sigtimedwait(&set, NULL, &rest);
    }
}

void pi_os_spare_say(void) { (void)kill(getppid(), SIGCHLD); }

uint64_t pi_os_spare_reap(pid_t child)
{
    struct pi_os_end end = {.cpu_ns = 0};
    (void)take(child, 0, &end);
    return end.cpu_ns;
}

bool pi_os_spare_kill(pid_t child) { return kill(child, SIGKILL) == 0; }

bool pi_os_spare_limit_data(pid_t child, uint64_t bytes)
{
    struct rlimit limit;
    if (prlimit(child, RLIMIT_DATA, NULL, &limit) != 0)
        return false;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes)
        bytes = limit.rlim_cur;
    limit = (struct rlimit){bytes, bytes};
    return prlimit(child, RLIMIT_DATA, &limit, NULL) == 0;
}
#else
void *pi_os_task_memory_make(size_t size)
{
    (void)size;
    errno = ENOSYS;
    return NULL;
}

bool pi_os_task_memory_keep(void *memory, size_t size)
{
    (void)memory;
    (void)size;
    return false;
}

void pi_os_task_memory_free(void *memory, size_t size)
{
    (void)memory;
    (void)size;
}

int pi_os_spare_begin(bool adopts)
{
    (void)adopts;
    return ENOSYS;
}

int pi_os_spare_fork(void (*body)(void *context), void *context, pid_t *child)
{
    (void)body;
    (void)context;
    (void)child;
    return ENOSYS;
}

enum pi_os_spare_event pi_os_spare_await(pid_t child, uint64_t until, _Atomic uint32_t *done,
                                         struct pi_os_end *end)
{
    (void)child;
    (void)until;
    (void)done;
    *end = (struct pi_os_end){.death = {SIGKILL, -1}};
    return PI_OS_SPARE_ENDED;
}

void pi_os_spare_say(void) {}

uint64_t pi_os_spare_reap(pid_t child)
{
    (void)child;
    return 0;
}

bool pi_os_spare_kill(pid_t child)
{
    (void)child;
    return false;
}

bool pi_os_spare_limit_data(pid_t child, uint64_t bytes)
{
    (void)child;
    (void)bytes;
    return false;
}

int pi_os_adopt_orphans(void) { return ENOSYS; }

enum pi_os_adopted pi_os_adopted(pid_t orphan, pid_t group)
{
    (void)orphan;
    (void)group;
    return PI_OS_ADOPTED_GONE;
}

pid_t pi_os_ended_child(void) { return 0; }

bool pi_os_has_children(void) { return false; }

void pi_os_reap_all(uint64_t until) { (void)until; }
#endif
