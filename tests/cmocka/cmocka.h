/* cmocka.h - as much of cmocka as the tests here use, for a libc that the system's cmocka is not
 * built for (musl). Includes as for the original.
 */
#ifndef CMOCKA_H
#define CMOCKA_H

typedef void (*CMUnitTestFunction)(void **state);
typedef int (*CMFixtureFunction)(void **state);

struct CMUnitTest {
    const char *name;
    CMUnitTestFunction test_func;
    CMFixtureFunction setup_func;
    CMFixtureFunction teardown_func;
    void *initial_state;
};

void cmocka_set_test_filter(const char *pattern);
int _cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t count,
                            CMFixtureFunction setup, CMFixtureFunction teardown);

void print_message(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

_Noreturn void _fail(const char *file, int line);
_Noreturn void _skip(const char *file, int line);
void _assert_true(unsigned long long result, const char *expression, const char *file, int line);
void _assert_int_equal(unsigned long long a, unsigned long long b, const char *file, int line);
void _assert_int_not_equal(unsigned long long a, unsigned long long b, const char *file, int line);
void _assert_string_equal(const char *a, const char *b, const char *file, int line);
void _assert_memory_equal(const void *a, const void *b, size_t size, const char *file, int line);
void _assert_in_range(unsigned long long value, unsigned long long minimum,
                      unsigned long long maximum, const char *file, int line);

#define HERE __FILE__, __LINE__
#define fail() _fail(HERE)
#define skip() _skip(HERE)
#define fail_msg(...) (print_error("ERROR: " __VA_ARGS__), print_error("\n"), fail())
#define assert_true(c) _assert_true((unsigned long long)(c), #c, HERE)
#define assert_false(c) _assert_true(!(c), "!(" #c ")", HERE)
#define assert_non_null(p) _assert_true((p) != NULL, #p " is not NULL", HERE)
#define assert_null(p) _assert_true((p) == NULL, #p " is NULL", HERE)
#define assert_int_equal(a, b)                                                                     \
    _assert_int_equal((unsigned long long)(a), (unsigned long long)(b), HERE)
#define assert_int_not_equal(a, b)                                                                 \
    _assert_int_not_equal((unsigned long long)(a), (unsigned long long)(b), HERE)
#define assert_return_code(code, error) _assert_true((code) >= 0, #code, HERE)
#define assert_ptr_equal(a, b) assert_int_equal((uintptr_t)(a), (uintptr_t)(b))
#define assert_ptr_not_equal(a, b) assert_int_not_equal((uintptr_t)(a), (uintptr_t)(b))
#define assert_string_equal(a, b) _assert_string_equal(a, b, HERE)
#define assert_memory_equal(a, b, size) _assert_memory_equal(a, b, size, HERE)
#define assert_in_range(value, minimum, maximum)                                                   \
    _assert_in_range((unsigned long long)(value), (unsigned long long)(minimum),                   \
                     (unsigned long long)(maximum), HERE)

#endif
