/* seal_filter.c - each seal has a filter that the kernel takes. */
#include "support/sealed.h"

#include "os/seal.h"

#include <errno.h>
#include <sys/prctl.h>

#define SEALS 128 /* what a filter depends on: six flags; and lists of paths and ports */

static int take_a_filter(void *context)
{
    static struct pi_os_path path = {.name = "/", .writable = true};
    static uint16_t port;
    long choice = *(const long *)context, seal = choice % SEALS;
    bool lists = seal & 0x40;
    struct pi_os_seal s = {.allow = (unsigned)seal & 0x3f,
                           .paths = &path,
                           .n_paths = lists,
                           .connectable = {&port, lists},
                           .bindable = {&port, lists}};
    int error = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (error == 0 && choice < SEALS)
        return pi_os_filter_apply(&s, PI_OS_SEALED);
    if (error == 0)
        error = pi_os_filter_apply(&s, PI_OS_SEALED_WORKER);
    return error ? error : pi_os_filter_apply(&s, PI_OS_SEALED_TASK);
}

TEST(of_each_seal, SEALABLE)
{
    if (pi_os_filter_denied() != 0)
        skip();
    for (long choice = 0; choice < 2 * SEALS; choice++)
        assert_int_equal(wait_status(start_child(take_a_filter, &choice)), 0);
}
