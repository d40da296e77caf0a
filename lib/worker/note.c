/* Runs in: worker.
 *
 * Writes a note into the worker's record (core/crash_record.h). A task may have threads, but a note
 * is written by one at a time. The others wait for a moment. A thread may have held `busy` at a
 * fork, and be missing in this process, so after that they drop their notes.
 */
#include "worker/note.h"
#include "base/copy.h"
#include "base/tuning.h"
#include "core/crash_record.h"
#include "os/clock.h"

#include <string.h>

static _Atomic uint32_t busy;

/* acquire: with the release of the thread before */
static bool enter(void)
{
    for (int i = 0; i < PI_MAX_NOTE_WAITS; i++) {
        uint32_t none = 0;
        if (atomic_compare_exchange_strong(&busy, &none, 1)) /* as said */
            return true;
        pi_os_yield();
    }
    return false;
}

void pi_note_bytes(const struct posse_task *task, const char *text, size_t size)
{
    struct pi_crash_record *record = task->executor->crash_record;
    if (!record || !enter())
        return;
    uint32_t place = pi_load_relaxed(&record->note) == 1; /* relaxed: `busy` orders the writers */
    struct pi_note *note = &record->notes[place];
    note->slot = task->index;
    note->generation = pi_generation(task->word);
    pi_copy_only(note->text, text, size);
    note->text[size] = '\0';
    pi_store_release(&record->note, place + 1); /* with the supervisor's wait for the death */
    atomic_store(&busy, 0);                     /* release: with enter */
}

void pi_note(const struct posse_task *task, const char *text)
{
    size_t size = strlen(text);
    pi_note_bytes(task, text, size < PI_NOTE_SIZE ? size : PI_NOTE_SIZE - 1);
}
