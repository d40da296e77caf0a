/* libraries.c - libraries that the program has loaded by dlopen: an agent, which has not, loads the
 * same build by its path and refuses another one. */
#include "remote/kit/remote.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef POSSE_TEST_MODULE
#error "POSSE_TEST_MODULE must be the path of the module made of support/module/alone.c"
#endif

/* A copy of the module that this process has loaded, at a path of its own. */
struct library {
    char directory[32];
    char path[64];
    void *handle;
    posse_fn *fn; /* returns 7 */
};

static struct library copied(void)
{
    struct library library = {.directory = "/tmp/posse-test-XXXXXX"};
    assert_non_null(mkdtemp(library.directory));
    snprintf(library.path, sizeof library.path, "%s/library.so", library.directory);
    copy_file(POSSE_TEST_MODULE, library.path);
    return library;
}

static void find_task(struct library *library)
{
    if (!library->handle)
        fail_msg("%s", dlerror());
    void *symbol = dlsym(library->handle, "seven_task");
    assert_non_null(symbol);
    /* ISO C has no cast from an object to a function. */
    memcpy(&library->fn, &symbol, sizeof symbol);
}

static struct library load(void)
{
    struct library library = copied();
    library.handle = dlopen(library.path, RTLD_NOW | RTLD_LOCAL);
    find_task(&library);
    return library;
}

static void unload(struct library *library)
{
    assert_int_equal(dlclose(library->handle), 0);
    assert_int_equal(unlink(library->path), 0);
    assert_int_equal(rmdir(library->directory), 0);
}

TEST(an_agent_loads_a_library_of_the_program, PROCESSES)
{
    struct library library = load();
    posse_executor *pool = REMOTE("n1:1");
    for (int i = 0; i < 3; i++) {
        posse_error error = take_error(submitted(pool, library.fn, NULL, 0), POSSE_TASK_FAILED);
        assert_int_equal(error.code, 7);
    }
    end_remote(pool);
    unload(&library);
}

/* Agents may have another working directory. */
TEST(a_relative_path_is_that_of_the_program, PROCESSES)
{
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    struct library library = copied();
    assert_int_equal(chdir(library.directory), 0);
    library.handle = dlopen("./library.so", RTLD_NOW | RTLD_LOCAL);
    struct hand hand = make_by_hand(1, plain());
    assert_int_equal(chdir(before), 0);
    find_task(&library);
    pid_t agent = start_agent(&hand, 1);
    take_error(submitted(hand.pool, library.fn, NULL, 0), POSSE_TASK_FAILED);
    end_hand(&hand);
    (void)end_of(agent);
    unload(&library);
}

/* The program still has the first one. */
TEST(another_build_of_a_library_is_refused, PROCESSES)
{
    char other[80], words[120];
    posse_error error = {.struct_size = sizeof error};
    posse_future future;
    struct library library = load();
    snprintf(other, sizeof other, "%s.other", library.path);
    copy_changed(library.path, other);
    assert_int_equal(rename(other, library.path), 0);
    posse_executor *pool = REMOTE("n1:1");
    posse_status status = posse_submit(pool, library.fn, NULL, 0, &future);
    if (status == POSSE_OK)
        status = posse_result(future, -1, NULL, NULL);
    assert_status(status, POSSE_BROKEN);
    assert_ok(posse_why_broken(pool, &error));
    snprintf(words, sizeof words, "another build of %s", library.path);
    assert_non_null(strstr(error.message, words));
    assert_non_null(strstr(error.message, "n1"));
    assert_ok(posse_destroy(pool));
    unload(&library);
}
