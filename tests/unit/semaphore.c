/* semaphore.c - waiting with a deadline, through signals, across a fork. */
#include "support/support.h"

#include "os/clock.h"
#include "os/semaphore.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct pi_os_semaphore semaphore;

static void make_semaphore(void) { memset(&semaphore, 0, sizeof semaphore); }

TEST(posts_are_counted, ALL)
{
    make_semaphore();
    for (int i = 0; i < 3; i++)
        pi_os_semaphore_post(&semaphore);
    for (int i = 0; i < 3; i++)
        assert_true(pi_os_semaphore_wait(&semaphore, PI_NEVER));
    assert_false(pi_os_semaphore_wait(&semaphore, 0));
}

TEST(a_post_is_taken_though_the_moment_has_passed, ALL)
{
    make_semaphore();
    assert_false(pi_os_semaphore_wait(&semaphore, 0));
    pi_os_semaphore_post(&semaphore);
    assert_true(pi_os_semaphore_wait(&semaphore, 0));
    assert_false(pi_os_semaphore_wait(&semaphore, pi_os_now()));
}

TEST(drained_of_all_posts, ALL)
{
    make_semaphore();
    for (int i = 0; i < 10; i++)
        pi_os_semaphore_post(&semaphore);
    pi_os_semaphore_drain(&semaphore);
    assert_false(pi_os_semaphore_wait(&semaphore, 0));
    pi_os_semaphore_drain(&semaphore);
    pi_os_semaphore_post(&semaphore);
    assert_true(pi_os_semaphore_wait(&semaphore, 0));
}

TEST(waits_until_the_deadline, ALL)
{
    make_semaphore();
    uint64_t until = pi_os_after_ms(60);
    assert_false(pi_os_semaphore_wait(&semaphore, until));
    assert_true(pi_os_now() >= until);
}

TEST(waits_for_more_than_a_second, ALL)
{
    make_semaphore();
    uint64_t until = pi_os_after_ms(1300);
    assert_false(pi_os_semaphore_wait(&semaphore, until));
    assert_true(pi_os_now() >= until);
}

/* Of the first thread of a process. */
static void await_sleep_of(pid_t process)
{
    while (process_state(process) != 'S')
        pause_ms(1);
}

static void *post_soon(void *unused)
{
    await_sleep_of(getpid());
    pi_os_semaphore_post(&semaphore);
    return NULL;
}

TEST(woken_by_a_post, ALL)
{
    const uint64_t moments[] = {PI_NEVER, pi_os_after_ms(PATIENCE_MS)};
    make_semaphore();
    for (size_t i = 0; i < COUNT(moments); i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, post_soon, NULL), 0);
        assert_true(pi_os_semaphore_wait(&semaphore, moments[i]));
        pthread_join(thread, NULL);
    }
}

static int post_in_child(void *shared)
{
    await_sleep_of(getppid());
    pi_os_semaphore_post(shared);
    return 0;
}

TEST(shared_between_processes, ALL)
{
    struct pi_os_semaphore *shared = make_shared(sizeof *shared);
    pid_t child = start_child(post_in_child, shared);
    assert_true(pi_os_semaphore_wait(shared, pi_os_after_ms(PATIENCE_MS)));
    assert_int_equal(wait_status(child), 0);
    free_shared(shared, sizeof *shared);
}

/* ---- signals ---- */

struct disturber {
    pthread_t victim;
    bool posts; /* at the end */
};

static _Atomic int handled;

static void handle(int signal) { atomic_fetch_add(&handled, 1); }

static void *disturb(void *context)
{
    struct disturber *disturber = context;
    for (int i = 0; i < 20; i++) {
        pause_ms(3);
        pthread_kill(disturber->victim, SIGUSR1);
    }
    if (disturber->posts)
        pi_os_semaphore_post(&semaphore);
    return NULL;
}

/* Waits while signals come in, whose handler does not restart system calls. */
static bool wait_disturbed(uint64_t until, bool posts)
{
    const struct sigaction action = {.sa_handler = handle};
    struct disturber disturber = {.victim = pthread_self(), .posts = posts};
    struct sigaction before;
    pthread_t thread;
    atomic_store(&handled, 0);
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    assert_int_equal(pthread_create(&thread, NULL, disturb, &disturber), 0);
    bool taken = pi_os_semaphore_wait(&semaphore, until);
    pthread_join(thread, NULL);
    assert_true(atomic_load(&handled) > 0);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    return taken;
}

TEST(signals_do_not_shorten_a_wait, ALL)
{
    make_semaphore();
    uint64_t until = pi_os_after_ms(150);
    assert_false(wait_disturbed(until, false));
    assert_true(pi_os_now() >= until);
}

TEST(signals_are_no_posts, ALL)
{
    make_semaphore();
    assert_true(wait_disturbed(PI_NEVER, true));
    assert_false(pi_os_semaphore_wait(&semaphore, 0));
}

/* Whatever a task writes there is a number of posts: calls come back, and posts count again. */
TEST(scribbled_on, ALL)
{
    for (int byte = 0; byte < 256; byte += 51) {
        make_semaphore();
        memset((void *)&semaphore, byte, sizeof semaphore);
        pi_os_semaphore_post(&semaphore);
        pi_os_semaphore_post_once(&semaphore);
        assert_true(pi_os_semaphore_wait(&semaphore, 0));
        pi_os_semaphore_drain(&semaphore);
        assert_false(pi_os_semaphore_wait(&semaphore, pi_os_after_ms(1)));
        pi_os_semaphore_post(&semaphore);
        assert_true(pi_os_semaphore_wait(&semaphore, 0));
    }
}

/* A post that finds one counts for nothing. */
TEST(posted_once, ALL)
{
    make_semaphore();
    for (int i = 0; i < 5; i++)
        pi_os_semaphore_post_once(&semaphore);
    assert_true(pi_os_semaphore_wait(&semaphore, 0));
    assert_false(pi_os_semaphore_wait(&semaphore, 0));
}
