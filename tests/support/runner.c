/* runner.c - the main of every program of tests: runs the tests of the chosen backend, each between
 * two looks at what is there.
 *
 * A test that fails, or that runs out of its time, leaves behind in the log what it did last
 * (scene_is) and the command that runs just that again.
 */
#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef POSSE_TEST_VALGRIND
#include <valgrind/memcheck.h>
#endif

#define MAX_TESTS 256 /* of a file */
#define SKIPPED 77    /* what ctest and others take for "not run" if they are told */

static const char *const backend_names[] = {
    [POSSE_PROCESS] = "process",
    [POSSE_THREAD] = "thread",
    [POSSE_INLINE] = "inline",
};

static posse_backend chosen = POSSE_PROCESS;
static int begun, skipped; /* tests; a program whose tests were all skipped was not run */

static struct test *tests; /* sorted by their order */
static const char *program;
static pid_t runner;

/* The test that runs. */
static struct {
    const struct test *test;
    bool passed;
    char settings[200]; /* of the environment, to run it again */
    char scene[600];
} now;

void add_test(struct test *test)
{
    struct test **place = &tests;
    while (*place != NULL && (*place)->order < test->order)
        place = &(*place)->next;
    test->next = *place;
    *place = test;
}

posse_backend backend(void) { return chosen; }

long in_long_run(long few, long many)
{
    const char *set = getenv("POSSE_TEST_LONG");
    return set != NULL && strcmp(set, "1") == 0 ? many : few;
}

/* ---- what the log says of a test that failed ---- */

void scene_is(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(now.scene, sizeof now.scene, format, values);
    va_end(values);
}

void again_with(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(now.settings, sizeof now.settings, format, values);
    va_end(values);
}

unsigned long test_seed(unsigned long below)
{
    const char *given = getenv("POSSE_TEST_SEED");
    unsigned long seed = given ? strtoul(given, NULL, 10) : (unsigned long)now_ms() % below;
    again_with("POSSE_TEST_SEED=%lu", seed);
    return seed;
}

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return; /* nobody reads it */
}

/* Also in the handler of a signal. */
static void say_how_to_repeat(void)
{
    const char *const words[] = {"scene: ",
                                 now.scene,
                                 "\n",
                                 "again: ",
                                 now.settings,
                                 now.settings[0] ? " " : "",
                                 program,
                                 " ",
                                 backend_names[chosen],
                                 " ",
                                 now.test->name,
                                 "\n"};
    for (size_t i = now.scene[0] ? 0 : 3; i < COUNT(words); i++)
        say(words[i]);
}

/* A test that hangs in a call cannot be ended otherwise than with its process. */
static void run_out_of_time(int signal_number)
{
    if (getpid() == runner) {
        say("the test ran out of its time\n");
        say_how_to_repeat();
    }
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number); /* delivered when the handler returns */
}

void time_limit(unsigned seconds) { alarm(seconds); }

/* ---- one test ---- */

_Noreturn void skip_test(const char *file, int line)
{
    skipped++;
    now.passed = true;
    _skip(file, line);
    abort(); /* cmocka does not say that it never comes back */
}

static int before_test(void **state)
{
    memset(&now, 0, sizeof now);
    now.test = *state;
    begun++;
    time_limit(TIME_LIMIT);
    look_every(SECOND_MS);
    retry_after(RETRY_US);
    census_begin();
    return 0;
}

/* An assertion that does not hold jumps over the end of it. */
static void run_chosen(void **state)
{
    now.test->run(state);
    now.passed = true;
}

static int after_test(void **state)
{
    time_limit(TIME_LIMIT);
    bool clean = now.passed && census_end(); /* what a failed test has left stays */
    time_limit(0);
    if (!clean)
        say_how_to_repeat();
    return clean || !now.passed ? 0 : -1;
}

static bool choose_backend(const char *name)
{
    for (size_t i = 0; i < COUNT(backend_names); i++) {
        if (strcmp(name, backend_names[i]) == 0) {
            chosen = (posse_backend)i;
            return true;
        }
    }
    return false;
}

/* Those for the chosen backend; how many there are. */
static size_t list_tests(struct CMUnitTest *list)
{
    size_t listed = 0;
    for (struct test *test = tests; test != NULL; test = test->next)
        if ((test->backends & 1u << chosen) && listed++ < MAX_TESTS)
            list[listed - 1] =
                (struct CMUnitTest){test->name, run_chosen, before_test, after_test, test};
    return listed;
}

/* All executors are destroyed by now, so that no shared memory is looked through. */
static int leaks(void)
{
    int found = 0;
#ifdef POSSE_TEST_VALGRIND
    unsigned long leaked = 0, dubious = 0, reachable = 0, suppressed = 0;
    VALGRIND_DO_LEAK_CHECK;
    VALGRIND_COUNT_LEAKS(leaked, dubious, reachable, suppressed);
    print_message("bytes leaked: %lu (reachable: %lu)\n", leaked, reachable + dubious + suppressed);
    found = leaked > 0;
#endif
    return found;
}

/* A runner that was started with signals ignored, as by nohup, would find them so in workers. */
static void ignore_nothing(void)
{
    for (int i = 1; i < NSIG; i++) {
        struct sigaction action;
        if (sigaction(i, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            (void)signal(i, SIG_DFL);
    }
}

int main(int argc, char **argv)
{
    struct CMUnitTest list[MAX_TESTS];
    if (argc > 1 && !choose_backend(argv[1])) {
        fprintf(stderr, "usage: %s [process | thread | inline] [pattern]\n", argv[0]);
        return 2;
    }
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    size_t listed = list_tests(list);
    if (listed == 0) {
        fprintf(stderr, "%s: nothing is tested on this backend\n", argv[0]);
        return SKIPPED;
    }
    if (listed > MAX_TESTS) {
        fprintf(stderr, "%s: %zu tests, but room for %d\n", argv[0], listed, MAX_TESTS);
        return 2;
    }
    program = argv[0];
    runner = getpid();
    census_mark();
    ignore_nothing();
    (void)signal(SIGALRM, run_out_of_time);
    int failed = _cmocka_run_group_tests(backend_names[chosen], list, listed, NULL, NULL);
    failed += leaks();
    return failed == 0 && skipped == begun ? SKIPPED : failed;
}
