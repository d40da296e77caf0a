/* burdens.c - what jobs carry beside their order: descriptors, limits, grace, a note for a report.
 *
 * A task gets the descriptor that its job named, and no other. Nobody is over limits that leave
 * room. The report of a lost task has the note of that task, whole, or none.
 */
#include "burdens.h"

#include <posse_autopsy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM ((size_t)8 << 30) /* of memory; nobody needs it */
#define LONG_MS 3600000        /* of processor time; the same */

/* ---- descriptors ---- */

/* Each file says which it is. */
void open_files(struct chaos *chaos)
{
    for (int i = 0; i < FILES; i++) {
        char name[] = "/tmp/posse-chaos-XXXXXX";
        chaos->files[i] = mkstemp(name);
        assert_true(chaos->files[i] >= 0);
        assert_int_equal(unlink(name), 0);
        assert_int_equal(write(chaos->files[i], &i, sizeof i), sizeof i);
    }
}

void close_files(struct chaos *chaos)
{
    for (int i = 0; i < FILES; i++)
        close(chaos->files[i]);
}

bool has_its_file(posse_task *task, const struct order *order)
{
    int number = -1, fd = posse_task_descriptor(task, 0);
    if (order->file == 0)
        return fd == -1;
    return pread(fd, &number, sizeof number, 0) == sizeof number && number + 1 == order->file;
}

/* ---- a job ---- */

void draw_burden(struct driver *driver, struct bid *bid)
{
    struct chaos *chaos = driver->chaos;
    uint64_t *random = &driver->random;
    bool tree = bid->order.kind == NESTED; /* others may run its tasks */
    bid->order.file = below(random, 6) == 0 ? 1 + (int)below(random, FILES) : 0;
    bid->limited = chaos->roster != NULL && below(random, 4) == 0;
    bid->graced = !tree && (bid->fate == LIMIT || (bid->fate == KILL && chaos->guard != FRESH)) &&
                  below(random, 2) == 0;
    bid->order.notes = chaos->autopsied && below(random, 2) == 0;
}

void load_job(const struct chaos *chaos, const struct bid *bid, posse_job *job)
{
    if (bid->order.file != 0) {
        job->descriptors = &chaos->files[bid->order.file - 1];
        job->n_descriptors = 1;
    }
    if (bid->limited) {
        job->max_memory = ROOM;
        job->max_cpu_ms = LONG_MS;
    }
    if (bid->graced) {
        job->grace_ms = bid->fate == LIMIT ? job->timeout_ms : 2;
        job->flags |= bid->fate == KILL ? POSSE_TERMINATE : 0;
    }
}

/* ---- a report ---- */

static void say(const struct order *order, char text[32])
{
    snprintf(text, 32, "order %llx", (unsigned long long)order->value);
}

void note_order(posse_task *task, const struct order *order)
{
    char text[32];
    say(order, text);
    if (order->notes)
        posse_task_note(task, "%s", text);
}

const char *judge_report(struct driver *driver, const struct bid *bid, const posse_error *error)
{
    posse_autopsy_report report = {.struct_size = sizeof report};
    char text[32];
    say(&bid->order, text);
    posse_status status = posse_autopsy(bid->future, &report);
    bool may_have = error->status == POSSE_WORKER_LOST || error->status == POSSE_DEADLINE;
    if (status == POSSE_END || bid->mortal)
        return NULL;
    if (status != POSSE_OK || !may_have || !driver->chaos->autopsied)
        return "it has a report";
    if (report.signal != 0 || report.n_frames != 0)
        return "its report tells of a crash";
    if (report.note[0] == '\0')
        return NULL;
    count(driver->chaos, NOTED, 1);
    return bid->order.notes && strcmp(report.note, text) == 0 ? NULL : "the note is not its own";
}
