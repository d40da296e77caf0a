/* Runs in: posse-top.
 *
 * posse-top [PID]: a view of the executors of a running program. What it does: lib/man/posse-top.1.
 * It only reads: /proc, and the executors' shared memory by way of it. It sends no signal, traces
 * nobody and writes nowhere, so the program does not notice it.
 */
#include "base/utf8.h"
#include "os/clock.h"
#include "top/choose.h"
#include "top/live.h"
#include "top/rates.h"
#include "top/table.h"
#include "top/terminal.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTHING 1 /* exit statuses */
#define MISUSE 2

#define MAX_CHOICES 100

struct order {
    pid_t pid; /* 0: none was given */
    bool once, json;
    uint64_t interval_ns; /* 0: none was given */
};

/* ---- arguments ---- */

static void usage(FILE *to)
{
    fprintf(to, "usage: posse-top [--once | --json] [--interval SECONDS] [PID]\n");
}

static void help(void)
{
    usage(stdout);
    printf("\nShows the executors of a running program: workers, tasks, memory.\n\n"
           "  --once              print one table, also on a terminal\n"
           "  --json              print one JSON object\n"
           "  --interval SECONDS  between two looks (default 1); with --once or --json: look\n"
           "                      twice, that far apart, and give figures per second\n"
           "  --help, --version\n\n"
           "Keys: q quit, p pause, s sort by something else.\n"
           "Without a PID it shows the only program that has executors, or lists them.\n"
           "Exit: 0; 1 if there was nothing to show; 2 if the arguments are wrong.\n");
}

/* The exit status after words to stdout. */
static int said(void)
{
    if (fflush(stdout) == 0)
        return 0;
    fprintf(stderr, "posse-top: cannot write: %s\n", strerror(errno));
    return NOTHING;
}

static int misuse(const char *what, const char *word)
{
    fprintf(stderr, "posse-top: %s%s%s\n", what, *word ? ": " : "", word);
    usage(stderr);
    return MISUSE;
}

static bool parse_interval(const char *word, uint64_t *ns)
{
    char *end;
    double seconds = strtod(word, &end);
    bool good = end != word && *end == '\0' && seconds * (double)PI_SECOND >= PI_TOP_LEAST_NS &&
                seconds <= PI_TOP_MAX_SECONDS;
    *ns = good ? (uint64_t)(seconds * (double)PI_SECOND) : 0;
    return good;
}

static bool parse_pid(const char *word, pid_t *pid)
{
    char *end;
    errno = 0;
    long number = strtol(word, &end, 10);
    *pid = (pid_t)number;
    return *word >= '1' && *word <= '9' && *end == '\0' && errno == 0 && number == *pid;
}

/* The exit status, or -1: go on. */
static int parse(int argc, char **argv, struct order *order)
{
    static const struct option options[] = {
        {"once", no_argument, NULL, 'o'},    {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},    {"interval", required_argument, NULL, 'i'},
        {"version", no_argument, NULL, 'v'}, {NULL, 0, NULL, 0}};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":", options, NULL)) != -1;)
        switch (option) {
        case 'o': order->once = true; break;
        case 'j': order->json = true; break;
        case 'i':
            if (!parse_interval(optarg, &order->interval_ns))
                return misuse("an interval is 0.05 to 86400 seconds, not", optarg);
            break;
        case 'h': help(); return said();
        case 'v': printf("posse-top %s\n", POSSE_VERSION); return said();
        case ':': return misuse("an argument is missing after", argv[optind - 1]);
        default: return misuse("unknown option", argv[optind - 1]);
        }
    if (argc - optind > 1)
        return misuse("more than one PID", "");
    if (optind < argc && !parse_pid(argv[optind], &order->pid))
        return misuse("not a PID", argv[optind]);
    return -1;
}

/* ---- what went wrong ---- */

static int refused(pid_t pid)
{
    uid_t owner;
    if (pi_top_process_owner(pid, &owner) && owner != geteuid())
        fprintf(stderr,
                "posse-top: process %d belongs to user %u: only that user and root may look\n",
                (int)pid, (unsigned)owner);
    else
        fprintf(stderr,
                "posse-top: the kernel lets nobody but root look at process %d: it has changed its "
                "user, or does not let itself be dumped\n",
                (int)pid);
    return NOTHING;
}

static int failed(enum pi_top_found found, pid_t pid)
{
    switch (found) {
    case PI_TOP_NO_ONE: fprintf(stderr, "posse-top: there is no process %d\n", (int)pid); break;
    case PI_TOP_REFUSED: return refused(pid);
    case PI_TOP_NONE:
        fprintf(stderr,
                "posse-top: process %d has no executor that can be seen; to see one with threads "
                "or inline, the user must be allowed to trace the process\n",
                (int)pid);
        break;
    default: fprintf(stderr, "posse-top: %s\n", strerror(errno));
    }
    return NOTHING;
}

/* ---- choosing ---- */

/* The exit status, or -1: files->program is chosen. */
static int choose(struct pi_top_files *files)
{
    static struct pi_top_choice choices[MAX_CHOICES];
    unsigned count = pi_top_list(files, choices, MAX_CHOICES);
    if (count == 1) {
        files->program = choices[0].program.pid;
        return -1;
    }
    if (count == 0) {
        fprintf(stderr, "posse-top: no program%s has an executor that can be seen from outside\n",
                geteuid() == 0 ? "" : " of this user");
        return NOTHING;
    }
    fprintf(stderr, "posse-top: several programs have executors; give one of these PIDs\n");
    printf("%8s %9s  %s\n", "PID", "EXECUTORS", "PROGRAM");
    for (unsigned i = 0; i < count && i < MAX_CHOICES; i++) {
        char name[sizeof choices[i].program.name];
        pi_utf8_clean(name, sizeof name, choices[i].program.name, sizeof name);
        printf("%8d %9u  %s\n", (int)choices[i].program.pid, choices[i].executors, name);
    }
    return NOTHING;
}

/* ---- showing ---- */

static int print(struct pi_top_round *round, bool json)
{
    const struct pi_top_style style = {.sort = PI_TOP_BY_NUMBER};
    struct pi_top_text text = {.bytes = NULL};
    if (json)
        pi_top_json(&text, round);
    else
        pi_top_table(&text, round, &style);
    bool good = pi_top_text_write(&text, STDOUT_FILENO);
    if (!good)
        fprintf(stderr, "posse-top: cannot write: %s\n", strerror(errno));
    pi_top_text_free(&text);
    return good ? 0 : NOTHING;
}

static int show_once(struct pi_top_files *files, const struct order *order)
{
    struct pi_top_round before = {.samples = NULL}, now;
    enum pi_top_found found = pi_top_look(files, &now);
    if (found == PI_TOP_FOUND && order->interval_ns) {
        before = now;
        pi_os_sleep(order->interval_ns);
        found = pi_top_look(files, &now);
    }
    if (found != PI_TOP_FOUND)
        return failed(found, files->program);
    pi_top_compare(&before, &now);
    int status = print(&now, order->json);
    pi_top_round_free(&before);
    pi_top_round_free(&now);
    return status;
}

static int show_live(struct pi_top_files *files, const struct order *order)
{
    uint64_t interval = order->interval_ns ? order->interval_ns : PI_TOP_INTERVAL_NS;
    struct pi_top_round first;
    enum pi_top_found found = pi_top_look(files, &first);
    if (found != PI_TOP_FOUND)
        return failed(found, files->program);
    pi_top_round_free(&first);
    found = pi_top_live(files, interval);
    if (found == PI_TOP_NO_ONE) {
        printf("posse-top: process %d has ended\n", (int)files->program);
        return 0;
    }
    return found == PI_TOP_FOUND ? 0 : failed(found, files->program);
}

int main(int argc, char **argv)
{
    static struct pi_top_files files;
    struct order order = {.pid = 0};
    int status = parse(argc, argv, &order);
    if (status >= 0)
        return status;
    files.program = order.pid;
    status = order.pid ? -1 : choose(&files);
    if (status >= 0)
        return status;
    pi_top_follow(&files);
    bool once = order.once || order.json || !pi_top_is_terminal();
    return once ? show_once(&files, &order) : show_live(&files, &order);
}
