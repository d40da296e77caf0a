/* cmocka.c - see cmocka.h. An assertion that does not hold jumps back into the runner. */
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cmocka.h"

enum { FAILED = 1, SKIPPED = 2 };

static const char *filter;
static jmp_buf back;

void cmocka_set_test_filter(const char *pattern) { filter = pattern; }

/* ---- what is said ---------------------------------------------------------------------------- */

void print_message(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stdout, format, arguments);
    va_end(arguments);
    fflush(stdout);
}

void print_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
}

/* ---- assertions ------------------------------------------------------------------------------ */

void _fail(const char *file, int line)
{
    print_error("%s:%d: error: Failure!\n", file, line);
    longjmp(back, FAILED);
}

void _skip(const char *file, int line) { longjmp(back, SKIPPED); }

void _assert_true(unsigned long long result, const char *expression, const char *file, int line)
{
    if (!result) {
        print_error("%s\n", expression);
        _fail(file, line);
    }
}

void _assert_int_equal(unsigned long long a, unsigned long long b, const char *file, int line)
{
    if (a != b) {
        print_error("%#llx != %#llx\n", a, b);
        _fail(file, line);
    }
}

void _assert_int_not_equal(unsigned long long a, unsigned long long b, const char *file, int line)
{
    if (a == b) {
        print_error("%#llx == %#llx\n", a, b);
        _fail(file, line);
    }
}

void _assert_string_equal(const char *a, const char *b, const char *file, int line)
{
    if (strcmp(a, b) != 0) {
        print_error("\"%s\" != \"%s\"\n", a, b);
        _fail(file, line);
    }
}

void _assert_memory_equal(const void *a, const void *b, size_t size, const char *file, int line)
{
    if (memcmp(a, b, size) != 0) {
        print_error("%zu bytes are not the same\n", size);
        _fail(file, line);
    }
}

void _assert_in_range(unsigned long long value, unsigned long long minimum,
                      unsigned long long maximum, const char *file, int line)
{
    if (value < minimum || value > maximum) {
        print_error("%llu is not within the range %llu-%llu\n", value, minimum, maximum);
        _fail(file, line);
    }
}

/* ---- running --------------------------------------------------------------------------------- */

/* How the test ended: 0, FAILED or SKIPPED. The teardown follows a failure too. */
static int run(const struct CMUnitTest *test)
{
    void *state = test->initial_state;
    if (test->setup_func != NULL && test->setup_func(&state) != 0)
        return FAILED;
    volatile int end = setjmp(back); /* cmocka does no less */
    if (end == 0)
        test->test_func(&state);
    bool torn_down = test->teardown_func == NULL || test->teardown_func(&state) == 0;
    return torn_down ? end : FAILED;
}

int _cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t count,
                            CMFixtureFunction setup, CMFixtureFunction teardown)
{
    static const char *const words[] = {
        [0] = "[       OK ]", [FAILED] = "[  FAILED  ]", [SKIPPED] = "[  SKIPPED ]"};
    void *state = NULL;
    int failed = setup != NULL && setup(&state) != 0;
    print_message("[==========] %s: up to %zu tests\n", group, count);
    for (size_t i = 0; i < count; i++) {
        if (filter != NULL && fnmatch(filter, tests[i].name, 0) != 0)
            continue;
        print_message("[ RUNNING      ] %s\n", tests[i].name);
        int end = run(&tests[i]);
        print_message("%s %s\n", words[end], tests[i].name);
        failed += end == FAILED;
    }
    failed += teardown != NULL && teardown(&state) != 0;
    print_message("[==========] %d failed\n", failed);
    return failed;
}
