/* crash_record.h - the last words of a task: what it noted, and where its worker crashed.
 *
 * Runs in: program, worker, supervisor. With options.autopsy each worker process has a record, in a
 * block of the arena. The supervisor takes the block before it starts the worker, in its own name
 * (PI_OWNER_NONE), so no death of a worker frees it. When the worker dies and its innermost task is
 * lost, the block becomes the result of that task's slot. (A lost task has no other result.) So
 * the process that frees the slot frees the record.
 *
 *   the block's tag     meaning                       changed by          to
 *   HELD(none)          a worker has the record       supervisor, when    ATTACHED, (free)
 *                                                     it was reaped
 *   ATTACHED(slot,      the result of a task that is  the process that    (free)
 *   generation)         LOST or TIMED_OUT             frees the slot
 *
 *   died ...                                       left behind    repair
 *   a worker, in no task, or in one that is tried  HELD(none)     freed
 *   again, or cancelled
 *   a worker, in a task that is lost or too late   HELD(none)     ATTACHED, before the task is
 *                                                                 final
 *   ... and posse_kill came before that            ATTACHED       freed, as any result of a task
 *                                                                 that was killed
 *   a worker, while it writes a note               the note before that one counts
 *   a worker, while it writes its crash            some frames    those count
 *   the supervisor                                 any            the executor is broken, its
 *                                                                 memory ends with posse_destroy
 *
 * Without memory for the block a worker has no record, and nothing is known of its tasks.
 *
 * A note is written by the task's threads, one at a time: into the place that `note` does not name,
 * then `note` names it (release). So a death leaves the note before, or the new one. The crash is
 * written as os/crash_handler.h says. The supervisor writes all of a record while no worker has it.
 * With options.keep_stderr the end of what the worker wrote to stderr stands behind the record
 * (os/kept_output.h). The program reads a copy. A task may have overwritten anything, so the
 * program checks all.
 */
#pragma once

#include "os/crash_handler.h"

#define PI_NOTE_SIZE 256
#define PI_CRASH_MAGIC 0x73647277206c6170u

/* Of which task it is: a worker's earlier tasks wrote theirs. */
struct pi_note {
    uint32_t slot, generation;
    char text[PI_NOTE_SIZE]; /* ends with 0 */
};

struct pi_crash_record {
    uint64_t magic;        /* the supervisor writes it: another result has something else there */
    _Atomic uint32_t note; /* 1 + the index of the last note; 0: none */
    uint32_t unused;
    struct pi_note notes[2];
    struct pi_os_crash crash;
};
_Static_assert(sizeof(struct pi_crash_record) <= 1024, "a record takes a block of 1 KiB");

/* Behind the record in its block, with options.keep_stderr. The supervisor writes it when it has
 * reaped the worker. */
#define PI_OUTPUT_SIZE 4096

struct pi_crash_output {
    uint32_t size;
    char text[PI_OUTPUT_SIZE];
};
