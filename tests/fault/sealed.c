/* sealed.c - calls fail while workers are sealed: a task never runs in a worker that is less sealed
 * than it should be. */
#include "fault/kit/fault.h"
#include "support/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define STOPPED 0 /* by the seal */
#define WENT_ON 1

static int open_task(posse_task *task, const void *arg, size_t size)
{
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    return return_long(task, fd < 0 && errno == EACCES ? STOPPED : WENT_ON);
}

static int inherited; /* a descriptor that no seal lists */

static int descriptor_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, fcntl(inherited, F_GETFD) == -1 ? STOPPED : WENT_ON);
}

static int initializer(posse_task *task, const void *arg, size_t size) { return 0; }

/* How a task ends that the seal must stop. */
static int run_stopped(posse_executor *pool, posse_fn *fn)
{
    long result = STOPPED;
    posse_future future;
    posse_status status = posse_submit(pool, fn, NULL, 0, &future);
    ALLOW(status, ACCEPTED);
    if (status != POSSE_OK)
        return 0;
    status = posse_result_into(future, -1, &result, sizeof result, NULL);
    ALLOW(status, ENDED | AS(POSSE_FORBIDDEN) | AS(POSSE_WORKER_LOST));
    REQUIRE(result == STOPPED);
    REQUIRE(fn != socket_task || status != POSSE_OK);
    REQUIRE(posse_release(future) == POSSE_OK);
    return 0;
}

static int sealed_life(void)
{
    static const char *const paths[] = {"/tmp"};
    posse_seal seal = {.struct_size = sizeof seal, .readable = paths, .n_readable = 1};
    posse_options options = OPTIONS(1, .seal = &seal, .initializer = initializer,
                                    .max_rss_per_worker = (size_t)1 << 30);
    posse_executor *pool = NULL;
    inherited = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 200); /* no other gets that number */
    fault_begin();
    posse_status status = posse_create(&options, &pool);
    ALLOW(status, CREATED);
    if (status == POSSE_OK) {
        REQUIRE(run_stopped(pool, open_task) == 0);
        REQUIRE(run_stopped(pool, socket_task) == 0);
        REQUIRE(run_stopped(pool, open_task) == 0); /* another worker */
        REQUIRE(run_stopped(pool, descriptor_task) == 0);
    }
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    close(inherited);
    return 0;
}

TEST(sealed, SEALABLE)
{
    end_pool(sealed_pool(1, (posse_seal){.allow = POSSE_ALLOW_FILES})); /* or skips */
    sweep_all("sealed workers", sealed_life);
}
