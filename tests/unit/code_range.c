/* code_range.c - which functions there were at one moment. */
#include "support/support.h"

#include "os/code_range.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODULE "/libposse_test_late.so"

static uintptr_t address_of(posse_fn *function) { return (uintptr_t)function; }

/* The module is built one directory above this program. */
static void *load_module(void)
{
    char path[PATH_MAX + sizeof MODULE];
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    assert_true(length > 0);
    path[length] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(path, '/');
        assert_non_null(slash);
        *slash = '\0';
    }
    void *module = dlopen(strcat(path, MODULE), RTLD_NOW | RTLD_LOCAL);
    if (module == NULL)
        print_error("%s\n", dlerror());
    assert_non_null(module);
    return module;
}

TEST(functions_of_the_program_and_its_libraries, ALL)
{
    struct pi_os_code code;
    assert_int_equal(pi_os_code_init(&code), 0);
    assert_true(code.count > 0);
    assert_true(pi_os_code_has(&code, address_of(square_task)));
    assert_true(pi_os_code_has(&code, (uintptr_t)dlsym(RTLD_DEFAULT, "qsort")));
    pi_os_code_fini(&code);
}

TEST(what_is_no_function, ALL)
{
    struct pi_os_code code;
    static int data;
    int on_the_stack = 0;
    void *on_the_heap = malloc(1);
    assert_int_equal(pi_os_code_init(&code), 0);
    assert_false(pi_os_code_has(&code, 0));
    assert_false(pi_os_code_has(&code, UINTPTR_MAX));
    assert_false(pi_os_code_has(&code, (uintptr_t)&data));
    assert_false(pi_os_code_has(&code, (uintptr_t)&on_the_stack));
#ifndef POSSE_TEST_VALGRIND /* whose heap can be executed */
    assert_false(pi_os_code_has(&code, (uintptr_t)on_the_heap));
#endif
    free(on_the_heap);
    pi_os_code_fini(&code);
}

TEST(edges_of_ranges, ALL)
{
    struct pi_os_code_range ranges[] = {{0x1000, 0x2000}, {0x3000, 0x5000}, {0x6000, 0x6001}};
    for (size_t count = 1; count <= COUNT(ranges); count++) {
        const struct pi_os_code code = {.ranges = ranges, .count = count};
        for (size_t i = 0; i < COUNT(ranges); i++) {
            assert_false(pi_os_code_has(&code, ranges[i].begin - 1));
            assert_int_equal(pi_os_code_has(&code, ranges[i].begin), i < count);
            assert_int_equal(pi_os_code_has(&code, ranges[i].end - 1), i < count);
            assert_false(pi_os_code_has(&code, ranges[i].end));
        }
    }
}

static _Atomic int stop;

static posse_status keep_mapping(void *unused)
{
    enum { PAGES = 16 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    while (!atomic_load(&stop)) {
        char *pages = mmap(NULL, PAGES * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED)
            return POSSE_NO_MEMORY;
        for (size_t i = 0; i < PAGES; i += 2)
            (void)mprotect(pages + i * page, page, PROT_READ | PROT_EXEC);
        munmap(pages, PAGES * page);
    }
    return POSSE_OK;
}

/* Every other page can be run: each is a mapping of its own. */
TEST(thousands_of_mappings, ALL)
{
    enum { PAIRS = 3000 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct pi_os_code code;
    char *pages = mmap(NULL, 2 * PAIRS * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    for (size_t i = 0; i < PAIRS; i++)
        assert_int_equal(mprotect(pages + 2 * i * page, page, PROT_READ | PROT_EXEC), 0);
    assert_int_equal(pi_os_code_init(&code), 0);
    for (size_t i = 0; i < PAIRS; i++) {
        uintptr_t at = (uintptr_t)pages + 2 * i * page;
        assert_true(pi_os_code_has(&code, at) && pi_os_code_has(&code, at + page - 1));
        assert_false(pi_os_code_has(&code, at + page) || pi_os_code_has(&code, at + 2 * page - 1));
    }
    assert_in_range(code.count, PAIRS, PAIRS + 1000);
    pi_os_code_fini(&code);
    munmap(pages, 2 * PAIRS * page);
}

/* A mapping of a file deep in directories, each with a name of 250 line feeds, which the system
 * shows as four bytes each: its line is longer than any piece that is read. */
static void *map_deep_file(void)
{
    enum { DEEP = 14, NAME = 250 };
    char path[PATH_MAX] = "/tmp/posse-test-XXXXXX";
    assert_non_null(mkdtemp(path));
    size_t length[DEEP + 1] = {strlen(path)};
    for (int i = 0; i < DEEP; i++) {
        path[length[i]] = '/';
        memset(path + length[i] + 1, '\n', NAME);
        length[i + 1] = length[i] + 1 + NAME;
        path[length[i + 1]] = '\0';
        assert_int_equal(i < DEEP - 1 ? mkdir(path, 0700) : mknod(path, S_IFREG | 0600, 0), 0);
    }
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *page = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(fd >= 0 && page != MAP_FAILED);
    close(fd);
    for (int i = DEEP; i >= 0; i--) {
        path[length[i]] = '\0';
        assert_int_equal(remove(path), 0);
    }
    return page;
}

TEST(a_very_long_line, ALL)
{
    struct pi_os_code code;
    void *page = map_deep_file();
    assert_int_equal(pi_os_code_init(&code), 0);
    assert_true(pi_os_code_has(&code, address_of(square_task)));
    assert_true(pi_os_code_has(&code, (uintptr_t)dlsym(RTLD_DEFAULT, "qsort")));
    assert_false(pi_os_code_has(&code, (uintptr_t)page));
    pi_os_code_fini(&code);
    munmap(page, 1);
}

#ifndef POSSE_TEST_VALGRIND /* which opens files with descriptors of its own */
/* Without a descriptor to read with, that is an error and not "everything". */
static int without_descriptors(void *unused)
{
    struct pi_os_code code;
    struct rlimit none = {0, 0};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    REQUIRE(pi_os_code_init(&code) == EMFILE);
    REQUIRE(code.ranges == NULL);
    return 0;
}

TEST(no_descriptor_is_left, ALL) { assert_child(without_descriptors, NULL); }
#endif

/* Others load and unload meanwhile; what stays is always seen. */
TEST(mappings_that_change_meanwhile, ALL)
{
    struct caller caller;
    atomic_store(&stop, 0);
    start_call(&caller, keep_mapping, NULL);
    bool seen = true;
    for (long i = 0; i < in_long_run(100, 20000); i++) {
        struct pi_os_code code;
        seen &= pi_os_code_init(&code) == 0;
        seen &= pi_os_code_has(&code, address_of(square_task));
        seen &= pi_os_code_has(&code, (uintptr_t)dlsym(RTLD_DEFAULT, "qsort"));
        pi_os_code_fini(&code);
    }
    atomic_store(&stop, 1);
    assert_ok(end_call(&caller));
    assert_true(seen);
}

/* Workers that were forked before do not have it. */
TEST(a_library_that_was_loaded_later, ALL)
{
    struct pi_os_code before, after;
    assert_int_equal(pi_os_code_init(&before), 0);
    void *module = load_module();
    uintptr_t late = (uintptr_t)dlsym(module, "late_task");
    assert_int_not_equal(late, 0);
    assert_int_equal(pi_os_code_init(&after), 0);
    assert_false(pi_os_code_has(&before, late));
    assert_true(pi_os_code_has(&after, late));
    pi_os_code_fini(&before);
    pi_os_code_fini(&after);
    dlclose(module);
}

/* Where the system cannot tell, everything is taken for loaded. */
TEST(nothing_known_has_all, ALL)
{
    struct pi_os_code code;
    assert_int_equal(pi_os_code_init(&code), 0);
    pi_os_code_fini(&code);
    assert_int_equal(code.count, 0);
    assert_null(code.ranges);
    assert_true(pi_os_code_has(&code, 1));
    pi_os_code_fini(&code);
}
