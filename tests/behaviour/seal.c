/* seal.c - what a seal forbids, and what it allows: call by call. */
#include "support/sealed.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- deeds: each gives 0, or the errno with which it failed ---- */

typedef int deed(void);

static int open_a_file(void)
{
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? errno : close(fd);
}

static int make_a_file(void)
{
    char name[] = "/tmp/posse-seal-XXXXXX";
    int fd = mkstemp(name);
    if (fd < 0)
        return errno;
    close(fd);
    return unlink(name) == 0 ? 0 : errno;
}

static int remove_a_file(void) { return unlink("/tmp/posse-there-is-none") == 0 ? 0 : errno; }
static int change_a_mode(void) { return chmod("/tmp/posse-there-is-none", 0600) == 0 ? 0 : errno; }
static int look_at_a_file(void)
{
    struct stat status;
    return stat("/etc/passwd", &status) == 0 ? 0 : errno;
}

static int make_a_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? errno : close(fd);
}

static int make_a_local_socket(void)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return errno;
    close(fds[0]);
    return close(fds[1]);
}

static int start_a_process(void)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(3);
    if (child < 0)
        return errno;
    return waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3 ? 0 : -1;
}

static int run_a_program(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(9);
    }
    if (child < 0)
        return errno;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int become_a_program(void)
{
    execl("/there/is/none", "none", (char *)NULL);
    return errno == ENOENT ? 0 : errno;
}

static int signal_the_parent(void) { return kill(getppid(), 0) == 0 ? 0 : errno; }
static int signal_a_group(void) { return kill(0, 0) == 0 ? 0 : errno; }
static int signal_by_a_descriptor(void)
{
    struct f_owner_ex owner = {F_OWNER_PID, getppid()};
    return fcntl(STDERR_FILENO, F_SETOWN_EX, &owner) == 0 ? 0 : errno;
}

static int signal_by_input(void)
{
    return fcntl(STDERR_FILENO, F_SETFL, fcntl(STDERR_FILENO, F_GETFL) | O_ASYNC) == 0 ? 0 : errno;
}

static int read_the_parent(void)
{
    static char there[16];
    char here[16];
    struct iovec to = {here, sizeof here}, from = {there, sizeof there};
    return process_vm_readv(getppid(), &to, 1, &from, 1, 0) > 0 ? 0 : errno;
}

static int trace_the_parent(void)
{
    if (ptrace(PTRACE_SEIZE, getppid(), NULL, NULL) != 0)
        return errno;
    return 0;
}

/* Calls that no seal allows. */
static int poison(void)
{
    static char page[8192];
    char *whole = (char *)(((uintptr_t)page + 4095) & ~(uintptr_t)4095);
    return madvise(whole, 4096, 101 /* MADV_SOFT_OFFLINE */) == 0 ? 0 : errno;
}
static int leave_the_group(void) { return setsid() > 0 ? 0 : errno; }
static int live_on(void) { return prctl(PR_SET_PDEATHSIG, 0) == 0 ? 0 : errno; }
static int be_dumped(void) { return prctl(PR_SET_DUMPABLE, 1) == 0 ? 0 : errno; }
static int make_a_ring(void) { return (int)syscall(SYS_io_uring_setup, 1, NULL); }
static int type_for_others(void) { return ioctl(0, TIOCSTI, "x"); }
static int give_the_child_away(void)
{
    return (int)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
}

static int deed_task(posse_task *task, const void *arg, size_t size)
{
    deed *what;
    memcpy(&what, arg, sizeof what);
    return return_long(task, what());
}

#define EVERYTHING 0x1ffu

/* The calls that it may be, by libc and processor; "unknown" where musl blocks all signals. */
static void assert_forbidden(posse_executor *pool, deed *what, const char *calls)
{
    posse_error error = take_error(SUBMIT_VALUE(pool, deed_task, what), POSSE_FORBIDDEN);
    assert_true(error.call >= 0 || has_word(calls, "unknown"));
    assert_non_null(error.call_name);
    if (!has_word(calls, error.call_name))
        fail_msg("%s, not %s", error.call_name, calls);
    assert_non_null(strstr(error.message, error.call_name));
    assert_int_equal(error.signal, SIGSYS);
    assert_true(error.pid > 0);
}

static const struct {
    const char *name;
    deed *what;
    uint64_t needs;
    const char *calls;
} deeds[] = {
    {"open", open_a_file, POSSE_ALLOW_FILES, "open openat"},
    {"make a file", make_a_file, POSSE_ALLOW_FILES, "open openat"},
    {"look at a file", look_at_a_file, POSSE_ALLOW_FILES, "stat newfstatat"},
    {"socket", make_a_socket, POSSE_ALLOW_NETWORK, "socket"},
    {"local sockets", make_a_local_socket, POSSE_ALLOW_NETWORK, "socketpair"},
    {"fork", start_a_process, POSSE_ALLOW_PROCESSES, "fork clone unknown"},
    {"exec", become_a_program, POSSE_ALLOW_PROGRAMS, "execve"},
    {"signal the parent", signal_the_parent, POSSE_ALLOW_SIGNALS, "kill"},
    {"signal a group", signal_a_group, POSSE_ALLOW_SIGNALS, "kill"},
    {"signal by a descriptor", signal_by_a_descriptor, POSSE_ALLOW_SIGNALS, "fcntl"},
    {"signal by input", signal_by_input, POSSE_ALLOW_SIGNALS, "fcntl"},
    {"read memory", read_the_parent, POSSE_ALLOW_TRACING, "process_vm_readv"},
};

/* With that flag alone, the deed works; with all others, it is forbidden. */
TEST(each_flag, SEALABLE)
{
    for (size_t i = 0; i < COUNT(deeds); i++) {
        scene_is("%s", deeds[i].name);
        posse_executor *pool = sealed_pool(1, (posse_seal){.allow = deeds[i].needs});
        long gave = take_long(SUBMIT_VALUE(pool, deed_task, deeds[i].what));
        assert_true(gave == 0 || (gave == EPERM && deeds[i].needs == POSSE_ALLOW_TRACING));
        end_pool(pool);
        pool = sealed_pool(1, (posse_seal){.allow = EVERYTHING & ~deeds[i].needs});
        assert_forbidden(pool, deeds[i].what, deeds[i].calls);
        end_pool(pool);
    }
}

/* One worker after the other. */
TEST(nothing_is_allowed_by_default, SEALABLE)
{
    posse_executor *pool = sealed_pool(1, (posse_seal){.allow = 0});
    for (size_t i = 0; i < COUNT(deeds); i++) {
        scene_is("%s", deeds[i].name);
        assert_forbidden(pool, deeds[i].what, deeds[i].calls);
        assert_int_equal(take_long(submitted_long(pool, square_task, 9)), 81);
    }
    assert_forbidden(pool, remove_a_file, "unlink unlinkat");
    assert_forbidden(pool, change_a_mode, "chmod fchmodat");
    assert_forbidden(pool, trace_the_parent, "ptrace");
    end_pool(pool);
}

TEST(never, SEALABLE)
{
    posse_executor *pool = sealed_pool(1, (posse_seal){.allow = EVERYTHING});
    assert_forbidden(pool, leave_the_group, "setsid");
    assert_forbidden(pool, poison, "madvise");
    assert_forbidden(pool, live_on, "prctl");
    assert_forbidden(pool, be_dumped, "prctl");
    assert_forbidden(pool, make_a_ring, "io_uring_setup");
    assert_forbidden(pool, type_for_others, "ioctl");
    assert_forbidden(pool, give_the_child_away, "clone");
    end_pool(pool);
}

#ifdef __x86_64__
/* getpid, which is allowed, by the numbers of other programs. */
static int call_as_32_bits(void)
{
    long result = 20;
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory");
    return 0;
}

static int call_as_x32(void) { return (int)syscall(0x40000000L | SYS_getpid); }

TEST(calls_of_other_programs, SEALABLE)
{
    posse_executor *pool = sealed_pool(1, (posse_seal){.allow = EVERYTHING});
    deed *what = call_as_32_bits;
    posse_future future = SUBMIT_VALUE(pool, deed_task, what);
    posse_error error = error_of(future);
    assert_true(error.status == POSSE_FORBIDDEN ? error.call == -1
                                                : error.signal == SIGSEGV); /* it has none */
    assert_ok(posse_release(future));
    assert_forbidden(pool, call_as_x32, "unknown");
    end_pool(pool);
}
#endif

/* A child is sealed as its worker is, and its death is not the task's. */
TEST(programs, SEALABLE)
{
    uint64_t both = POSSE_ALLOW_PROCESSES | POSSE_ALLOW_PROGRAMS;
    posse_executor *pool = sealed_pool(1, (posse_seal){.allow = both | POSSE_ALLOW_FILES});
    deed *what = run_a_program;
    assert_int_equal(take_long(SUBMIT_VALUE(pool, deed_task, what)), 0);
    end_pool(pool);
    pool = sealed_pool(1, (posse_seal){.allow = POSSE_ALLOW_PROCESSES | POSSE_ALLOW_FILES});
    assert_int_equal(take_long(SUBMIT_VALUE(pool, deed_task, what)), -1);
    end_pool(pool);
}
