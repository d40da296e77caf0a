/* loaded_later.c - functions of a library that was loaded after the pool was made, and before. */
#include "support/support.h"

#include <dlfcn.h>
#include <string.h>

#ifndef POSSE_TEST_MODULE
#error "POSSE_TEST_MODULE must be the path of the module made of support/module/late.c"
#endif

static posse_fn *load_task(void **library)
{
    posse_fn *fn = NULL;
    *library = dlopen(POSSE_TEST_MODULE, RTLD_NOW | RTLD_LOCAL);
    if (*library == NULL)
        fail_msg("%s", dlerror());
    void *symbol = dlsym(*library, "late_task");
    assert_non_null(symbol);
    memcpy(&fn, &symbol, sizeof fn); /* ISO C has no cast from an object to a function */
    return fn;
}

/* Worker processes do not have it; threads and the caller do. */
TEST(after_create, ALL)
{
    void *library;
    posse_executor *pool = make_pool(1);
    posse_fn *fn = load_task(&library);
    posse_future future = {0};
    long value = 6;
    if (backend() == POSSE_PROCESS) {
        posse_job job = {.struct_size = sizeof job, .fn = fn};
        assert_status(posse_submit(pool, fn, &value, sizeof value, &future), POSSE_NOT_LOADED);
        assert_status(posse_submit_with(pool, &job, &future), POSSE_NOT_LOADED);
        assert_null(future.executor);
    } else {
        assert_int_equal(take_long(SUBMIT_VALUE(pool, fn, value)), 6);
    }
    assert_int_equal(take_long(submitted_long(pool, square_task, 6)), 36);
    end_pool(pool);
    dlclose(library);
}

TEST(before_create, ALL)
{
    void *library;
    posse_fn *fn = load_task(&library);
    posse_executor *pool = make_pool(1);
    assert_int_equal(take_long(submitted_long(pool, fn, 6)), 6);
    end_pool(pool);
    dlclose(library);
}

/* Workers have what was there when their pool was made, whatever pools were made before or
 * after. */
TEST(each_pool_has_its_own_time, ALL)
{
    if (dlopen(POSSE_TEST_MODULE, RTLD_NOW | RTLD_NOLOAD) != NULL)
        skip(); /* the test before has loaded it, and a dlclose of musl unloads nothing */
    void *library;
    posse_executor *early = make_pool(1);
    posse_fn *fn = load_task(&library);
    posse_executor *late = make_pool(1);
    posse_status expected = backend() == POSSE_PROCESS ? POSSE_NOT_LOADED : POSSE_OK;
    assert_status(posse_submit(early, fn, "x", 1, NULL), expected);
    assert_int_equal(take_long(submitted_long(late, fn, 5)), 5);
    end_pool(late);
    end_pool(early);
    dlclose(library);
}
