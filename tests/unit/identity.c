/* identity.c - processes that are known again without a pidfd. */
#include "support/support.h"

#include "os/identity.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static int pause_for_ever(void *unused)
{
    for (;;)
        pause();
    return 0;
}

TEST(this_process, ALL)
{
    struct pi_os_identity self = pi_os_identify(getpid());
    assert_int_equal(self.pid, getpid());
    assert_true(self.start != 0); /* there is a /proc here */
    assert_true(pi_os_identity_is(&self));
    assert_true(pi_os_identity_lives(&self));
}

TEST(nobody, ALL)
{
    struct pi_os_identity none = pi_os_identify(0);
    assert_int_equal(none.pid, 0);
    assert_false(pi_os_identity_is(&none));
    assert_false(pi_os_identity_lives(&none));
}

/* Dead, it is still there until its parent has reaped it. */
TEST(a_process_that_dies, ALL)
{
    pid_t child = start_child(pause_for_ever, NULL);
    struct pi_os_identity identity = pi_os_identify(child);
    assert_true(pi_os_identity_lives(&identity));
    kill(child, SIGKILL);
    assert_eventually(process_state(child) == 'Z');
    assert_true(pi_os_identity_is(&identity));
    assert_eventually(!pi_os_identity_lives(&identity)); /* a sanitizer's thread may end later */
    struct pi_os_identity dead = pi_os_identify(child);
    assert_true(dead.start == identity.start);
    (void)wait_status(child);
    assert_false(pi_os_identity_is(&identity));
    assert_int_equal(pi_os_identify(child).pid, 0);
}

/* Another one that has got the pid has not begun at the same time. */
TEST(a_pid_that_is_anothers_by_now, ALL)
{
    struct pi_os_identity identity = pi_os_identify(getpid());
    identity.start++;
    assert_false(pi_os_identity_is(&identity));
    assert_false(pi_os_identity_lives(&identity));
}

TEST(without_a_start_time_the_pid_counts, ALL)
{
    struct pi_os_identity identity = {.pid = getpid()};
    assert_true(pi_os_identity_is(&identity));
    assert_true(pi_os_identity_lives(&identity));
}

static void *wait_in_a_thread(void *unused)
{
    pause_for_ever(unused);
    return NULL;
}

static int end_first_thread(void *unused)
{
    pthread_t other;
    REQUIRE(pthread_create(&other, NULL, wait_in_a_thread, NULL) == 0);
    pthread_exit(NULL);
}

TEST(a_process_whose_first_thread_has_ended_lives, ALL)
{
    pid_t child = start_child(end_first_thread, NULL);
    assert_eventually(process_state(child) == 'Z');
    struct pi_os_identity identity = pi_os_identify(child);
    assert_true(pi_os_identity_lives(&identity));
    kill(child, SIGKILL);
    (void)wait_status(child);
}

static int become_another_user(void *unused)
{
    struct pi_os_user user = pi_os_user();
    REQUIRE(pi_os_user_is(&user));
    if (setegid(user.group + 1) == 0) /* only root may */
        REQUIRE(!pi_os_user_is(&user));
    return 0;
}

TEST(another_user, ALL) { assert_child(become_another_user, NULL); }
