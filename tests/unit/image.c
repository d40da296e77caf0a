/* image.c - which functions there were at one moment. */
#include "support/support.h"

#include "os/image.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
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
    if (module == NULL) {
        print_error("%s\n", dlerror());
    }
    assert_non_null(module);
    return module;
}

TEST(functions_of_the_program_and_its_libraries)
{
    struct pi_os_image image;
    assert_int_equal(pi_os_image_init(&image), 0);
    assert_true(image.count > 0);
    assert_true(pi_os_image_has(&image, address_of(square_task)));
    assert_true(pi_os_image_has(&image, (uintptr_t)dlsym(RTLD_DEFAULT, "qsort")));
    pi_os_image_fini(&image);
}

TEST(what_is_no_function)
{
    struct pi_os_image image;
    static int data;
    int on_the_stack = 0;
    void *on_the_heap = malloc(1);
    assert_int_equal(pi_os_image_init(&image), 0);
    assert_false(pi_os_image_has(&image, 0));
    assert_false(pi_os_image_has(&image, UINTPTR_MAX));
    assert_false(pi_os_image_has(&image, (uintptr_t)&data));
    assert_false(pi_os_image_has(&image, (uintptr_t)&on_the_stack));
    assert_false(pi_os_image_has(&image, (uintptr_t)on_the_heap));
    free(on_the_heap);
    pi_os_image_fini(&image);
}

TEST(edges_of_a_range)
{
    struct pi_os_range range = {.begin = 0x1000, .end = 0x2000};
    const struct pi_os_image image = {.ranges = &range, .count = 1};
    assert_false(pi_os_image_has(&image, 0xfff));
    assert_true(pi_os_image_has(&image, 0x1000));
    assert_true(pi_os_image_has(&image, 0x1fff));
    assert_false(pi_os_image_has(&image, 0x2000));
}

/* Workers that were forked before do not have it. */
TEST(a_library_that_was_loaded_later)
{
    struct pi_os_image before, after;
    assert_int_equal(pi_os_image_init(&before), 0);
    void *module = load_module();
    uintptr_t late = (uintptr_t)dlsym(module, "late_task");
    assert_int_not_equal(late, 0);
    assert_int_equal(pi_os_image_init(&after), 0);
    assert_false(pi_os_image_has(&before, late));
    assert_true(pi_os_image_has(&after, late));
    pi_os_image_fini(&before);
    pi_os_image_fini(&after);
    dlclose(module);
}

/* Where the system cannot tell, everything is taken for loaded. */
TEST(an_empty_image_has_all)
{
    struct pi_os_image image;
    assert_int_equal(pi_os_image_init(&image), 0);
    pi_os_image_fini(&image);
    assert_int_equal(image.count, 0);
    assert_null(image.ranges);
    assert_true(pi_os_image_has(&image, 1));
    pi_os_image_fini(&image);
}

int main(int argc, char **argv)
{
    const struct check checks[] = {
        CHECK(functions_of_the_program_and_its_libraries, ALL),
        CHECK(what_is_no_function, ALL),
        CHECK(edges_of_a_range, ALL),
        CHECK(a_library_that_was_loaded_later, ALL),
        CHECK(an_empty_image_has_all, ALL),
    };
    return RUN_CHECKS(argc, argv, checks);
}
