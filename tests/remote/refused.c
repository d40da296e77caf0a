/* refused.c - posse_remote_create refuses what options must not be, and says which one it is. */
#include "remote/kit/remote.h"

#include <posse_runner.h>
#include <string.h>

static void assert_refused(const posse_options *options, posse_remote_options *remote,
                           posse_status expected, const char *words)
{
    posse_executor *pool = (posse_executor *)&pool;
    assert_status(posse_remote_create(options, remote, &pool), expected);
    assert_null(pool);
    if (!strstr(posse_last_error(), words))
        fail_msg("it says: %s", posse_last_error());
}

TEST(what_options_must_be, PROCESSES)
{
    posse_options options = plain();
    posse_remote_options remote = {.struct_size = sizeof remote};
    options.backend = POSSE_THREAD;
    assert_refused(&options, &remote, POSSE_NOT_SUPPORTED, "options.backend");
    options.backend = POSSE_PROCESS;
    options.autopsy = 1;
    assert_refused(&options, &remote, POSSE_NOT_SUPPORTED, "autopsy");
    options = (posse_options){.struct_size = sizeof options, .max_tasks_per_worker = -1};
    assert_refused(&options, &remote, POSSE_INVALID, "options.max_tasks_per_worker");
    options = (posse_options){.struct_size = sizeof options, .min_workers = 2, .max_workers = 1};
    assert_refused(&options, &remote, POSSE_INVALID, "options.min_workers");
    options = (posse_options){.struct_size = 1};
    assert_refused(&options, &remote, POSSE_INVALID, "options.struct_size");
    remote.struct_size = 0;
    assert_refused(NULL, &remote, POSSE_INVALID, "remote.struct_size");
    assert_refused(NULL, NULL, POSSE_INVALID, "remote is NULL");
    assert_status(posse_remote_create(NULL, &remote, NULL), POSSE_INVALID);
    assert_non_null(strstr(posse_last_error(), "executor is NULL"));
    assert_status(posse_refuse(POSSE_TOO_LARGE, NULL), POSSE_TOO_LARGE);
    assert_string_equal(posse_last_error(), "");
}

TEST(what_nodes_must_be, PROCESSES)
{
    const char *const nodes[] = {"", "a:0", "a:x", ":3", "a;b", "-oProxyCommand=x", "a,,b"};
    posse_remote_options remote = {.struct_size = sizeof remote};
    for (size_t i = 0; i < COUNT(nodes); i++) {
        remote.nodes = nodes[i];
        assert_refused(NULL, &remote, POSSE_INVALID, "remote.nodes");
    }
    remote.nodes = "a:1001";
    assert_refused(NULL, &remote, POSSE_TOO_LARGE, "remote.nodes");
    remote.nodes = "@/nowhere/at/all";
    assert_refused(NULL, &remote, POSSE_SYSTEM, "remote.nodes");
}

TEST(what_remote_options_must_be, PROCESSES)
{
    const struct {
        posse_remote_options remote;
        posse_status status;
        const char *words;
    } wrong[] = {
        {{.launcher = 7}, POSSE_INVALID, "remote.launcher"},
        {{.launcher = -1}, POSSE_INVALID, "remote.launcher"},
        {{.places = -1}, POSSE_INVALID, "remote.places"},
        {{.command = "x"}, POSSE_INVALID, "remote.command"},
        {{.launcher = POSSE_LAUNCH_COMMAND}, POSSE_INVALID, "remote.command"},
        {{.launcher = POSSE_LAUNCH_NONE}, POSSE_INVALID, "remote.token_file"},
        {{.silence_ms = (long)1 << 32}, POSSE_INVALID, "remote.silence_ms"},
        {{.silence_ms = 999}, POSSE_INVALID, "remote.silence_ms"},
        {{.connect = "127.0.0.1:0"}, POSSE_INVALID, "remote.connect"},
        {{.listen = "nowhere"}, POSSE_INVALID, "remote.listen"},
        {{.listen = "192.0.2.1:0"}, POSSE_SYSTEM, "remote.listen"}, /* nobody's, by RFC 5737 */
        {{.launcher = POSSE_LAUNCH_SSH, .listen = "unix:@posse-no"},
         POSSE_INVALID,
         "a unix socket"},
        {{.token_file = "/dev/null"}, POSSE_SYSTEM, "remote.token_file"},
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        posse_remote_options remote = wrong[i].remote;
        remote.struct_size = sizeof remote;
        assert_refused(NULL, &remote, wrong[i].status, wrong[i].words);
    }
}

TEST(no_line_of_no_options, PROCESSES)
{
    char line[8] = "before";
    const posse_remote_options remote = {.struct_size = 0};
    assert_int_equal(posse_remote_line(NULL, 1, line, sizeof line), 0);
    assert_string_equal(line, "");
    assert_int_equal(posse_remote_line(&remote, 1, NULL, 0), 0);
}
