/* fork_detect.c - a forked child is not the process that made the executor. */
#include "support/support.h"

#include "os/fork_detect.h"

#include <sys/wait.h>
#include <unistd.h>

static int does_not_hold(void *guard)
{
    REQUIRE(!pi_os_fork_detect_holds(guard));
    return 0;
}

TEST(holds_here_but_not_in_a_child, ALL)
{
    struct pi_os_fork_detect guard;
    assert_int_equal(pi_os_fork_detect_init(&guard), 0);
    assert_true(pi_os_fork_detect_holds(&guard));
    assert_child(does_not_hold, &guard);
    assert_true(pi_os_fork_detect_holds(&guard));
    pi_os_fork_detect_fini(&guard);
}

static int holds_once_set(void *context)
{
    struct pi_os_fork_detect *guard = context;
    pi_os_fork_detect_set(guard);
    REQUIRE(pi_os_fork_detect_holds(guard));
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
        _exit(does_not_hold(guard));
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(status == 0);
    REQUIRE(pi_os_fork_detect_holds(guard));
    return 0;
}

/* As the supervisor and the workers do. */
TEST(a_child_may_set_it, ALL)
{
    struct pi_os_fork_detect guard;
    assert_int_equal(pi_os_fork_detect_init(&guard), 0);
    assert_child(holds_once_set, &guard);
    assert_true(pi_os_fork_detect_holds(&guard));
    pi_os_fork_detect_fini(&guard);
}

/* Where pages cannot be wiped. */
TEST(by_the_process_id_alone, ALL)
{
    struct pi_os_fork_detect guard = {.mark = NULL};
    pi_os_fork_detect_set(&guard);
    assert_true(pi_os_fork_detect_holds(&guard));
    assert_child(does_not_hold, &guard);
    assert_child(holds_once_set, &guard);
    pi_os_fork_detect_fini(&guard);
}

TEST(ended_twice, ALL)
{
    struct pi_os_fork_detect guard;
    assert_int_equal(pi_os_fork_detect_init(&guard), 0);
    pi_os_fork_detect_fini(&guard);
    assert_null((void *)guard.mark);
    pi_os_fork_detect_fini(&guard);
}
