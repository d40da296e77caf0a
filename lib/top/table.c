/* Runs in: posse-top. */
#include "top/table.h"
#include "base/utf8.h"
#include "top/rates.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN ""
#define BOLD "\033[1m"
#define DIM "\033[2m"
#define RED "\033[31m"
#define GREEN "\033[32m"

#define MAX_LINE 512

struct table {
    struct pi_top_text *text;
    const struct pi_top_style *style;
    int rows; /* so far */
};

/* ---- lines ---- */

/* The bytes of the characters that fit into a width of `columns`. */
static size_t cut(const char *text, int columns)
{
    size_t i = 0;
    for (; text[i]; i++)
        if ((columns -= (int)pi_utf8_columns(text[i])) < 0)
            break;
    return i;
}

__attribute__((format(printf, 3, 4))) static void line(struct table *table, const char *color,
                                                       const char *format, ...)
{
    const struct pi_top_style *style = table->style;
    char words[MAX_LINE];
    va_list arguments;
    if (style->rows && table->rows >= style->rows)
        return;
    table->rows++;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    bool colored = style->colors && *color;
    int length = (int)cut(words, style->columns ? style->columns : MAX_LINE);
    while (length > 0 && words[length - 1] == ' ')
        length--;
    bool last = style->rows && table->rows == style->rows; /* the screen must not scroll */
    pi_top_say(table->text, "%s%.*s%s%s", colored ? color : "", length, words,
               colored ? "\033[0m" : "", style->screen ? "\033[K" : "");
    pi_top_say(table->text, "%s", !style->screen ? "\n" : last ? "" : "\r\n");
}

/* ---- numbers ---- */

struct words {
    char at[24];
};

static struct words bytes(uint64_t n)
{
    static const char units[] = "BKMGTPE";
    struct words words;
    double value = (double)n;
    int unit = 0;
    for (; value >= 1000 && unit < 6; unit++)
        value /= 1024;
    snprintf(words.at, sizeof words.at, unit && value < 100 ? "%.1f%c" : "%.0f%c", value,
             units[unit]);
    return words;
}

static struct words number(double value)
{
    struct words words = {"-"};
    if (value >= 0)
        snprintf(words.at, sizeof words.at - 2, "%.1f", value);
    return words;
}

static struct words percent(double value)
{
    struct words words = number(value);
    if (value >= 0)
        strcat(words.at, " %");
    return words;
}

static struct words duration(const struct pi_top_task *task)
{
    struct words words = {"-"};
    double s = (double)task->running_ns / (double)PI_SECOND;
    const char *longer = task->longer ? ">" : "";
    uint64_t minutes = (uint64_t)s / 60;
    if (task->running_ns && s < 60)
        snprintf(words.at, sizeof words.at, "%s%.1fs", longer, s);
    else if (task->running_ns && minutes < 60)
        snprintf(words.at, sizeof words.at, "%s%" PRIu64 ":%02u", longer, minutes,
                 (unsigned)((uint64_t)s % 60));
    else if (task->running_ns)
        snprintf(words.at, sizeof words.at, "%s%" PRIu64 "h%02u", longer, minutes / 60,
                 (unsigned)(minutes % 60));
    return words;
}

static struct words pid(pid_t pid)
{
    struct words words = {"-"};
    if (pid > 0)
        snprintf(words.at, sizeof words.at, "%d", (int)pid);
    return words;
}

struct label {
    char at[PI_NAME_SIZE + PI_TOP_FUNCTION + 32];
};

static struct label label_of(const struct pi_top_task *task)
{
    struct label label = {""};
    const char *name = task->name;
    if (task->there)
        snprintf(label.at, sizeof label.at, "%s%s%s%s", name, *name ? " (" : "", task->function,
                 *name ? ")" : "");
    size_t length = strlen(label.at);
    if (task->attempt > 1)
        snprintf(label.at + length, sizeof label.at - length, ", attempt %u", task->attempt);
    return label;
}

/* ---- order ---- */

static enum pi_top_sort sorted_by; /* for qsort, which has no context */

static double key(const struct pi_top_worker *worker)
{
    switch (sorted_by) {
    case PI_TOP_BY_CPU: return worker->cpu_percent;
    case PI_TOP_BY_MEMORY: return (double)worker->process.rss;
    case PI_TOP_BY_TIME: return (double)worker->task.running_ns;
    case PI_TOP_BY_ENDED: return (double)worker->ended;
    default: return 0;
    }
}

static int compare(const void *a, const void *b)
{
    const struct pi_top_worker *x = a, *y = b;
    if (key(x) > key(y) || key(x) < key(y))
        return key(x) > key(y) ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* ---- an executor ---- */

static void say_worker(struct table *table, const struct pi_top_worker *worker)
{
    const char *color = worker->state == PI_TOP_BUSY   ? GREEN
                        : worker->state == PI_TOP_IDLE ? DIM
                                                       : RED;
    bool known = worker->process.pid > 0;
    line(table, color, "%8u %8s  %-8s %6s %7s %10" PRIu64 " %9s %8s  %s", worker->number,
         pid(worker->process.pid).at, pi_top_state_name(worker->state),
         number(worker->cpu_percent).at, known ? bytes(worker->process.rss).at : "-", worker->ended,
         number(worker->ended_per_s).at, duration(&worker->task).at, label_of(&worker->task).at);
}

static void say_head(struct table *table, const struct pi_top_sample *sample)
{
    const posse_stats *stats = &sample->stats;
    bool broken = sample->phase == PI_DEAD;
    const char *backend = sample->backend == POSSE_THREAD   ? "threads"
                          : sample->backend == POSSE_INLINE ? "inline"
                                                            : "processes";
    line(table, broken ? RED : BOLD, "executor %s (%s): %s%s%s", sample->name, backend,
         pi_top_phase_name(sample->phase), *sample->reason ? ": " : "", sample->reason);
    if (sample->cut)
        line(table, RED, "  some of its shared memory cannot be read");
    line(table, stats->workers_lost ? RED : PLAIN,
         "  workers  %" PRIu64 " of %u, %" PRIu64 " idle; %" PRIu64 " started, %" PRIu64
         " lost; processor %s",
         stats->workers, sample->max_workers, stats->workers_idle, stats->workers_started,
         stats->workers_lost, percent(sample->cpu_percent).at);
    line(table, stats->failed || stats->lost || stats->timed_out ? RED : PLAIN,
         "  tasks    %" PRIu64 " queued, %" PRIu64 " running, %s per second; %" PRIu64
         " done, %" PRIu64 " failed, %" PRIu64 " cancelled, %" PRIu64 " timed out, %" PRIu64
         " lost",
         stats->queued, stats->running, number(sample->ended_per_s).at, stats->done, stats->failed,
         stats->cancelled, stats->timed_out, stats->lost);
    line(table, PLAIN,
         "  memory   %s used by %" PRIu64 " futures and %" PRIu64
         " blocks, %s committed, %s reserved",
         bytes(stats->memory_used).at, stats->futures, stats->memory_blocks,
         bytes(stats->memory_committed).at, bytes(stats->memory_reserved).at);
}

static void say_executor(struct table *table, struct pi_top_sample *sample)
{
    line(table, PLAIN, "%s", "");
    if (sample->problem != PI_TOP_READABLE) {
        char problem[160];
        pi_top_say_problem(sample, problem, sizeof problem);
        line(table, RED, "executor: %s", problem);
        return;
    }
    say_head(table, sample);
    const struct pi_top_worker *oldest = pi_top_oldest(sample);
    if (oldest)
        line(table, PLAIN, "  oldest   %s in worker %u: %s", duration(&oldest->task).at,
             oldest->number, label_of(&oldest->task).at);
    sorted_by = table->style->sort;
    qsort(sample->workers, sample->n_workers, sizeof *sample->workers, compare);
    if (sample->n_workers == 0)
        return;
    line(table, BOLD, "%8s %8s  %-8s %6s %7s %10s %9s %8s  %s", "WORKER", "PID", "STATE", "%CPU",
         "MEMORY", "TASKS", "PER S", "RUNNING", "TASK");
    for (unsigned i = 0; i < sample->n_workers; i++)
        say_worker(table, &sample->workers[i]);
}

void pi_top_table(struct pi_top_text *text, struct pi_top_round *round,
                  const struct pi_top_style *style)
{
    static const char *const sorts[] = {
#define SORT_NAME(name, words) words,
        PI_TOP_SORTS(SORT_NAME)
#undef SORT_NAME
    };
    struct table table = {.text = text, .style = style};
    char program[sizeof round->program.name];
    pi_utf8_clean(program, sizeof program, round->program.name, sizeof program);
    line(&table, BOLD, "program %d (%s), %u executor%s%s%s", (int)round->program.pid, program,
         round->count, round->count == 1 ? "" : "s", round->more ? " and more" : "",
         style->paused ? ", paused" : "");
    if (style->screen)
        line(&table, DIM, "q quit   p %s   s sort: by %s", style->paused ? "go on" : "pause",
             sorts[style->sort]);
    for (unsigned i = 0; i < round->count; i++)
        say_executor(&table, &round->samples[i]);
}
