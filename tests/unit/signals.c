/* signals.c - masks and dispositions, of processes and of our threads. */
#include "support/support.h"

#include "os/process.h"
#include "os/signals.h"
#include "os/thread.h"

#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool is_blocked(int signal)
{
    sigset_t mask;
    return pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0 && sigismember(&mask, signal) == 1;
}

/* What the program has blocked itself stays so. */
TEST(blocked_before, ALL)
{
    sigset_t before, traps;
    sigemptyset(&traps);
    sigaddset(&traps, SIGTRAP);
    pthread_sigmask(SIG_BLOCK, &traps, NULL);
    pi_os_signals_block(&before);
    assert_true(is_blocked(SIGTRAP));
    pi_os_signals_restore(&before);
    pi_os_signals_block_for_thread(&before);
    assert_true(is_blocked(SIGTRAP));
    pi_os_signals_restore(&before);
    pthread_sigmask(SIG_UNBLOCK, &traps, NULL);
}

TEST(blocked_and_restored, ALL)
{
    sigset_t before, usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    pi_os_signals_block(&before);
    assert_true(is_blocked(SIGTERM));
    assert_true(is_blocked(SIGCHLD));
    assert_true(is_blocked(SIGPROF));
    assert_false(is_blocked(SIGSEGV)); /* a fault here reaches the program's handler */
    assert_false(is_blocked(SIGSYS));
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

/* A supervisor, and in the same process then a worker of its. */
static int begin_anew(void *unused)
{
    sigset_t ignored;
    signal(SIGTERM, handle);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGINT, handle);
    pi_os_signals_of_supervisor(&ignored);
    REQUIRE(is_set_to(SIGTERM, SIG_DFL) && is_set_to(SIGUSR1, SIG_DFL));
    REQUIRE(!is_set_to(SIGCHLD, SIG_IGN) && !is_set_to(SIGCHLD, SIG_DFL));
    REQUIRE(is_blocked(SIGTERM) && is_blocked(SIGCHLD) && is_blocked(SIGPROF));
    REQUIRE(sigismember(&ignored, SIGUSR1) == 1 && sigismember(&ignored, SIGCHLD) == 1);
    REQUIRE(sigismember(&ignored, SIGTERM) == 0 && sigismember(&ignored, SIGRTMAX) == 0);
    pi_os_signals_of_worker(&ignored);
    REQUIRE(is_set_to(SIGUSR1, SIG_IGN) && is_set_to(SIGCHLD, SIG_IGN));
    REQUIRE(is_set_to(SIGTERM, SIG_DFL) && is_set_to(SIGCONT, SIG_DFL));
    REQUIRE(is_set_to(SIGINT, SIG_IGN) && is_set_to(SIGQUIT, SIG_IGN));
    REQUIRE(is_set_to(SIGTTIN, SIG_IGN) && is_set_to(SIGTTOU, SIG_IGN));
    REQUIRE(is_set_to(SIGRTMAX, SIG_DFL));
    REQUIRE(!is_blocked(SIGTERM) && !is_blocked(SIGCHLD));
    return 0;
}

TEST(a_new_process_has_no_handlers, ALL) { assert_child(begin_anew, NULL); }

/* Only what the supervisor acts on ends its sleep. */
TEST(signals_that_end_a_sleep, ALL)
{
    sigset_t mask;
    pi_os_signals_of_sleep(&mask);
    for (int signal = 1; signal < 32; signal++) {
        bool open = signal == SIGCHLD || signal == SIGCONT;
        assert_int_equal(sigismember(&mask, signal), open ? 0 : 1);
    }
}

static int take_a_name(void *unused)
{
    char name[17] = "";
    pi_os_set_name("a-name-of-more-than-15");
    REQUIRE(prctl(PR_GET_NAME, name) == 0);
    REQUIRE(strcmp(name, "a-name-of-more-") == 0);
    return 0;
}

TEST(a_process_has_a_name, ALL) { assert_child(take_a_name, NULL); }

/* ---- threads ---- */

struct look {
    bool takes_signals;
    bool takes_its_own;
    size_t stack;
    char name[17];
};

static void *look_around(void *context)
{
    struct look *look = context;
    pthread_attr_t attributes;
    look->takes_signals = !is_blocked(SIGTERM) || !is_blocked(SIGCHLD) || !is_blocked(SIGUSR1);
    look->takes_its_own = !is_blocked(SIGSEGV) && !is_blocked(SIGABRT) && !is_blocked(SIGPROF);
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstacksize(&attributes, &look->stack);
        pthread_attr_destroy(&attributes);
    }
    pi_os_set_name("one-of-ours");
    prctl(PR_GET_NAME, look->name);
    return context;
}

TEST(a_thread_of_ours, ALL)
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
    assert_true(look.takes_its_own);
    assert_true(look.stack >= (size_t)1 << 20);
    assert_string_equal(look.name, "one-of-ours");
    assert_string_equal(name_after, name_before);
    assert_false(is_blocked(SIGTERM)); /* its maker takes them as before */
}
