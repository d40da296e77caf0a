/* act_autopsy.c - lost tasks leave a report: of a crash, of an exit, of one that is tried again. A
 * task that ends well runs beside them.
 *
 * A death may also hit a worker that writes its note, or the handler of a crash. Then the report
 * has what was written until then, each part whole or not at all.
 */
#include "points.h"

#include <posse_autopsy.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SAID "it is ill\n"

static int noting_task(posse_task *task, const void *arg, size_t size)
{
    int how;
    memcpy(&how, arg, sizeof how);
    posse_task_note(task, "first");
    posse_task_note(task, "second");
    if (how && write(STDERR_FILENO, SAID, strlen(SAID)) < 0)
        return WRONG_ARG;
    if (how < 0)
        _exit(1);
    return how ? raise(how) : 0;
}

static posse_future submitted_noting(posse_executor *pool, int how, long retries)
{
    posse_job job = {.fn = noting_task,
                     .arg = &how,
                     .size = sizeof how,
                     .retries = retries ? retries : -1,
                     .name = "noting"};
    return submitted_job(pool, job);
}

/* Whether its worker was killed before it did what the task asked for. */
static bool was_killed(posse_future future)
{
    posse_error error = error_of(future);
    assert_status(error.status, POSSE_WORKER_LOST);
    return error.signal == SIGKILL;
}

/* Releases a task that is lost in any case; `signal`: of its crash, or 0. */
static void take_report(posse_future future, int signal)
{
    posse_autopsy_report report = {.struct_size = sizeof report};
    char said[100], text[4000];
    bool killed = was_killed(future);
    posse_status status = posse_autopsy(future, &report);
    assert_true(status == POSSE_OK || (status == POSSE_END && killed)); /* before it began */
    assert_true(report.signal == signal || (killed && report.signal == 0));
    assert_true(signal == 0 || killed || report.n_frames > 0);
    assert_true(report.signal == 0 || strcmp(report.note, "second") == 0);
    if (strcmp(report.note, "second") != 0 && strcmp(report.note, "first") != 0)
        assert_true(killed && report.note[0] == '\0');
    size_t length = posse_autopsy_stderr(future, said, sizeof said);
    assert_true(length == 0 ? killed : strcmp(said, SAID) == 0);
    assert_in_range(posse_autopsy_text(future, text, sizeof text), 20, sizeof text - 1);
    assert_ok(posse_release(future));
}

static int play(posse_executor *pool, int deaths)
{
    posse_future crashes = submitted_noting(pool, SIGSEGV, 0);
    posse_future exits = submitted_noting(pool, -1, 0);
    posse_future again = submitted_noting(pool, SIGABRT, 1);
    posse_future well = submitted_noting(pool, 0, 0);
    take_report(crashes, SIGSEGV);
    take_report(exits, 0);
    take_report(again, SIGABRT);
    return lost_or(well, POSSE_OK);
}

static void set(posse_options *options)
{
    options->autopsy = 1;
    options->keep_stderr = 1;
}

const struct act act_autopsy = {
    .name = "autopsy", .set = set, .play = play, .leaves = true, .kills = 4, .keeps = true};
