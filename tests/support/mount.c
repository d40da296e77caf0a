/* mount.c - forked children with a /dev/shm of their own, in a mount namespace. */
#include "support.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define NOT_PERMITTED 77

static int run_with_shm(void *context)
{
    const struct shm *shm = context;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", shm->where, "tmpfs", shm->flags, shm->options) != 0) {
        return NOT_PERMITTED;
    }
    return shm->body();
}

void assert_with_shm(struct shm shm)
{
    int status = wait_status(start_child(run_with_shm, &shm));
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_PERMITTED) {
        print_message("mounting over %s is not permitted here\n", shm.where);
        skip();
    }
    if (WIFSIGNALED(status)) {
        fail_msg("killed by signal %d", WTERMSIG(status));
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}
