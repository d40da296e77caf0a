/* What the tasks that wait ask for: how many there are, and how many workers are not busy and will
 * look at them. The order in which this is looked at, and why, is at the head of scale.c.
 */
#include "supervisor/backlog.h"
#include "pool/pool.h"
#include "supervisor/scale.h"
#include "supervisor/supervisor.h"

#define MAX_LOOKS 100 /* until nothing happens meanwhile */

uint64_t pi_task_of(const struct pi_supervisor *s, unsigned worker)
{
    struct pi_slots *slots = &s->executor->segment.slots;
    uint32_t current = pi_load_seq(&s->executor->segment.workers[worker].current);
    uint64_t word = current ? pi_slots_word(slots, current - 1) : 0;
    if (!pi_has_state(word, PI_RUNNING, worker) && !pi_has_state(word, PI_KILLING, worker))
        return 0; /* it has ended: the worker is about to look at the ring */
    return (uint64_t)pi_generation(word) << 32 | current;
}

static unsigned count_free(struct pi_supervisor *s)
{
    unsigned free = 0;
    for (unsigned i = 0; i < s->n_workers; i++) {
        s->children[i].current_task = pi_is_active(s, i) ? pi_task_of(s, i) : 0;
        free += pi_is_active(s, i) && !s->children[i].current_task && !s->children[i].stopped;
    }
    return free;
}

/* Whether nothing has happened since the count began: no entry was passed, and every worker that
 * was busy is still busy with the same task. */
static bool is_the_same(const struct pi_supervisor *s, uint64_t head)
{
    if (pi_load_seq(&s->executor->segment.header->ring.head) != head)
        return false;
    for (unsigned i = 0; i < s->n_workers; i++)
        if (s->children[i].current_task && pi_task_of(s, i) != s->children[i].current_task)
            return false;
    return true;
}

/* One that has ended its task meanwhile was free for what waits now; and a slot whose entry was
 * passed may be counted twice, if its next task has another one. Then all is counted again. */
unsigned pi_backlog(struct pi_supervisor *s)
{
    struct pi_segment *segment = &s->executor->segment;
    unsigned waiting, free, looks = 0;
    uint64_t head;
    do {
        head = pi_load_seq(&segment->header->ring.head);
        free = count_free(s);
        waiting = pi_slots_count_entries(&segment->slots, &segment->ring, free + s->max).pending;
    } while (waiting > free && !is_the_same(s, head) && ++looks < MAX_LOOKS);
    return waiting > free ? waiting - free : 0;
}

bool pi_has_backlog(struct pi_supervisor *s)
{
    struct pi_segment *segment = &s->executor->segment;
    return pi_slots_count_entries(&segment->slots, &segment->ring, 1).pending > 0;
}
