/* autopsy.c - calls fail while a report of a lost task is kept and read: what it says is right, or
 * it says nothing.
 */
#include "fault/kit/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <posse_autopsy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTE "it reads page 7"
#define SAID "page 7 is ill\n"
#define ARG "seven"

static int crashing_task(posse_task *task, const void *arg, size_t size)
{
    posse_task_note(task, "%s", NOTE);
    if (write(STDERR_FILENO, SAID, strlen(SAID)) < 0)
        return WRONG_ARG;
    return raise(SIGSEGV);
}

static int replayed(posse_task *task, const void *arg, size_t size)
{
    return size == sizeof ARG && memcmp(arg, ARG, size) == 0 ? 0 : WRONG_ARG;
}

#define READ (AS(POSSE_OK) | AS(POSSE_END))

/* A worker that had no block of memory has left nothing. */
static int look_at_report(posse_future future)
{
    posse_autopsy_report report = {.struct_size = sizeof report};
    posse_status status = posse_autopsy(future, &report);
    ALLOW(status, READ);
    REQUIRE(status == POSSE_OK || (report.signal == 0 && report.n_frames == 0));
    REQUIRE(report.signal == 0 || report.signal == SIGSEGV);
    REQUIRE(report.note[0] == '\0' || strcmp(report.note, NOTE) == 0);
    bool all = report.signal != 0 && report.n_frames > 0 && report.note[0] != '\0';
    REQUIRE(all || atomic_load(&fault_state->failed) > 0);
    return 0;
}

static int look_at_texts(posse_future future)
{
    char text[8000], said[100];
    REQUIRE(posse_autopsy_text(future, text, sizeof text) < sizeof text);
    size_t length = posse_autopsy_stderr(future, said, sizeof said);
    REQUIRE(length == 0 || strcmp(said, SAID) == 0);
    return 0;
}

#define FILED (READ | AS(POSSE_SYSTEM) | AS(POSSE_NO_MEMORY))

static int run_again(posse_future future)
{
    char path[] = "/tmp/posse-fault-XXXXXX";
    int fd = mkstemp(path);
    REQUIRE(fd >= 0 && close(fd) == 0);
    posse_status status = posse_autopsy_save(future, path);
    ALLOW(status, FILED);
    if (status == POSSE_OK)
        ALLOW(posse_replay(path, replayed), FILED & ~AS(POSSE_END));
    REQUIRE(unlink(path) == 0);
    return 0;
}

static int lose_one(posse_executor *pool)
{
    posse_future future;
    posse_status status = posse_submit(pool, crashing_task, ARG, sizeof ARG, &future);
    ALLOW(status, ACCEPTED);
    if (status != POSSE_OK)
        return 0;
    status = posse_result(future, -1, NULL, NULL);
    ALLOW(status, AS(POSSE_WORKER_LOST) | AS(POSSE_NO_MEMORY) | AS(POSSE_BROKEN));
    if (status == POSSE_WORKER_LOST) {
        REQUIRE(look_at_report(future) == 0);
        REQUIRE(look_at_texts(future) == 0);
        REQUIRE(run_again(future) == 0);
    }
    REQUIRE(posse_release(future) == POSSE_OK);
    return 0;
}

/* What tasks say does not show. */
static posse_status create_quiet(const posse_options *options, posse_executor **pool)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC), before = dup(STDERR_FILENO);
    dup2(null, STDERR_FILENO);
    close(null);
    posse_status status = posse_create(options, pool);
    int error = errno;
    dup2(before, STDERR_FILENO);
    close(before);
    errno = error;
    return status;
}

static int autopsied_life(void)
{
    posse_options options = OPTIONS(1, .autopsy = 1, .keep_stderr = 1);
    posse_executor *pool = NULL;
    fault_begin();
    posse_status status = create_quiet(&options, &pool);
    ALLOW(status, CREATED);
    if (status == POSSE_OK) {
        REQUIRE(lose_one(pool) == 0);
    }
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    return 0;
}

TEST(autopsy, UNSANITIZED(PROCESSES)) { sweep_all("the report of a lost task", autopsied_life); }
