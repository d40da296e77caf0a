/* Running tasks that must end: over their deadline, or by posse_kill. The supervisor walks the
 * tasks on each worker's stack. A kill can hit no other task than the one it is meant for: its word
 * says KILLING first, and a worker that then ends the task takes nothing more.
 *
 * A slot's deadline is 0 but while a task with a time limit is in RUNNING or KILLING, so a deadline
 * that was read after such a word belongs to it, or the compare-and-swap from the word fails. The
 * model is tests/model/kill.pml.
 */
#include "supervisor/deadline.h"
#include "os/clock.h"
#include "pool/backend.h"
#include "pool/finish.h"
#include "pool/pool.h"
#include "pool/verify.h"
#include "supervisor/scale.h"
#include "supervisor/supervisor.h"

static void kill_worker(struct pi_supervisor *s, unsigned worker)
{
    if (!s->children[worker].killed)
        s->executor->backend->signal(s, worker, SIGKILL);
    s->children[worker].killed = true;
}

/* The thread cannot be ended; another takes its place, and it leaves when its task returns. */
static void abandon(struct pi_supervisor *s, unsigned worker)
{
    struct pi_child *child = &s->children[worker];
    if (child->state != PI_CHILD_ALIVE)
        return;
    child->state = PI_CHILD_ABANDONED;
    pi_retire(s, worker); /* and as it does not count any more, another is started */
}

static void expire(posse_executor *e, uint32_t index, uint64_t word)
{
    if (e->backend->kills)
        (void)pi_slot_transition(&e->segment.slots.at[index], &word, PI_KILLING, PI_EXPIRED, 0);
    else
        (void)pi_finish(e, index, &word, (uint64_t)PI_TIMED_OUT | PI_PINNED,
                        &e->segment.header->timed_out);
}

/* A task of the worker's stack, with a word that names the worker: what is to be done about it? */
static void look_at_task(struct pi_supervisor *s, unsigned worker, uint32_t index)
{
    posse_executor *e = s->executor;
    struct pi_slot *slot = &e->segment.slots.at[index];
    uint64_t word = pi_load_seq(&slot->word), deadline = pi_load_relaxed(&slot->deadline_ns);
    if (pi_has_state(word, PI_RUNNING, worker) && deadline > s->checked_ns)
        s->children[worker].next_deadline = pi_earlier(s->children[worker].next_deadline, deadline);
    else if (pi_has_state(word, PI_RUNNING, worker) && deadline != 0)
        expire(e, index, word);
    word = pi_load_seq(&slot->word);
    if (pi_has_state(word, PI_KILLING, worker))
        kill_worker(s, worker);
    else if (pi_final(word) && (word & PI_PINNED) && pi_owner(word) == worker)
        abandon(s, worker);
}

/* Walks the tasks on a worker's stack. If the worker goes on meanwhile the chain may lead astray,
 * which does no harm as every word is checked; then it is walked once more. */
static void look_at_stack(struct pi_supervisor *s, unsigned worker)
{
    struct pi_segment *segment = &s->executor->segment;
    unsigned tries = 0;
    uint32_t current;
    do {
        current = pi_load_seq(&segment->workers[worker].current);
        uint32_t next = current;
        s->children[worker].next_deadline = PI_NEVER;
        for (uint32_t step = 0; step < PI_MAX_NESTED; step++) {
            if (next == 0 || !pi_slots_has(&segment->slots, next - 1))
                break;
            look_at_task(s, worker, next - 1);
            /* relaxed: checked as said */
            next = pi_load_relaxed(&segment->slots.at[next - 1].outer);
        }
    } while (pi_load_acquire(&segment->workers[worker].current) != current && ++tries < 1000);
}

/* A caller doubts that the worker has a task that names it: memory was scribbled on (verify.c). What
 * is true only its corpse tells. A worker that is stopped may just have claimed the task. */
static void look_at_doubt(struct pi_supervisor *s, unsigned worker)
{
    posse_executor *e = s->executor;
    uint32_t index = pi_exchange_seq(&e->segment.workers[worker].suspect, 0);
    if (index == 0 || !e->backend->kills)
        return;
    uint64_t word = pi_slots_word(&e->segment.slots, index - 1);
    bool names_it =
        pi_has_state(word, PI_RUNNING, worker) || pi_has_state(word, PI_KILLING, worker);
    if (!names_it || pi_is_on_stack(e, worker, index - 1))
        return;
    if (s->children[worker].state == PI_CHILD_EMPTY)
        pi_finish_ownerless(e, index - 1, word);
    else if (!s->children[worker].stopped) {
        s->children[worker].suspect = true;
        kill_worker(s, worker);
    }
}

void pi_enforce_deadlines(struct pi_supervisor *s)
{
    s->checked_ns = pi_os_now();
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (s->children[i].state != PI_CHILD_EMPTY)
            look_at_stack(s, i);
        if (pi_load_seq(&s->executor->segment.workers[i].suspect) != 0)
            look_at_doubt(s, i);
    }
}
