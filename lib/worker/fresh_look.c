/* Runs in: worker.
 *
 * The process of a task writes notes and progress into the task memory, which dies with its worker.
 * So the worker copies them, as it looks: into its own crash record, and into the feed of the task.
 * What is lost when both are killed is what the task has said since the last look.
 *
 * The process may write anything there, so nothing of it is followed. None of the bytes stay in
 * memory of the worker, of which the next process is a copy.
 */
#include "worker/fresh_look.h"
#include "base/copy.h"
#include "core/crash_record.h"
#include "pool/feed_block.h"
#include "worker/note.h"

void pi_fresh_look_begin(const struct posse_task *task)
{
    struct pi_crash_record *record = task->executor->crash_record;
    if (record)
        pi_store_relaxed(&record->note, 0); /* relaxed: the supervisor reads it, w reaped */
}

static void pass_note(const struct posse_task *task, struct pi_task_memory *m)
{
    uint32_t place = pi_load_acquire(&m->record.note) - 1; /* with pi_note */
    if (place <= 1)
        pi_note_bytes(task, m->record.notes[place].text, PI_NOTE_SIZE - 1);
}

static void pass_progress(struct posse_task *task, struct pi_task_memory *m)
{
    uint64_t numbers[2];
    if (pi_feed_get(&m->feed, &numbers[0], &numbers[1]) && (numbers[0] || numbers[1]))
        pi_feed_say(task, numbers[0], numbers[1]);
    pi_copy_clear(numbers, sizeof numbers);
}

/* order: relaxed: it need not be seen at once */
void pi_fresh_look(struct posse_task *task, struct pi_task_memory *m)
{
    uint64_t word = pi_load_relaxed(&task->slot->word);
    atomic_store_explicit(&m->slot.word, word, memory_order_relaxed);
    pass_note(task, m);
    pass_progress(task, m);
}
