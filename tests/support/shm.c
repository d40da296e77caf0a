/* shm.c - see shm.h. */
#include "shm.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_PERMITTED 77

static int run_with_shm(void *context)
{
    const struct shm *shm = context;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", shm->where, "tmpfs", shm->flags, shm->options) != 0)
        return NOT_PERMITTED;
    return shm->body();
}

void assert_with_shm(struct shm shm)
{
    int status = wait_status(start_child(run_with_shm, &shm));
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_PERMITTED) {
        print_message("mounting over %s is not permitted here\n", shm.where);
        skip();
    }
    if (WIFSIGNALED(status))
        fail_msg("killed by signal %d", WTERMSIG(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

posse_status stats_in(posse_executor *pool, posse_stats *stats)
{
    stats->struct_size = sizeof *stats;
    return posse_get_stats(pool, stats);
}

posse_status create_in(posse_executor **pool)
{
    posse_options options = OPTIONS(2);
    return posse_create(&options, pool);
}

int ends(posse_executor *pool)
{
    posse_stats stats;
    REQUIRE(stats_in(pool, &stats) == POSSE_OK && stats.workers_lost == 0 && stats.lost == 0);
    REQUIRE(posse_shutdown(pool, 0, -1) == POSSE_OK);
    REQUIRE(stats_in(pool, &stats) == POSSE_OK && stats.futures + stats.memory_blocks == 0);
    return posse_destroy(pool) == POSSE_OK ? 0 : 1;
}

int open_filler(void) { return open("/dev/shm/filler", O_CREAT | O_RDWR | O_CLOEXEC, 0600); }

void fill_up(int filler)
{
    off_t at = lseek(filler, 0, SEEK_END);
    for (off_t step = 1 << 20; step >= 4096;)
        if (posix_fallocate(filler, at, step) == 0)
            at += step;
        else
            step /= 2;
}

void make_room(int filler) { (void)(ftruncate(filler, 0) + lseek(filler, 0, SEEK_SET)); }
