/* Runs in: program.
 *
 * The completion queue as a descriptor, for the program's own event loop. Its cq (pool/cq.h) sets a
 * pollable instead of waking a thread; the leader thread of each executor delivers to it.
 */
#include "internal.h"
#include "base/container_of.h"
#include "os/clock.h"
#include "pool/dispatch.h"
#include "posse_progress.h"

#include <errno.h>
#include <stdlib.h>

struct entry {
    struct pi_subscription sub;
    void *context;
    struct entry *before, *after;
};

struct posse_completion_queue {
    struct pi_cq cq;
    struct pi_os_fork_detect guard; /* by process id */
    struct pi_os_pollable pollable;
    struct entry *entries; /* all that were added and not yet taken; the cq's lock */
};

static void free_entry_locked(struct posse_completion_queue *c, struct entry *entry)
{
    if (entry->after)
        entry->after->before = entry->before;
    if (entry->before)
        entry->before->after = entry->after;
    else
        c->entries = entry->after;
    free(entry);
}

static void drop_locked(struct pi_subscription *sub)
{
    free_entry_locked(PI_CONTAINER_OF(sub->cq, struct posse_completion_queue, cq),
                      PI_CONTAINER_OF(sub, struct entry, sub));
}

posse_status posse_completion_queue_create(posse_completion_queue **queue)
{
    if (!queue)
        return pi_refuse(POSSE_INVALID, "queue is NULL");
    *queue = NULL;
    posse_completion_queue *c = calloc(1, sizeof *c);
    if (!c)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    int error = pi_os_pollable_init(&c->pollable);
    if (error) {
        free(c);
        return pi_refuse_errno(error, "the descriptor cannot be made");
    }
    pi_os_fork_detect_set(&c->guard);
    pi_cq_init(&c->cq);
    c->cq.pollable = &c->pollable;
    c->cq.drop = drop_locked;
    c->cq.outlives_destroy = true;
    *queue = c;
    return POSSE_OK;
}

static bool is_lost(const posse_completion_queue *c)
{
    /* relaxed: no more than a reason */
    return atomic_load_explicit(&c->pollable.lost, memory_order_relaxed);
}

int posse_completion_queue_fd(const posse_completion_queue *c)
{
    bool ours = c && !is_lost(c) && pi_os_fd_is_ours(&c->pollable.reader);
    return ours ? c->pollable.reader.number : -1;
}

static struct entry *make_entry(posse_completion_queue *c, posse_future future, void *context)
{
    struct entry *entry = malloc(sizeof *entry);
    if (!entry)
        return NULL;
    *entry = (struct entry){.sub = {.future = future, .cq = &c->cq}, .context = context};
    pthread_mutex_lock(&c->cq.lock);
    entry->after = c->entries;
    if (c->entries)
        c->entries->before = entry;
    c->entries = entry;
    pthread_mutex_unlock(&c->cq.lock);
    return entry;
}

static posse_status add(posse_completion_queue *c, posse_future future, void *context, bool hears)
{
    struct pi_seen seen;
    posse_status status =
        c ? pi_future_look(future, &seen) : pi_refuse(POSSE_INVALID, "queue is NULL");
    if (status == POSSE_OK && !pi_os_fork_detect_holds(&c->guard))
        status = pi_elsewhere();
    if (status == POSSE_OK && future.executor->owner != PI_OWNER_PROGRAM)
        status = pi_refuse(POSSE_NOT_SUPPORTED, "a worker process has no descriptor of its own");
    if (status == POSSE_OK && is_lost(c))
        status = pi_refuse_errno(EBADF, "the program has closed the descriptor, or replaced it");
    if (status == POSSE_OK)
        status = pi_dispatch_open(future.executor);
    if (status == POSSE_OK)
        status = pi_dispatch_start_leader(future.executor);
    if (status != POSSE_OK)
        return status;
    struct entry *entry = make_entry(c, future, context);
    if (!entry)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    entry->sub.hears = hears;
    pi_dispatch_subscribe(&entry->sub);
    return POSSE_OK;
}

posse_status posse_completion_queue_add(posse_completion_queue *c, posse_future future,
                                        void *context)
{
    return add(c, future, context, false);
}

posse_status posse_completion_queue_listen(posse_completion_queue *c, posse_future future,
                                           void *context)
{
    return add(c, future, context, true);
}

size_t posse_completion_queue_take(posse_completion_queue *c, posse_completion *taken,
                                   size_t capacity)
{
    size_t n = 0;
    struct pi_subscription *sub;
    if (!c || !taken || !pi_os_fork_detect_holds(&c->guard))
        return 0;
    while (n < capacity && (sub = pi_cq_try_next(&c->cq)) != NULL) {
        struct entry *entry = PI_CONTAINER_OF(sub, struct entry, sub);
        taken[n++] = (posse_completion){sub->future, entry->context};
        pthread_mutex_lock(&c->cq.lock);
        free_entry_locked(c, entry);
        pthread_mutex_unlock(&c->cq.lock);
    }
    return n;
}

/* Unlinks and frees all entries. */
static void drop_all(struct posse_completion_queue *c)
{
    pthread_mutex_lock(&c->cq.lock);
    while (c->entries) {
        struct entry *first = c->entries;
        if (pi_dispatch_try_unlink_locked(&first->sub)) {
            /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it is not the first after this */
            free_entry_locked(c, first);
            continue;
        }
        pthread_mutex_unlock(&c->cq.lock); /* for the thread that delivers */
        pi_os_yield();
        pthread_mutex_lock(&c->cq.lock);
    }
    pthread_mutex_unlock(&c->cq.lock);
}

void posse_completion_queue_destroy(posse_completion_queue *c)
{
    if (!c)
        return;
    /* In a forked child the lock may stay held for ever. */
    if (pi_os_fork_detect_holds(&c->guard)) {
        drop_all(c);
        pi_cq_fini(&c->cq);
    }
    pi_os_pollable_fini(&c->pollable);
    free(c);
}
