/* signals.c - masks and dispositions, of processes and of our threads. */
#include "support/support.h"

#include "os/process.h"
#include "os/thread.h"

#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool is_blocked(int signal)
{
    sigset_t mask;
    return pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0 && sigismember(&mask, signal) == 1;
}

TEST(blocked_and_restored)
{
    sigset_t before, usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    pi_os_signals_block(&before);
    assert_true(is_blocked(SIGTERM));
    assert_true(is_blocked(SIGCHLD));
    assert_int_equal(sigismember(&before, SIGUSR1), 1);
    assert_int_equal(sigismember(&before, SIGTERM), 0);
    pi_os_signals_restore(&before);
    assert_false(is_blocked(SIGTERM));
    assert_true(is_blocked(SIGUSR1));
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
}

static void handle(int signal) { (void)signal; }

static bool is_set_to(int signal, void (*handler)(int))
{
    struct sigaction action;
    return sigaction(signal, NULL, &action) == 0 && action.sa_handler == handler;
}

static int begin_anew(void *unused)
{
    (void)unused;
    signal(SIGTERM, handle);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGINT, handle);
    pi_os_signals_default((const int[]){SIGINT, SIGQUIT, 0});
    REQUIRE(is_set_to(SIGTERM, SIG_DFL));
    REQUIRE(is_set_to(SIGUSR1, SIG_DFL));
    REQUIRE(is_set_to(SIGINT, SIG_IGN));
    REQUIRE(is_set_to(SIGQUIT, SIG_IGN));
    REQUIRE(is_set_to(SIGRTMAX, SIG_DFL));
    pi_os_signals_default((const int[]){0});
    REQUIRE(is_set_to(SIGINT, SIG_DFL));
    return 0;
}

TEST(a_new_process_has_no_handlers) { assert_child(begin_anew, NULL); }

static int take_a_name(void *unused)
{
    char name[17] = "";
    (void)unused;
    pi_os_process_name("a-name-of-more-than-15");
    REQUIRE(prctl(PR_GET_NAME, name) == 0);
    REQUIRE(strcmp(name, "a-name-of-more-") == 0);
    return 0;
}

TEST(a_process_has_a_name) { assert_child(take_a_name, NULL); }

/* ---- threads ---- */

struct look {
    bool takes_signals;
    size_t stack;
    char name[17];
};

static void *look_around(void *context)
{
    struct look *look = context;
    pthread_attr_t attributes;
    look->takes_signals = !is_blocked(SIGTERM) || !is_blocked(SIGCHLD) || !is_blocked(SIGUSR1);
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstacksize(&attributes, &look->stack);
        pthread_attr_destroy(&attributes);
    }
    pi_os_thread_name("one-of-ours");
    prctl(PR_GET_NAME, look->name);
    return context;
}

TEST(a_thread_of_ours)
{
    struct look look = {.takes_signals = true};
    char name_before[17] = "", name_after[17] = "";
    pthread_t thread;
    void *result = NULL;
    prctl(PR_GET_NAME, name_before);
    assert_int_equal(pi_os_thread_create(&thread, look_around, &look), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    prctl(PR_GET_NAME, name_after);
    assert_ptr_equal(result, &look);
    assert_false(look.takes_signals);
    assert_true(look.stack >= (size_t)1 << 20);
    assert_string_equal(look.name, "one-of-ours");
    assert_string_equal(name_after, name_before);
    assert_false(is_blocked(SIGTERM)); /* its maker takes them as before */
}

int main(int argc, char **argv)
{
    const struct check checks[] = {
        CHECK(blocked_and_restored, ALL),
        CHECK(a_new_process_has_no_handlers, ALL),
        CHECK(a_process_has_a_name, ALL),
        CHECK(a_thread_of_ours, ALL),
    };
    return RUN_CHECKS(argc, argv, checks);
}
