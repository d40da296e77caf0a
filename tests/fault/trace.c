/* trace.c - a trace is begun and written while calls fail. A trace that cannot be begun or written
 * says so. A file that says it was written is whole and lacks no run that it does not count; one
 * that was not written is none that a reader takes for a trace. */
#include "fault/kit/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <posse_trace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE 64
#define MAX_FILE ((size_t)1 << 20)
#define BEGUN (AS(POSSE_OK) | AS(POSSE_NO_MEMORY) | AS(POSSE_SYSTEM) | AS(POSSE_BROKEN))

/* How each format ends, and what each run has once. */
static const struct {
    const char *end, *run, *dropped;
} formats[] = {[POSSE_TRACE_JSON] = {"]}\n", "\"outcome\":\"done\"", "\"dropped\":\""},
               [POSSE_TRACE_SVG] = {"</svg>\n", "class=\"run done\"", "events that are lacking: "}};

static void make_path(char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "/tmp/posse-fault-trace-%ld", (long)getpid());
}

static posse_executor *stamped_pool(void)
{
    posse_options options = OPTIONS(2, .stamps = 1);
    posse_executor *pool = NULL;
    return posse_create(&options, &pool) == POSSE_OK ? pool : NULL;
}

static bool has_whole(const char *text, posse_trace_format format)
{
    size_t length = strlen(text), end = strlen(formats[format].end);
    return length > end && strcmp(text + length - end, formats[format].end) == 0;
}

static long count(const char *text, const char *words)
{
    long n = 0;
    for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
        n++;
    return n;
}

static long dropped(const char *text, posse_trace_format format)
{
    const char *at = strstr(text, formats[format].dropped);
    return at ? strtol(at + strlen(formats[format].dropped), NULL, 10) : 0;
}

/* Whether the file is what `status` of the stop says of it. */
static int look_at_file(const char *path, posse_trace_format format, posse_status status, long runs)
{
    static char text[MAX_FILE];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    REQUIRE(size >= 0 && (fd >= 0 || status != POSSE_OK));
    if (fd >= 0)
        REQUIRE(close(fd) == 0 && unlink(path) == 0);
    text[size] = '\0';
    /* The close told of a loss, and the file cannot be cut. */
    bool uncut =
        atomic_load(&fault_state->call) == CALL_close && fault_state->plan.mode == EVERYTHING;
    REQUIRE(has_whole(text, format) == (status == POSSE_OK) || (status != POSSE_OK && uncut));
    if (status == POSSE_OK)
        REQUIRE(count(text, formats[format].run) + dropped(text, format) >= runs);
    return 0;
}

static int trace_once(posse_executor *pool, posse_trace_format format)
{
    char path[PATH_SIZE];
    make_path(path);
    posse_stats before = {.struct_size = sizeof before}, after = before;
    REQUIRE(posse_get_stats(pool, &before) == POSSE_OK);
    posse_status begun = posse_trace_start(pool, path, format);
    ALLOW(begun, BEGUN);
    REQUIRE(use_pool(pool) == 0);
    posse_status status = posse_trace_stop(pool);
    ALLOW(status, begun == POSSE_OK ? BEGUN : AS(POSSE_INVALID) | AS(POSSE_BROKEN));
    REQUIRE(posse_get_stats(pool, &after) == POSSE_OK);
    if (begun != POSSE_OK)
        return 0;
    return look_at_file(path, format, status, (long)(after.done - before.done));
}

static int trace_all(posse_trace_format format)
{
    posse_executor *pool = stamped_pool();
    REQUIRE(pool != NULL);
    fault_begin();
    REQUIRE(trace_once(pool, format) == 0);
    if (fault_is_spent()) {
        char path[PATH_SIZE];
        make_path(path);
        ALLOW(posse_trace_start(pool, path, format), AS(POSSE_OK));
        ALLOW(posse_trace_stop(pool), AS(POSSE_OK));
        REQUIRE(look_at_file(path, format, POSSE_OK, 0) == 0);
    }
    return leave_pool(pool);
}

static int as_json(void) { return trace_all(POSSE_TRACE_JSON); }
static int as_svg(void) { return trace_all(POSSE_TRACE_SVG); }

TEST(json, FORKED) { sweep_all("trace as JSON", as_json); }
TEST(svg, FORKED) { sweep_all("trace as SVG", as_svg); }

/* ---- one kind of call ---- */

/* Each such call of a stop fails; `status` and errno are what it says. */
static void stop_without(enum fault_call call, unsigned choice, posse_status status, int error)
{
    char path[PATH_SIZE];
    struct fault_plan plan = {
        .classes = PROGRAM, .mode = ITS_KIND, .choice = choice, .at = 1, .only = 1 + (int)call};
    fault_state = make_shared(sizeof *fault_state); /* before any thread looks there */
    posse_executor *pool = stamped_pool();
    make_path(path);
    assert_non_null(pool);
    assert_ok(posse_trace_start(pool, path, POSSE_TRACE_JSON));
    assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    fault_arm(&plan);
    posse_status stopped = posse_trace_stop(pool);
    int said = errno;
    fault_disarm();
    assert_status(stopped, status);
    if (status != POSSE_OK)
        assert_int_equal(said, error);
    assert_int_equal(look_at_file(path, POSSE_TRACE_JSON, status, 1), 0);
    assert_ok(posse_destroy(pool));
    free_shared(fault_state, sizeof *fault_state);
    fault_state = NULL;
}

/* What the system could not write is told at the end by some file systems. */
TEST(close_tells_of_a_loss, ALL) { stop_without(CALL_close, 1, POSSE_SYSTEM, EIO); }
TEST(a_close_that_was_interrupted_is_one, ALL) { stop_without(CALL_close, 0, POSSE_OK, 0); }
TEST(a_file_that_is_cut, ALL) { stop_without(CALL_write, 2, POSSE_NO_MEMORY, ENOSPC); }
TEST(an_interrupted_open, ALL) { stop_without(CALL_open, 3, POSSE_OK, 0); }
