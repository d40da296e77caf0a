/* Runs in: program, worker.
 *
 * Submitting many tasks, in batches, by the steps of submit.c. A batch takes its slots and fills
 * them all. Then it publishes and pushes one task after the other, in the order of the jobs. So
 * what a failure leaves out is always the rest. At its end it wakes as many workers as it has
 * tasks, and looks whether the executor is still open.
 *
 *   posse_submit_many > submit_batch > take_slots > pi_submit_take
 *                                    > fill > pi_submit_fill
 *                                    > push > push_one > pi_submit_enqueue
 *                                           > hand_over > pi_wake_or_grow_for
 *
 * A worker that submits may be killed at any step. `touched` in its record names one slot. So a
 * worker takes slots one by one, and names each before it publishes it. What it leaves, and what
 * the supervisor makes of it (supervisor/recover.c):
 *
 *   tasks of the batch                   left behind                            repair
 *   not yet published                    FILLING(w), in groups with its mark    FREE
 *   the one that it publishes or pushes  PENDING, not in the ring; `touched`    pushed again
 *   pushed                               in the ring; the tail behind           anyone helps
 *                                        a sleeper for each is not woken        all are woken
 *   taken back, as the executor closed   FILLING(w) or FREE                     FREE
 *
 * The program takes several slots at once: if it dies, the executor ends.
 */
#include "base/tuning.h"
#include "pool/await.h"
#include "pool/backend.h"
#include "pool/finish.h"
#include "pool/grow.h"
#include "pool/park.h"
#include "pool/phase.h"
#include "pool/self.h"
#include "pool/wake.h"
#include "submit.h"

#include <errno.h>
#include <string.h>

struct batch {
    struct pi_submission task; /* the one at hand */
    /* All jobs of the call, and a copy of one that is of another version. */
    const char *jobs;
    size_t stride;
    posse_job copy;
    bool grouped; /* some are of a group: these enter one by one */
    /* The tasks of this batch: job `first` and those behind it. */
    size_t first;
    unsigned n, pushed, accepted;
    struct pi_filling slots[PI_BATCH_TASKS];
    /* Why the first job that was not accepted was refused, and the errno of that. */
    posse_status status;
    int error;
};

/* Keeps a failure while the tasks before it go on. A later step fails at an earlier job. */
static void note(struct batch *b, posse_status status)
{
    if (status == POSSE_OK)
        return;
    b->status = status;
    b->error = errno;
}

/* ---- jobs ---- */

/* NULL: it is none; pi_sized_read has said why. */
static const posse_job *job_at(struct batch *b, size_t i)
{
    return pi_sized_read(b->jobs + i * b->stride, &b->copy, sizeof b->copy);
}

/* All, before the first task is submitted. */
static posse_status check_jobs(struct batch *b, size_t n)
{
    posse_status status = POSSE_OK;
    if (n > 0 && !b->jobs)
        return pi_refuse(POSSE_INVALID, "jobs is NULL");
    b->stride = n > 0 ? pi_size_of(b->jobs) : 0;
    for (size_t i = 0; i < n && status == POSSE_OK; i++) {
        const posse_job *job = job_at(b, i);
        if (!job)
            return POSSE_INVALID;
        if (pi_size_of(b->jobs + i * b->stride) != b->stride)
            return pi_refuse(POSSE_INVALID, "struct_size of the jobs is not the same");
        status = pi_check_job(b->task.executor, job);
        b->grouped |= job->group != NULL;
        if (status == POSSE_OK && job->group)
            status = pi_check_job_group(b->task.executor, job->group);
    }
    return status;
}

static posse_status check(struct batch *b, size_t n)
{
    posse_executor *e = b->task.executor;
    posse_status status = pi_check(e);
    if (status == POSSE_OK)
        status = check_jobs(b, n);
    if (status == POSSE_OK)
        status = pi_poll_supervisor(e) ? pi_accepts(e) : pi_phase_status(pi_phase_of(e));
    return status;
}

/* How many of the next `left` jobs are a batch. */
static unsigned batch_length(struct batch *b, size_t left)
{
    size_t bytes = 0;
    unsigned n = 0;
    while (n < PI_BATCH_TASKS && n < left && bytes < PI_BATCH_BYTES)
        bytes += job_at(b, b->first + n++)->size;
    return n;
}

/* ---- slots ---- */

/* Takes b->n slots; if it fails, as many as there are. */
static void take_slots(struct batch *b)
{
    unsigned n = 0, got = 1;
    for (; n < b->n && got > 0; n += got)
        got = pi_submit_take(&b->task, b->n - n, &b->slots[n]);
    if (got == 0)
        note(b, pi_failure(PI_NO_SHARED));
    b->n = n;
}

/* Task i of the batch, at hand. */
static struct pi_submission *at(struct batch *b, unsigned i)
{
    struct pi_submission *s = &b->task;
    pi_submit_set_job(s, job_at(b, b->first + i));
    s->index = b->slots[i].index;
    s->slot = &s->executor->segment.slots.at[s->index];
    s->word = b->slots[i].word;
    return s;
}

/* Frees the slots from i on, which are FILLING. */
static void discard_from(struct batch *b, unsigned i)
{
    for (; i < b->n; i++)
        (void)pi_discard(b->task.executor, b->slots[i].index, b->slots[i].word);
}

/* If it fails, the tasks before that are left. */
static void fill(struct batch *b)
{
    unsigned i = 0;
    posse_status status = POSSE_OK;
    while (i < b->n && (status = pi_submit_fill(at(b, i))) == POSSE_OK)
        i++;
    note(b, status);
    if (status != POSSE_OK) {
        discard_from(b, i + 1);
        b->n = i;
    }
}

/* ---- the ring ---- */

static posse_status push_one(struct batch *b, unsigned i)
{
    struct pi_submission *s = at(b, i);
    pi_touch(s->executor, s->owner, s->index);
    posse_status status = pi_submit_enqueue(s);
    b->slots[i].word = s->word; /* FILLING again, if not POSSE_OK */
    return status;
}

/* Hands what was pushed over to the workers. If the executor has closed meanwhile, it takes tasks
 * back, from the last one to the first that a worker has begun: those before that one were in the
 * ring before its worker looked there again. */
static posse_status hand_over(struct batch *b)
{
    posse_executor *e = b->task.executor;
    unsigned n = b->pushed;
    if (pi_wake_or_grow_for(e, n - b->accepted)) /* all workers may sleep because they are dead */
        (void)pi_check_supervisor(e);
    posse_status status = pi_accepts(e); /* after the push: the last worker looks the other way */
    while (status != POSSE_OK && n > b->accepted && pi_submit_undo(at(b, n - 1)))
        n--;
    b->accepted = n;
    return status;
}

/* POSSE_OK: the next task may be tried again. */
static posse_status make_room(struct batch *b)
{
    posse_status status = hand_over(b);
    return status == POSSE_OK ? pi_submit_await_room(at(b, b->pushed)) : status;
}

static void push(struct batch *b)
{
    posse_status status = POSSE_OK;
    b->pushed = b->accepted = 0;
    b->task.until = 0;
    while (status == POSSE_OK && b->pushed < b->n) {
        status = push_one(b, b->pushed);
        if (status == POSSE_FULL) {
            status = make_room(b);
        } else if (status == POSSE_OK) {
            b->pushed++;
            b->task.until = 0;
        }
    }
    note(b, status);
    discard_from(b, b->pushed);
    posse_status open = hand_over(b);
    if (status == POSSE_OK)
        note(b, open);
}

/* ---- the whole ---- */

static void submit_batch(struct batch *b, size_t left)
{
    b->n = batch_length(b, left);
    b->task.now = 0;
    take_slots(b);
    fill(b);
    push(b);
}

static posse_status submit_batches(struct batch *b, size_t n, posse_future *futures)
{
    posse_executor *e = b->task.executor;
    b->task.owner = pi_owner_here(e);
    b->task.limit = b->task.owner == PI_OWNER_PROGRAM ? e->queue_limit : 0;
    pi_call_enter(e);
    while (b->status == POSSE_OK && b->first < n) {
        submit_batch(b, n - b->first);
        for (unsigned i = 0; futures && i < b->accepted; i++)
            futures[b->first + i] =
                (posse_future){e, b->slots[i].index, pi_generation(b->slots[i].word)};
        b->first += b->accepted;
    }
    pi_call_exit(e);
    if (b->first == n) /* closed, but all were accepted before */
        return POSSE_OK;
    errno = b->error;
    return b->status;
}

/* Without workers, where each task ends before the next begins, and one may leave the call; and
 * tasks of groups. */
static posse_status submit_each(struct batch *b, size_t n, posse_future *futures, size_t *accepted)
{
    posse_status status = POSSE_OK;
    while (b->first < n && status == POSSE_OK) {
        status = pi_submit(b->task.executor, job_at(b, b->first), memcpy,
                           futures ? &futures[b->first] : NULL);
        b->first += status == POSSE_OK;
        *accepted = b->first;
    }
    return status;
}

posse_status posse_submit_many(posse_executor *e, const posse_job *jobs, size_t n,
                               posse_future *futures, size_t *accepted)
{
    struct batch b = {.task = {.executor = e, .write = memcpy, .flags = futures ? 0 : PI_DETACHED},
                      .jobs = (const char *)jobs};
    size_t unused = 0;
    accepted = accepted ? accepted : &unused;
    *accepted = 0;
    posse_status status = check(&b, n);
    if (status == POSSE_OK && e->backend->spawn && !b.grouped)
        status = submit_batches(&b, n, futures);
    else if (status == POSSE_OK)
        status = submit_each(&b, n, futures, accepted);
    for (size_t i = b.first; futures && i < n; i++)
        futures[i] = (posse_future){.executor = NULL};
    *accepted = b.first;
    return status;
}
