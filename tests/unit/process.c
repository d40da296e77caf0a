/* process.c - watching and ending children, and what a new process begins with. */
#include "support/support.h"

#include "os/process.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int pause_for_ever(void *unused)
{
    for (;;)
        pause();
    return 0;
}

static int end_with(void *code) { return *(int *)code; }

static enum pi_os_event next_event(pid_t child, struct pi_os_death *death)
{
    enum pi_os_event event = PI_OS_NOTHING;
    assert_eventually((event = pi_os_child_event(child, death)) != PI_OS_NOTHING);
    return event;
}

TEST(nothing_has_happened, ALL)
{
    struct pi_os_death death = {.signal = 77};
    pid_t child = start_child(pause_for_ever, NULL);
    assert_int_equal(pi_os_child_event(child, &death), PI_OS_NOTHING);
    assert_int_equal(death.signal, 77);
    kill(child, SIGKILL);
    pi_os_reap(child);
    assert_int_equal(pi_os_child_event(child, &death), PI_OS_NOTHING); /* no child any more */
}

TEST(exit_is_seen, ALL)
{
    const int codes[] = {0, 1, 255};
    for (size_t i = 0; i < COUNT(codes); i++) {
        struct pi_os_death death = {-2, -2};
        int code = codes[i];
        pid_t child = start_child(end_with, &code);
        assert_int_equal(next_event(child, &death), PI_OS_DEAD);
        assert_int_equal(death.signal, 0);
        assert_int_equal(death.exit_code, code);
        pi_os_reap(child);
    }
}

TEST(signal_is_seen, ALL)
{
    const int signals[] = {SIGKILL, SIGTERM, SIGABRT};
    for (size_t i = 0; i < COUNT(signals); i++) {
        struct pi_os_death death = {-2, -2};
        pid_t child = start_child(pause_for_ever, NULL);
        kill(child, signals[i]);
        assert_int_equal(next_event(child, &death), PI_OS_DEAD);
        assert_int_equal(death.signal, signals[i]);
        assert_int_equal(death.exit_code, -1);
        pi_os_reap(child);
    }
}

/* A dead process keeps its pid until it is reaped, so its group can be killed safely. */
TEST(dead_until_it_is_reaped, ALL)
{
    struct pi_os_death death;
    int code = 3;
    pid_t child = start_child(end_with, &code);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(next_event(child, &death), PI_OS_DEAD);
        assert_int_equal(death.exit_code, 3);
    }
    assert_int_equal(kill(child, 0), 0);
    pi_os_reap(child);
    assert_int_equal(kill(child, 0), -1);
}

TEST(stop_and_continue_are_seen, ALL)
{
    struct pi_os_death death;
    pid_t child = start_child(pause_for_ever, NULL);
    for (int i = 0; i < 3; i++) {
        kill(child, SIGSTOP);
        assert_int_equal(next_event(child, &death), PI_OS_STOPPED);
        assert_int_equal(pi_os_child_event(child, &death), PI_OS_NOTHING); /* told once */
        kill(child, SIGCONT);
        assert_int_equal(next_event(child, &death), PI_OS_CONTINUED);
        assert_int_equal(pi_os_child_event(child, &death), PI_OS_NOTHING);
    }
    kill(child, SIGSTOP);
    assert_int_equal(next_event(child, &death), PI_OS_STOPPED);
    kill(child, SIGKILL);
    assert_int_equal(next_event(child, &death), PI_OS_DEAD);
    assert_int_equal(death.signal, SIGKILL);
    pi_os_reap(child);
}

static int ask_to_be_traced(void *nothing)
{
    REQUIRE(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
    raise(SIGUSR1);
    return pause_for_ever(NULL);
}

/* It has made us its tracer, who is told of its signals before they have done anything. */
TEST(traced_is_not_dead, PROCESSES)
{
    struct pi_os_death death;
    pid_t child = start_child(ask_to_be_traced, NULL);
    assert_int_equal(next_event(child, &death), PI_OS_STOPPED);
    assert_int_equal(pi_os_child_event(child, &death), PI_OS_NOTHING);
    assert_true(process_lives(child));
    kill(child, SIGKILL);
    assert_int_equal(next_event(child, &death), PI_OS_DEAD);
    assert_int_equal(death.signal, SIGKILL);
    pi_os_reap(child);
}

TEST(other_children_are_left_alone, ALL)
{
    struct pi_os_death death;
    int code = 9;
    pid_t other = start_child(end_with, &code), child = start_child(pause_for_ever, NULL);
    assert_int_equal(next_event(other, &death), PI_OS_DEAD);
    assert_int_equal(pi_os_child_event(child, &death), PI_OS_NOTHING);
    kill(child, SIGKILL);
    pi_os_reap(child);
    assert_int_equal(WEXITSTATUS(wait_status(other)), 9);
}

/* ---- ending ---- */

struct family {
    int ends[2]; /* of a pipe that is open as long as one of them lives */
};

static int have_a_child(void *context)
{
    struct family *family = context;
    REQUIRE(setpgid(0, 0) == 0);
    REQUIRE(fork() >= 0);
    REQUIRE(write(family->ends[1], "", 1) == 1);
    return pause_for_ever(NULL);
}

TEST(a_group_dies_as_a_whole, ALL)
{
    struct family family;
    char byte;
    assert_int_equal(pipe(family.ends), 0);
    pid_t child = start_child(have_a_child, &family);
    close(family.ends[1]);
    for (int i = 0; i < 2; i++)
        assert_int_equal(read(family.ends[0], &byte, 1), 1);
    pi_os_signal_group(child, SIGKILL);
    assert_int_equal(read(family.ends[0], &byte, 1), 0);
    pi_os_reap(child);
    close(family.ends[0]);
}

TEST(a_child_without_a_group_dies_too, ALL)
{
    pid_t child = start_child(pause_for_ever, NULL);
    pi_os_signal_group(child, SIGTERM);
    assert_int_equal(WTERMSIG(wait_status(child)), SIGTERM);
}

static int leave_a_child_behind(void *context)
{
    struct family *family = context;
    pid_t parent = getpid();
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        bool lives = pi_os_die_with_parent() == 0 && getppid() == parent;
        (void)!write(family->ends[1], lives ? "y" : "n", 1);
        pause_for_ever(NULL);
    }
    close(family->ends[1]);
    char byte = 'n';
    REQUIRE(read(family->ends[0], &byte, 1) == 1);
    REQUIRE(byte == 'y');
    return 0;
}

TEST(dies_with_its_parent, ALL)
{
    struct family family;
    char byte;
    assert_int_equal(pipe(family.ends), 0);
    pid_t child = start_child(leave_a_child_behind, &family);
    close(family.ends[1]);
    assert_int_equal(wait_status(child), 0);
    assert_int_equal(read(family.ends[0], &byte, 1), 0);
    close(family.ends[0]);
}

/* ---- forking ---- */

struct cradle {
    int ends[2]; /* of a pipe */
    pid_t parent;
};

/* 'y': it leads a group, and has the right parent. */
static void tell_of_itself(void *context)
{
    struct cradle *cradle = context;
    bool right = getpgrp() == getpid() && pi_os_self() == getpid() &&
                 pi_os_parent() == cradle->parent && getppid() == cradle->parent;
    (void)!write(cradle->ends[1], right ? "y" : "n", 1);
    pause_for_ever(NULL);
}

static int fork_and_end(void *context)
{
    struct cradle *cradle = context;
    pid_t child;
    char byte = 'n';
    cradle->parent = getpid();
    REQUIRE(pi_os_fork_child(tell_of_itself, cradle, &child) == 0);
    close(cradle->ends[1]);
    REQUIRE(getpgid(child) == child);
    REQUIRE(read(cradle->ends[0], &byte, 1) == 1);
    REQUIRE(byte == 'y');
    pi_os_exit(7);
}

TEST(a_forked_child_leads_its_group_and_dies_with_its_parent, ALL)
{
    struct cradle cradle;
    char byte;
    assert_int_equal(pipe(cradle.ends), 0);
    pid_t child = start_child(fork_and_end, &cradle);
    close(cradle.ends[1]);
    assert_int_equal(WEXITSTATUS(wait_status(child)), 7);
    assert_int_equal(read(cradle.ends[0], &byte, 1), 0);
    close(cradle.ends[0]);
}

TEST(no_process_is_notified, ALL)
{
    int code = 0;
    pid_t child = start_child(end_with, &code);
    (void)wait_status(child);
    assert_false(pi_os_notify(child));
}

TEST(a_descriptor_for_the_death, ALL)
{
    pid_t child = start_child(pause_for_ever, NULL);
    int fd = pi_os_pidfd(child);
    if (fd < 0) {
        kill(child, SIGKILL);
        pi_os_reap(child);
        skip(); /* an old kernel */
    }
    struct pollfd death = {.fd = fd, .events = POLLIN};
    assert_true(fd > STDERR_FILENO);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(poll(&death, 1, 0), 0);
    kill(child, SIGKILL);
    assert_int_equal(poll(&death, 1, PATIENCE_MS), 1);
    pi_os_reap(child);
    close(fd);
    assert_int_equal(pi_os_pidfd(child), -1);
}

static long oom_score(void)
{
    char text[32] = "";
    int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
    long score = fd >= 0 && read(fd, text, sizeof text - 1) > 0 ? strtol(text, NULL, 10) : LONG_MIN;
    close(fd);
    return score;
}

static int raise_oom_score(void *unused)
{
    int descriptors = count_descriptors();
    for (int i = 0; i < 2; i++) {
        pi_os_raise_oom_score();
        REQUIRE(oom_score() == 1000);
    }
    REQUIRE(count_descriptors() == descriptors);
    return 0;
}

TEST(oom_score_is_raised, ALL)
{
    long before = oom_score();
    assert_child(raise_oom_score, NULL);
    assert_int_equal(oom_score(), before);
}
