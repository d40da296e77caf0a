/* orphan.c - a process without a parent: its maker has nothing to reap, and gets no signal of it.
 *
 * The makers are forked children of the runner: their signals are what the tests look at. */
#include "support/support.h"

#include "os/process.h"
#include "os/signals.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the orphan is given, and what it says. */
struct birth {
    int ends[2];  /* of a pipe */
    pid_t victim; /* to be killed by it, if not 0 */
};

struct cry {
    pid_t pid;
    int error; /* 0: it runs */
};

static void say(struct birth *birth, int error)
{
    struct cry cry = {.pid = getpid(), .error = error};
    _exit(write(birth->ends[1], &cry, sizeof cry) == sizeof cry ? 0 : 1);
}

static void be_born(void *context)
{
    struct birth *birth = context;
    if (birth->victim != 0)
        kill(birth->victim, SIGKILL);
    say(birth, 0);
}

static void be_not_born(void *context, int error) { say(context, error); }

/* Forks an orphan as the library does, all signals blocked, and hears what it says. */
static int make_orphan(struct birth *birth, struct cry *cry)
{
    sigset_t before;
    *cry = (struct cry){.error = -1};
    REQUIRE(pipe(birth->ends) == 0);
    pi_os_signals_block(&before);
    const struct pi_os_orphan orphan = {
        .body = be_born, .failed = be_not_born, .context = birth, .mask = &before};
    int error = pi_os_fork_orphan(&orphan);
    pi_os_signals_restore(&before);
    close(birth->ends[1]);
    REQUIRE(error == 0);
    REQUIRE(read(birth->ends[0], cry, sizeof *cry) == sizeof *cry);
    close(birth->ends[0]);
    return 0;
}

static bool no_child_left(void) { return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD; }

/* The set of that signal alone. */
static sigset_t block_sigchld(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return set;
}

static bool sigchld_is_pending(void)
{
    sigset_t set;
    return sigpending(&set) == 0 && sigismember(&set, SIGCHLD) == 1;
}

static int nothing_to_reap(void *context)
{
    struct birth birth = {.victim = 0};
    struct cry cry;
    REQUIRE(make_orphan(&birth, &cry) == 0);
    REQUIRE(no_child_left());
    REQUIRE(cry.error == 0);
    REQUIRE(cry.pid != getpid() && cry.pid > 0);
    return 0;
}

TEST(is_nobodys_child, ALL) { assert_child(nothing_to_reap, NULL); }

static int no_signal_waits(void *context)
{
    block_sigchld();
    REQUIRE(nothing_to_reap(context) == 0);
    REQUIRE(!sigchld_is_pending());
    return 0;
}

TEST(no_signal_is_left_pending, ALL) { assert_child(no_signal_waits, NULL); }

/* The kernel reaps for a program that ignores the signal. */
static int ignores_sigchld(void *context)
{
    signal(SIGCHLD, SIG_IGN);
    return no_signal_waits(context);
}

TEST(with_sigchld_ignored, ALL) { assert_child(ignores_sigchld, NULL); }

static pid_t fork_own_child(void)
{
    pid_t own = fork();
    if (own == 0)
        for (;;)
            pause();
    return own;
}

/* A child of the program's own has died before; it was told so, and has not looked yet. */
static int own_child_died_before(void *context)
{
    struct birth birth = {.victim = 0};
    struct cry cry;
    siginfo_t info;
    sigset_t set = block_sigchld();
    pid_t own = fork_own_child();
    REQUIRE(own > 0 && kill(own, SIGKILL) == 0);
    REQUIRE(waitid(P_PID, (id_t)own, &info, WEXITED | WNOWAIT) == 0);
    REQUIRE(sigchld_is_pending());
    REQUIRE(make_orphan(&birth, &cry) == 0);
    REQUIRE(sigchld_is_pending());
    REQUIRE(sigwaitinfo(&set, &info) == SIGCHLD && info.si_pid == own); /* and it tells who */
    REQUIRE(waitpid(-1, NULL, 0) == own);
    REQUIRE(no_child_left());
    return 0;
}

TEST(keeps_the_signal_of_an_own_child, ALL) { assert_child(own_child_died_before, NULL); }

/* One dies just now: one signal may stand for both deaths, and the program is still told. */
static int own_child_dies_meanwhile(void *context)
{
    sigset_t set = block_sigchld();
    for (int i = 0; i < 50; i++) {
        struct birth birth = {.victim = fork_own_child()};
        struct cry cry;
        siginfo_t info;
        REQUIRE(birth.victim > 0);
        REQUIRE(make_orphan(&birth, &cry) == 0);
        REQUIRE(waitid(P_PID, (id_t)birth.victim, &info, WEXITED | WNOWAIT) == 0);
        REQUIRE(sigtimedwait(&set, NULL, &(struct timespec){.tv_sec = 10}) == SIGCHLD);
        REQUIRE(waitpid(birth.victim, NULL, 0) == birth.victim);
        REQUIRE(no_child_left());
        while (sigchld_is_pending())
            sigtimedwait(&set, NULL, &(struct timespec){.tv_sec = 0});
    }
    return 0;
}

TEST(tells_of_an_own_child_that_dies_meanwhile, ALL)
{
    assert_child(own_child_dies_meanwhile, NULL);
}

/* A user who owns no process but this one, even if tests run beside each other. */
static unsigned lonely_user(void) { return 200000u + (unsigned)getpid(); }

/* So few processes are allowed that the second fork fails, or even the first. */
static int too_few_processes(void *context)
{
    struct birth birth = {.victim = 0};
    struct cry cry;
    if (setuid(lonely_user()) != 0)
        return 0; /* only root can make the limit sure */
    if (count_threads() != 1)
        return 0; /* a sanitizer has one, which counts too */
    REQUIRE(setrlimit(RLIMIT_NPROC, &(struct rlimit){2, 2}) == 0);
    REQUIRE(make_orphan(&birth, &cry) == 0);
    REQUIRE(cry.error == EAGAIN);
    REQUIRE(cry.pid != getpid());
    REQUIRE(no_child_left());
    REQUIRE(setrlimit(RLIMIT_NPROC, &(struct rlimit){1, 1}) == 0);
    sigset_t before;
    pi_os_signals_block(&before);
    const struct pi_os_orphan orphan = {
        .body = be_born, .failed = be_not_born, .context = &birth, .mask = &before};
    REQUIRE(pi_os_fork_orphan(&orphan) == EAGAIN);
    REQUIRE(no_child_left());
    return 0;
}

TEST(forks_that_fail, ALL)
{
    if (geteuid() != 0)
        skip();
    assert_child(too_few_processes, NULL);
}
