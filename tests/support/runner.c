/* runner.c - picks the checks for the backend and runs each between two looks at what is there. */
#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef POSSE_TEST_VALGRIND
#include <valgrind/memcheck.h>
#endif

#define MAX_CHECKS 64
#define SKIPPED 77 /* what ctest and others take for "not run" if they are told */

static const char *const backend_names[] = {
    [POSSE_PROCESS] = "process",
    [POSSE_THREAD] = "thread",
    [POSSE_INLINE] = "inline",
};

static posse_backend chosen = POSSE_PROCESS;
static int begun, skipped; /* tests; a program whose tests were all skipped was not run */

posse_backend backend(void) { return chosen; }

long in_long_run(long few, long many)
{
    const char *set = getenv("POSSE_TEST_LONG");
    return set != NULL && strcmp(set, "1") == 0 ? many : few;
}

/* alarm's default action kills the runner: a test that hangs in a call cannot be ended
 * otherwise. */
void time_limit(unsigned seconds) { alarm(seconds); }

_Noreturn void skip_test(const char *file, int line)
{
    skipped++;
    _skip(file, line);
    abort(); /* cmocka does not say that it never comes back */
}

static int before_test(void **state)
{
    (void)state;
    begun++;
    time_limit(TIME_LIMIT);
    look_each_second();
    census_begin();
    return 0;
}

static int after_test(void **state)
{
    (void)state;
    time_limit(TIME_LIMIT);
    int result = census_end() ? 0 : -1;
    time_limit(0);
    return result;
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

static size_t list_tests(const struct check *checks, size_t count, struct CMUnitTest *tests)
{
    size_t listed = 0;
    for (size_t i = 0; i < count; i++) {
        if (checks[i].backends & 1u << chosen) {
            tests[listed++] =
                (struct CMUnitTest){checks[i].name, checks[i].test, before_test, after_test, NULL};
        }
    }
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
        if (sigaction(i, NULL, &action) == 0 && action.sa_handler == SIG_IGN) {
            (void)signal(i, SIG_DFL);
        }
    }
}

int run_checks(int argc, char **argv, const struct check *checks, size_t count)
{
    struct CMUnitTest tests[MAX_CHECKS];
    if ((argc > 1 && !choose_backend(argv[1])) || count > MAX_CHECKS) {
        fprintf(stderr, "usage: %s [process | thread | inline] [pattern]\n", argv[0]);
        return 2;
    }
    if (argc > 2) {
        cmocka_set_test_filter(argv[2]);
    }
    size_t listed = list_tests(checks, count, tests);
    if (listed == 0) {
        fprintf(stderr, "%s: nothing is tested on this backend\n", argv[0]);
        return SKIPPED;
    }
    census_mark();
    ignore_nothing();
    int failed = _cmocka_run_group_tests(backend_names[chosen], tests, listed, NULL, NULL);
    failed += leaks();
    return failed == 0 && skipped == begun ? SKIPPED : failed;
}
