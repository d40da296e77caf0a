/* image_fork.c - a child that is forked while other threads look at what is loaded finds no lock
 * held by them: it may look itself, as loading a library and C++ exceptions do. */
#include "support/support.h"

#include "os/image.h"

#include <link.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOOKERS = 2, FEW = 300, MANY = 20000, PATIENCE_S = 10 };

static _Atomic int stop;
static _Atomic long looks;

static posse_status keep_looking(void *context)
{
    (void)context;
    while (!atomic_load(&stop)) {
        struct pi_os_image image;
        if (pi_os_image_init(&image) != 0) {
            return POSSE_NO_MEMORY;
        }
        pi_os_image_fini(&image);
        atomic_fetch_add(&looks, 1);
    }
    return POSSE_OK;
}

static int count_object(struct dl_phdr_info *info, size_t size, void *count)
{
    (void)info;
    (void)size;
    ++*(int *)count;
    return 0;
}

static int look_in_child(void *context)
{
    int objects = 0;
    (void)context;
    time_limit(PATIENCE_S);
    (void)dl_iterate_phdr(count_object, &objects);
    return objects > 0 ? 0 : 1;
}

TEST(children_of_a_program_that_looks)
{
    struct caller callers[LOOKERS];
    atomic_store(&stop, 0);
    for (int i = 0; i < LOOKERS; i++) {
        start_call(&callers[i], keep_looking, NULL);
    }
    assert_eventually(atomic_load(&looks) > 0);
    long children = in_long_run(FEW, MANY);
    for (long i = 0; i < children; i++) {
        time_limit(TIME_LIMIT);
        assert_child(look_in_child, NULL);
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < LOOKERS; i++) {
        assert_ok(end_call(&callers[i]));
    }
    print_message("%ld children, %ld looks\n", children, atomic_load(&looks));
}

int main(int argc, char **argv)
{
    const struct check checks[] = {CHECK(children_of_a_program_that_looks, ALL)};
    return RUN_CHECKS(argc, argv, checks);
}
