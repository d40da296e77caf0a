/* Runs in: posse-top.
 *
 * One look at a program: its executors, each from a copy of its header, and what /proc tells of its
 * processes. All goes on meanwhile, so the figures are those of no one moment.
 */
#include "top/sample.h"
#include "base/utf8.h"
#include "os/clock.h"
#include "top/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *pi_top_state_name(enum pi_top_state state)
{
    static const char *const names[] = {
#define STATE_NAME(name, text) text,
        PI_TOP_STATES(STATE_NAME)
#undef STATE_NAME
    };
    return names[state];
}

const char *pi_top_backend_name(posse_backend backend)
{
    return backend == POSSE_THREAD ? "thread" : backend == POSSE_INLINE ? "inline" : "process";
}

const char *pi_top_phase_name(enum pi_phase phase)
{
    static const char *const names[] = {"starting", "open",   "draining",
                                        "stopping", "closed", "broken"};
    return names[phase];
}

void pi_top_say_problem(const struct pi_top_sample *sample, char *words, size_t size)
{
    static const char *const texts[] = {
        [PI_TOP_READABLE] = "",
        [PI_TOP_NO_DESCRIPTOR] = "the program has closed the descriptor of its shared memory",
        [PI_TOP_NO_ORIGIN] = "its shared memory is of an older version of posse, or overwritten",
        [PI_TOP_OTHER_VERSION] = "",
        [PI_TOP_DAMAGED] = "the beginning of its shared memory was overwritten"};
    if (sample->problem == PI_TOP_OTHER_VERSION)
        snprintf(words, size,
                 "made by posse %s; this posse-top knows the memory of one build of posse %s alone",
                 sample->version, POSSE_VERSION);
    else
        snprintf(words, size, "%s", texts[sample->problem]);
}

/* ---- the supervisor ---- */

/* Whether a process is the one that the executor knows by this pid. */
static bool is_known_as(const struct pi_top_view *view, const struct pi_top_process *process,
                        pid_t pid)
{
    if (view->inner == view->program)
        return process->pid == pid;
    return pi_top_process_inner(process->pid) == pid;
}

/* The pid stands where a task may have overwritten it, so the process must have the memory. */
static void find_supervisor(const struct pi_top_view *view, struct pi_top_sample *sample)
{
    pid_t pid = (pid_t)PI_TOP_VALUE(view->header->origin.supervisor);
    for (size_t i = 0; i < view->processes->count && pid > 0; i++) {
        const struct pi_top_process *process = &view->processes->at[i];
        if (process->pid != view->program && process->state != 'Z' &&
            is_known_as(view, process, pid) && pi_top_has_mapped(process->pid, sample->inode))
            sample->supervisor = process->pid;
    }
}

/* ---- one executor ---- */

static void take_reason(const struct pi_header *header, struct pi_top_sample *sample)
{
    const struct pi_error_cell *cell = &header->broken;
    if (sample->phase == PI_DEAD && PI_TOP_VALUE(cell->state) >= PI_ERROR_WRITTEN)
        pi_utf8_clean(sample->reason, sizeof sample->reason, cell->reason.message,
                      sizeof cell->reason.message);
}

static bool take(const struct pi_top_view *view, struct pi_top_sample *sample)
{
    static struct pi_header header; /* large, for a stack */
    struct pi_top_view with = *view;
    with.header = &header;
    pi_top_read(view->reader, view->reader->segment.header, &header, sizeof header);
    sample->phase = (enum pi_phase)pi_top_count(PI_TOP_VALUE(header.phase), PI_DEAD);
    sample->backend = (posse_backend)header.origin.backend;
    sample->max_workers = pi_top_count(PI_TOP_VALUE(header.max_workers), PI_MAX_WORKERS);
    sample->stats.struct_size = sizeof sample->stats;
    pi_utf8_clean(sample->name, sizeof sample->name, header.origin.name, sizeof header.origin.name);
    take_reason(&header, sample);
    find_supervisor(&with, sample);
    pi_top_tally(&with, &sample->stats);
    bool good = pi_top_look_at_workers(&with, sample);
    sample->cut = view->reader->cut;
    return good;
}

/* A fork of a program has the executors of that program, too. */
static bool is_of_another(const struct pi_top_view *view, const struct pi_top_sample *sample)
{
    pid_t other = view->reader->origin.program;
    return sample->problem == PI_TOP_READABLE && other > 0 && other != view->program &&
           other != view->inner && (view->reader->base || pi_top_has_mapped(other, sample->inode));
}

/* False: there is no memory. */
static bool look_at(const struct pi_top_files *files, const struct pi_top_file *file,
                    const struct pi_top_view *view, struct pi_top_sample *sample)
{
    struct pi_top_reader reader;
    struct pi_top_view with = *view;
    with.reader = &reader;
    sample->problem =
        pi_top_reader_open(&reader, pi_top_open(files, file), files->program, file->base);
    sample->foreign = is_of_another(&with, sample);
    if (sample->problem == PI_TOP_OTHER_VERSION)
        pi_utf8_clean(sample->version, sizeof sample->version, reader.origin.version,
                      sizeof reader.origin.version);
    bool good = sample->foreign || sample->problem != PI_TOP_READABLE || take(&with, sample);
    pi_top_reader_close(&reader);
    return good;
}

/* ---- all ---- */

/* The system counts inodes up: the oldest is first. */
static int by_inode(const void *a, const void *b)
{
    const struct pi_top_sample *x = a, *y = b;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static bool look_at_all(const struct pi_top_files *files, const struct pi_top_view *view,
                        struct pi_top_round *round)
{
    for (unsigned i = 0; i < files->count; i++) {
        struct pi_top_sample *sample = &round->samples[round->count];
        *sample = (struct pi_top_sample){.inode = files->at[i].inode,
                                         .ended_per_s = PI_TOP_UNKNOWN,
                                         .cpu_percent = PI_TOP_UNKNOWN};
        if (!look_at(files, &files->at[i], view, sample))
            return false;
        round->count += !sample->foreign;
    }
    qsort(round->samples, round->count, sizeof *round->samples, by_inode);
    return true;
}

enum pi_top_found pi_top_look(struct pi_top_files *files, struct pi_top_round *round)
{
    struct pi_top_processes processes = {.at = NULL};
    struct pi_top_view view = {.processes = &processes,
                               .program = files->program,
                               .inner = pi_top_process_inner(files->program)};
    *round = (struct pi_top_round){.now_ns = view.now_ns = pi_os_now()};
    enum pi_top_found found = pi_top_attach(files);
    if (found != PI_TOP_FOUND && found != PI_TOP_NONE)
        return found;
    round->more = files->more;
    round->samples = calloc(files->count + 1, sizeof *round->samples);
    if (!round->samples || !pi_top_processes_read(&processes) || !look_at_all(files, &view, round))
        found = PI_TOP_ERROR;
    else if (!pi_top_process_read(files->program, &round->program) || round->program.state == 'Z')
        found = PI_TOP_NO_ONE;
    else if (round->count == 0)
        found = PI_TOP_NONE;
    free(processes.at);
    if (found != PI_TOP_FOUND)
        pi_top_round_free(round);
    return found;
}

void pi_top_round_free(struct pi_top_round *round)
{
    for (unsigned i = 0; round->samples && i < round->count; i++)
        free(round->samples[i].workers);
    free(round->samples);
    round->samples = NULL;
    round->count = 0;
}
