#include "os/process.h"

#include "os/cancel.h"
#include "os/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

/* ---- this process ---- */

pid_t pi_os_self(void) { return getpid(); }

pid_t pi_os_parent(void) { return getppid(); }

void pi_os_exit(int code) { _exit(code); }

int pi_os_die_with_parent(void)
{
#ifdef __linux__
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 ? 0 : errno;
#else
    return 0;
#endif
}

/* The largest value: with less the kernel may kill a large program before a small worker. */
void pi_os_raise_oom_score(void)
{
#ifdef __linux__
    PI_OS_NO_CANCEL;
    int fd = pi_os_fd_open("/proc/self/oom_score_adj", O_WRONLY);
    if (fd < 0)
        return;
    ssize_t written = write(fd, "1000", 4);
    (void)written;
    pi_os_close(fd);
#endif
}

void pi_os_set_name(const char *name)
{
#ifdef __linux__
    (void)prctl(PR_SET_NAME, name);
#else
    (void)name;
#endif
}

/* ---- forking ---- */

static bool sigchld_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGCHLD) == 1;
}

/* The middle process has died. If the program blocks SIGCHLD, the signal would stay pending after
 * create. This takes it, unless a child of the program died too and shares the signal. */
static void take_sigchld(const struct pi_os_orphan *orphan, bool was_pending, pid_t middle)
{
    sigset_t only;
    siginfo_t info;
    sigemptyset(&only);
    sigaddset(&only, SIGCHLD);
    if (was_pending || sigismember(orphan->mask, SIGCHLD) != 1 || !sigchld_pending())
        return;
    if (sigtimedwait(&only, &info, &(struct timespec){0, 0}) != SIGCHLD)
        return;
    info.si_pid = info.si_pid == middle ? 0 : info.si_pid;
    if (info.si_pid == 0)
        (void)waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
    if (info.si_pid != 0)
        kill(getpid(), SIGCHLD);
}

/* The middle process only forks, so vfork will do: the page tables of a large program are copied
 * once, for the orphan. This thread goes on when the middle process has ended, which writes to its
 * own frame alone. */
static pid_t fork_middle(const struct pi_os_orphan *orphan)
{
    /* NOLINTBEGIN(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork) */
#ifdef __linux__
    pid_t middle = vfork(); /* cppcheck-suppress vforkCalled */
#else
    pid_t middle = fork();
#endif
    if (middle != 0)
        return middle;
    pid_t pid = fork();
    if (pid == 0)
        orphan->body(orphan->context);
    if (pid < 0)
        orphan->failed(orphan->context, errno);
    _exit(0);
    /* NOLINTEND(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork) */
}

#ifdef __linux__
bool pi_os_hide(void)
{
    return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

void pi_os_show(void) { (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }
#else
bool pi_os_hide(void) { return false; }
void pi_os_show(void) {}
#endif

int pi_os_fork_orphan(const struct pi_os_orphan *orphan)
{
    PI_OS_NO_CANCEL;
    bool was_pending = sigchld_pending();
    pid_t middle = fork_middle(orphan);
    if (middle < 0)
        return errno;
    pi_os_reap(middle); /* if the program has not reaped it: by SIG_IGN, or a wait for any child */
    take_sigchld(orphan, was_pending, middle);
    return 0;
}

int pi_os_fork_child(void (*body)(void *context), void *context, pid_t *child)
{
    pid_t parent = getpid();
    *child = fork();
    if (*child < 0)
        return errno;
    if (*child == 0) {
        if (setpgid(0, 0) != 0 || pi_os_die_with_parent() != 0)
            _exit(1);            /* pi_os_supervision_denied has tried both, so this is new */
        if (getppid() == parent) /* else the parent has died before */
            body(context);
        _exit(0);
    }
    (void)setpgid(*child, *child); /* parent or child, whichever is first */
    return 0;
}

/* The answer about this process, which is no child of its own. */
static bool has_no_child(int result) { return result < 0 && (errno == ECHILD || errno == EINTR); }

int pi_os_children_denied(void)
{
    PI_OS_NO_CANCEL;
    siginfo_t info;
    pid_t self = getpid();
    if (kill(self, 0) != 0 || !has_no_child(waitpid(self, NULL, WNOHANG)) ||
        !has_no_child(waitid(P_PID, (id_t)self, &info, WEXITED | WNOHANG | WNOWAIT)))
        return errno;
    return 0;
}

int pi_os_supervision_denied(void)
{
    PI_OS_NO_CANCEL;
    const struct timespec no_time = {0, 0};
    if (setpgid(0, 0) != 0)
        return errno;
    pid_t parent = getppid();
    if (parent < 0)
        return -parent; /* the C library does not set errno */
#ifdef __linux__
    if (prctl(PR_SET_PDEATHSIG, 0) != 0)
        return errno;
#endif
    return ppoll(NULL, 0, &no_time, NULL) != 0 && errno != EINTR ? errno : 0;
}

/* ---- watching and ending ---- */

int pi_os_pidfd(pid_t pid)
{
#ifdef SYS_pidfd_open
    long fd = syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -1 : pi_os_fd_above_stdio((int)fd);
#else
    (void)pid;
    errno = ENOSYS;
    return -1;
#endif
}

/* A task may make the supervisor its tracer. Linux then tells of traps, which count as stops. */
enum pi_os_event pi_os_child_event(pid_t pid, struct pi_os_death *death)
{
    PI_OS_NO_CANCEL;
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid &&
        info.si_code != CLD_TRAPPED) {
        bool exited = info.si_code == CLD_EXITED;
        death->signal = exited ? 0 : info.si_status;
        death->exit_code = exited ? info.si_status : -1;
        return PI_OS_DEAD;
    }
    info.si_pid = 0;
    if (waitid(P_PID, (id_t)pid, &info, WSTOPPED | WCONTINUED | WNOHANG) != 0 || info.si_pid != pid)
        return PI_OS_NOTHING;
    return info.si_code == CLD_CONTINUED ? PI_OS_CONTINUED : PI_OS_STOPPED;
}

void pi_os_reap(pid_t pid)
{
    PI_OS_NO_CANCEL;
    pid_t ended;
    siginfo_t info;
    while ((ended = waitpid(pid, NULL, 0)) < 0 && errno == EINTR)
        ;
    if (ended < 0 && errno != ECHILD) /* a filter may deny that call by now */
        (void)waitid(P_PID, (id_t)pid, &info, WEXITED);
}

void pi_os_reap_adopted(const struct pi_os_identity *orphan)
{
    if (pi_os_identity_is(orphan))
        pi_os_reap(orphan->pid);
}

/* SIGCONT may be sent in the whole session, also if a task has become another user. */
bool pi_os_notify(pid_t supervisor)
{
    return kill(supervisor, SIGCHLD) == 0 || kill(supervisor, SIGCONT) == 0;
}

void pi_os_signal_group(pid_t pid, int signal)
{
    (void)kill(-pid, signal);
    if (signal == SIGKILL || getpgid(pid) != pid) /* it may have left its group */
        (void)kill(pid, signal);
}
