/* seal_denied.c - the system lacks what a seal needs: no executor is made, and a worker that cannot
 * seal itself runs no task. The linker leads the library's raw system calls to the test. */
#include "support/sealed.h"
#include "support/support.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

static long denied = -1, denied_first = -1; /* the call, and its first argument; -1: any */
static int landlock_version = -1;           /* what the kernel says it has; -1: the truth */

#define CREATE_RULESET 444
#define CLOSE_RANGE 436

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (number == CREATE_RULESET && (unsigned)c == 1 && landlock_version >= 0)
        return landlock_version;
    if (number == denied && (denied_first < 0 || denied_first == a)) {
        errno = ENOSYS;
        return -1;
    }
    return __real_syscall(number, a, b, c, d, e, f);
}

static posse_status create(posse_seal seal)
{
    posse_executor *pool = NULL;
    seal.struct_size = sizeof seal;
    posse_options options = OPTIONS(1, .seal = &seal);
    posse_status status = posse_create(&options, &pool);
    assert_ok(posse_destroy(pool));
    return status;
}

static const char *const root[] = {"/"};
static const posse_seal seals[] = {{.allow = 0},
                                   {.allow = POSSE_ALLOW_DESCRIPTORS},
                                   {.allow = POSSE_ALLOW_FILES},
                                   {.allow = POSSE_ALLOW_FILES | POSSE_ALLOW_TRACING},
                                   {.readable = root, .n_readable = 1}};

static void assert_statuses(const posse_status expected[COUNT(seals)])
{
    for (size_t i = 0; i < COUNT(seals); i++) {
        scene_is("call %ld, version %d, seal %zu", denied, landlock_version, i);
        assert_status(create(seals[i]), expected[i]);
    }
    denied = denied_first = landlock_version = -1;
}

#define NO POSSE_NOT_SUPPORTED

TEST(at_create, SEALABLE)
{
    end_pool(sealed_pool(1, seals[4])); /* or skips */
    denied = SYS_seccomp;
    assert_statuses((posse_status[]){NO, NO, NO, NO, NO});
    denied = CLOSE_RANGE;
    assert_statuses((posse_status[]){NO, POSSE_OK, NO, NO, NO});
    landlock_version = 0;
    assert_statuses((posse_status[]){POSSE_OK, POSSE_OK, NO, POSSE_OK, NO});
    landlock_version = 2;
    assert_statuses((posse_status[]){POSSE_OK, POSSE_OK, POSSE_OK, POSSE_OK, NO});
    landlock_version = 3;
    assert_statuses((posse_status[]){POSSE_OK, POSSE_OK, POSSE_OK, POSSE_OK, POSSE_OK});
}

TEST(ports_at_create, SEALABLE)
{
    static const uint16_t port = 80;
    const posse_seal lists[] = {{.connectable = &port, .n_connectable = 1},
                                {.bindable = &port, .n_bindable = 1}};
    end_pool(sealed_pool(1, lists[0])); /* or skips */
    for (size_t i = 0; i < COUNT(lists); i++) {
        landlock_version = 3;
        assert_status(create(lists[i]), POSSE_NOT_SUPPORTED);
        assert_string_equal(posse_last_error(),
                            "options.seal lists ports, which Linux can limit from 6.7 on");
        landlock_version = 4;
        assert_ok(create(lists[i]));
        landlock_version = -1;
    }
}

/* Only when the worker makes the call. */
TEST(in_the_worker, SEALABLE)
{
    end_pool(sealed_pool(1, seals[4])); /* or skips */
    static const long calls[][2] = {{SYS_seccomp, 1 /* SECCOMP_SET_MODE_FILTER */}, {446, -1}};
    for (size_t i = 0; i < COUNT(calls); i++) {
        posse_error why = {.struct_size = sizeof why};
        denied = calls[i][0];
        denied_first = calls[i][1];
        posse_executor *pool = sealed_pool(1, seals[4]);
        posse_future future = {0};
        posse_status status = posse_submit(pool, square_task, "12345678", 8, &future);
        if (status == POSSE_OK)
            status = posse_result(future, -1, NULL, NULL);
        assert_status(status, POSSE_BROKEN);
        assert_ok(posse_why_broken(pool, &why));
        assert_string_equal(why.message,
                            "the worker cannot be sealed: error 38 (Function not implemented)");
        assert_ok(posse_destroy(pool));
        denied = denied_first = -1;
    }
}
