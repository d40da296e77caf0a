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

static bool sigchld_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGCHLD) == 1;
}

/* The middle process has died. If the program keeps SIGCHLD blocked, the signal would wait for it
 * after create: takes it, unless a child of the program's own died too, which would have been told
 * by the same signal. */
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

void pi_os_reap(pid_t pid)
{
    PI_OS_NO_CANCEL;
    pid_t ended;
    siginfo_t info;
    while ((ended = waitpid(pid, NULL, 0)) < 0 && errno == EINTR)
        ;
    if (ended < 0 && errno != ECHILD) /* a filter denies that call by now */
        (void)waitid(P_PID, (id_t)pid, &info, WEXITED);
}

/* The process between this one and the orphan only forks, so where it can it shares our memory: the
 * page tables, which take long to copy for a large program, are copied once, for the orphan. This
 * thread goes on when the middle process has ended; all that it has written is its own frame. */
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

int pi_os_fork_orphan(const struct pi_os_orphan *orphan)
{
    PI_OS_NO_CANCEL;
    bool was_pending = sigchld_pending();
    pid_t middle = fork_middle(orphan);
    if (middle < 0)
        return errno;
    /* The program may ignore SIGCHLD or wait for any child itself:
     * then there is nothing to reap. */
    pi_os_reap(middle);
    take_sigchld(orphan, was_pending, middle);
    return 0;
}

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

/* For this process, which is no child of its own. */
static bool waits_in_vain(int result) { return result < 0 && (errno == ECHILD || errno == EINTR); }

int pi_os_children_denied(void)
{
    PI_OS_NO_CANCEL;
    siginfo_t info;
    pid_t self = getpid();
    if (kill(self, 0) != 0 || !waits_in_vain(waitpid(self, NULL, WNOHANG)) ||
        !waits_in_vain(waitid(P_PID, (id_t)self, &info, WEXITED | WNOHANG | WNOWAIT)))
        return errno;
    return 0;
}

/* The C library takes getppid for a call that cannot fail: it leaves errno as it is. */
static int parent_denied(void)
{
    pid_t parent = getppid();
    return parent < 0 ? -parent : 0;
}

int pi_os_supervision_denied(void)
{
    PI_OS_NO_CANCEL;
    const struct timespec no_time = {0, 0};
    if (setpgid(0, 0) != 0)
        return errno;
    int error = parent_denied();
    if (error)
        return error;
#ifdef __linux__
    if (prctl(PR_SET_PDEATHSIG, 0) != 0)
        return errno;
#endif
    return ppoll(NULL, 0, &no_time, NULL) != 0 && errno != EINTR ? errno : 0;
}

int pi_os_die_with_parent(void)
{
#ifdef __linux__
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 ? 0 : errno;
#else
    return 0;
#endif
}

/* The largest value there is: any less would count the worker as larger than it is by a part of the
 * memory of the machine, and a program that uses more than that part would be killed first. */
void pi_os_raise_oom_score(void)
{
#ifdef __linux__
    PI_OS_NO_CANCEL;
    static const char most[] = "1000";
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t written = write(fd, most, sizeof most - 1);
    (void)written;
    close(fd);
#endif
}

void pi_os_process_name(const char *name)
{
#ifdef __linux__
    (void)prctl(PR_SET_NAME, name);
#else
    (void)name;
#endif
}

/* Linux also tells of the stops of a child that has asked to be traced by us, which is as good as a
 * stop: who has asked for it must bear it. */
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

void pi_os_reap_adopted(const struct pi_os_identity *orphan)
{
    if (pi_os_identity_is(orphan))
        pi_os_reap(orphan->pid);
}

void pi_os_signal_group(pid_t pid, int signal)
{
    (void)kill(-pid, signal);
    (void)kill(pid, signal);
}
