/* Runs in: posse-top. */
#include "top/table.h"
#include "base/utf8.h"

#include <inttypes.h>

/* The string is clean: no control characters, and UTF-8. */
static void say_string(struct pi_top_text *text, const char *name, const char *string)
{
    pi_top_say(text, "\"%s\":\"", name);
    for (; *string; string++)
        pi_top_say(text, *string == '"' || *string == '\\' ? "\\%c" : "%c", *string);
    pi_top_say(text, "\"");
}

static void say_string_or_null(struct pi_top_text *text, const char *name, const char *string)
{
    if (*string)
        say_string(text, name, string);
    else
        pi_top_say(text, "\"%s\":null", name);
}

static void say_pid(struct pi_top_text *text, const char *name, pid_t pid)
{
    if (pid > 0)
        pi_top_say(text, "\"%s\":%d,", name, (int)pid);
    else
        pi_top_say(text, "\"%s\":null,", name);
}

static void say_rate(struct pi_top_text *text, const char *name, double rate)
{
    if (rate >= 0)
        pi_top_say(text, "\"%s\":%.3f", name, rate);
    else
        pi_top_say(text, "\"%s\":null", name);
}

static void say_task(struct pi_top_text *text, const struct pi_top_task *task)
{
    if (!task->there) {
        pi_top_say(text, "\"task\":null");
        return;
    }
    pi_top_say(text, "\"task\":{");
    say_string_or_null(text, "name", task->name);
    pi_top_say(text, ",");
    say_string(text, "function", task->function);
    pi_top_say(text, ",\"attempt\":%u,\"running_ns\":", task->attempt);
    if (task->running_ns)
        pi_top_say(text, "%" PRIu64, task->running_ns);
    else
        pi_top_say(text, "null");
    pi_top_say(text, ",\"running_longer\":%s}", task->longer ? "true" : "false");
}

static void say_worker(struct pi_top_text *text, const struct pi_top_worker *worker)
{
    pi_top_say(text, "{\"number\":%u,", worker->number);
    say_pid(text, "pid", worker->process.pid);
    say_string(text, "state", pi_top_state_name(worker->state));
    pi_top_say(text, ",\"tasks\":%" PRIu64 ",", worker->ended);
    say_rate(text, "tasks_per_second", worker->ended_per_s);
    pi_top_say(text, ",");
    say_rate(text, "cpu_percent", worker->cpu_percent);
    pi_top_say(text, ",\"memory\":%" PRIu64 ",", worker->process.rss);
    say_task(text, &worker->task);
    pi_top_say(text, "}");
}

static void say_stats(struct pi_top_text *text, const posse_stats *stats)
{
#define COUNT(name)                                                                                \
    {                                                                                              \
#name, stats->name                                                                         \
    }
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {COUNT(workers),
                  COUNT(workers_idle),
                  COUNT(workers_started),
                  COUNT(workers_lost),
                  COUNT(queued),
                  COUNT(running),
                  COUNT(done),
                  COUNT(failed),
                  COUNT(cancelled),
                  COUNT(timed_out),
                  COUNT(lost),
                  COUNT(futures),
                  COUNT(memory_blocks),
                  COUNT(memory_reserved),
                  COUNT(memory_committed),
                  COUNT(memory_used),
                  COUNT(cpu_ns)};
#undef COUNT
    pi_top_say(text, "\"stats\":{");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        pi_top_say(text, "%s\"%s\":%" PRIu64, i ? "," : "", counts[i].name, counts[i].value);
    pi_top_say(text, "}");
}

static void say_executor(struct pi_top_text *text, const struct pi_top_sample *sample)
{
    char problem[160];
    pi_top_say_problem(sample, problem, sizeof problem);
    pi_top_say(text, "{\"memory_inode\":%" PRIu64 ",", sample->inode);
    say_string_or_null(text, "problem", problem);
    if (sample->problem == PI_TOP_READABLE) {
        pi_top_say(text, ",");
        say_string_or_null(text, "name", sample->name);
        pi_top_say(text, ",\"backend\":\"%s\",\"complete\":%s,",
                   pi_top_backend_name(sample->backend), sample->cut ? "false" : "true");
        say_pid(text, "supervisor", sample->supervisor);
        say_string(text, "phase", pi_top_phase_name(sample->phase));
        pi_top_say(text, ",");
        say_string_or_null(text, "reason", sample->reason);
        pi_top_say(text, ",\"max_workers\":%u,", sample->max_workers);
        say_rate(text, "tasks_per_second", sample->ended_per_s);
        pi_top_say(text, ",");
        say_rate(text, "cpu_percent", sample->cpu_percent);
        pi_top_say(text, ",");
        say_stats(text, &sample->stats);
        pi_top_say(text, ",\"workers\":[");
        for (unsigned i = 0; i < sample->n_workers; i++) {
            pi_top_say(text, i ? "," : "");
            say_worker(text, &sample->workers[i]);
        }
        pi_top_say(text, "]");
    }
    pi_top_say(text, "}");
}

void pi_top_json(struct pi_top_text *text, const struct pi_top_round *round)
{
    char program[sizeof round->program.name];
    pi_utf8_clean(program, sizeof program, round->program.name, sizeof program);
    pi_top_say(text, "{\"version\":\"%s\",\"monotonic_ns\":%" PRIu64 ",\"program\":{",
               POSSE_VERSION, round->now_ns);
    say_pid(text, "pid", round->program.pid);
    say_string(text, "name", program);
    pi_top_say(text, "},\"complete\":%s,\"executors\":[", round->more ? "false" : "true");
    for (unsigned i = 0; i < round->count; i++) {
        pi_top_say(text, "%s", i ? "," : "");
        say_executor(text, &round->samples[i]);
    }
    pi_top_say(text, "]}\n");
}
