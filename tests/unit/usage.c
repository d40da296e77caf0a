/* usage.c - what the system tells of a process that lives, of one whose first thread has ended, and
 * of one that has ended. */
#include "support/support.h"

#include "os/usage.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_told(pid_t pid)
{
    struct pi_os_usage usage;
    return pi_os_usage_of(pid, &usage);
}

static void *rest(void *unused_argument)
{
    pause_ms(PATIENCE_MS);
    return NULL;
}

static int live(void *unused_argument)
{
    pause_ms(PATIENCE_MS);
    return 0;
}

static int leave_to_another_thread(void *unused_argument)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, rest, NULL) == 0);
    pthread_exit(NULL);
}

static void end(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    (void)wait_status(pid);
}

TEST(lives, ALL)
{
    if (!is_told(0))
        skip();
    pid_t pid = start_child(live, NULL);
    assert_true(is_told(pid));
    end(pid);
}

TEST(its_first_thread_has_ended, ALL)
{
    if (!is_told(0))
        skip();
    pid_t pid = start_child(leave_to_another_thread, NULL);
    assert_eventually(!is_told(pid));
    assert_false(pi_os_usage_ends(pid));
    end(pid);
}

TEST(has_ended, ALL)
{
    siginfo_t info;
    if (!is_told(0))
        skip();
    pid_t pid = start_child(live, NULL);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_false(is_told(pid));
    assert_true(pi_os_usage_ends(pid));
    (void)wait_status(pid);
}
