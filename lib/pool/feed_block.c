/* Runs in: program, worker, supervisor.
 *
 * The blocks of what a task tells: made in its worker, found by readers, freed with the slot. The
 * table of their steps is in core/feed.h.
 */
#include "pool/feed_block.h"
#include "pool/block.h"
#include "pool/self.h"
#include "pool/wake.h"

#include <errno.h>
#include <string.h>

/* ---- in the worker ---- */

/* Steps 1 and 2. NULL: there is no memory. */
static void *take(const struct posse_task *task, size_t size, _Atomic pi_block_ref *where,
                  posse_status *status)
{
    struct pi_bytes block;
    *status = pi_block_acquire(task->executor, task->worker, size, &block);
    if (*status != POSSE_OK)
        return NULL;
    pi_store_relaxed(where, block.ref | PI_HIDDEN); /* relaxed: for the supervisor, w reaped */
    return block.bytes;
}

/* Steps 3 and 4. */
static void show(const struct posse_task *task, _Atomic pi_block_ref *where)
{
    pi_block_ref ref = pi_load_relaxed(where) & ~PI_HIDDEN; /* relaxed: as take has left it */
    pi_block_attach(task->executor, ref, task->index, pi_generation(task->word));
    pi_store_release(where, ref); /* with bytes_of */
}

static struct pi_details *take_details(const struct posse_task *task, posse_status *status)
{
    struct pi_slot *slot = task->slot;
    struct pi_details *details = take(task, sizeof *details, &slot->details, status);
    if (!details)
        return NULL;
    memset(details, 0, sizeof *details);
    show(task, &slot->details);
    uint64_t size = pi_load_relaxed(&slot->arg_size); /* relaxed: this worker alone writes it */
    pi_store_release(&slot->arg_size, size | PI_DETAILED); /* with pi_slot_details_ref */
    return details;
}

/* Tells this life of the slot from others, in blocks that may be freed. */
static uint32_t stamp_of(const struct posse_task *task)
{
    return (pi_generation(task->word) * 0x9e3779b1u + task->index) & PI_SERIAL_MASK;
}

static struct pi_feed *take_feed(const struct posse_task *task, posse_status *status)
{
    struct pi_details *details = pi_slot_details(task->executor, task->slot);
    if (!details && (details = take_details(task, status)) == NULL)
        return NULL;
    struct pi_feed *feed = take(task, sizeof *feed, &details->feed, status);
    if (!feed)
        return NULL;
    pi_feed_init(feed, stamp_of(task));
    show(task, &details->feed);
    return feed;
}

struct pi_feed *pi_feed_open(struct posse_task *task, posse_status *status)
{
    *status = POSSE_OK;
    if (!task->feed)
        task->feed = pi_feed_find(task->executor, task->slot);
    if (!task->feed)
        task->feed = take_feed(task, status);
    return task->feed;
}

/* seq, both: with pi_feed_has_message, and the look at the numbers after it. The exchange comes
 * after the numbers, whose stores are less than seq; a message's `tail` needs none. */
static void tell_first(const struct posse_task *task, struct pi_feed *feed)
{
    if (pi_exchange_seq(&feed->awaited, 0)) /* as said */
        pi_wake_readers(task->executor, pi_load_seq(&task->slot->word));
}

void pi_feed_say(struct posse_task *task, uint64_t done, uint64_t total)
{
    posse_status status;
    int error = errno;
    struct pi_feed *feed = pi_feed_open(task, &status);
    errno = error;
    if (!feed)
        return;
    bool first = pi_feed_is_silent(feed);
    pi_feed_set(feed, done, total);
    if (first && (done || total))
        tell_first(task, feed);
}

posse_status pi_messages_open(struct posse_task *task, struct pi_messages *ring)
{
    posse_executor *e = task->executor;
    posse_status status;
    struct pi_feed *feed = pi_feed_open(task, &status);
    if (!feed || pi_messages_find(e, task->slot, ring))
        return status;
    *ring = (struct pi_messages){.feed = feed,
                                 .words = take(task, e->ring_bytes, &feed->messages, &status),
                                 .capacity = e->ring_bytes / sizeof(uint64_t)};
    if (ring->words)
        show(task, &feed->messages);
    return status;
}

/* ---- for readers ---- */

/* The bytes of a block that is shown, or NULL. */
static void *bytes_of(posse_executor *e, _Atomic pi_block_ref *where, size_t size)
{
    pi_block_ref ref = pi_load_acquire(where); /* with show */
    return ref && !(ref & PI_HIDDEN) ? pi_block_bytes(e, ref, size) : NULL;
}

struct pi_feed *pi_feed_find(posse_executor *e, struct pi_slot *slot)
{
    struct pi_details *details = pi_slot_details(e, slot);
    return details ? bytes_of(e, &details->feed, sizeof(struct pi_feed)) : NULL;
}

bool pi_messages_find(posse_executor *e, struct pi_slot *slot, struct pi_messages *ring)
{
    struct pi_feed *feed = pi_feed_find(e, slot);
    *ring = (struct pi_messages){.feed = feed};
    if (feed)
        ring->words = bytes_of(e, &feed->messages, e->ring_bytes);
    ring->capacity = e->ring_bytes / sizeof(uint64_t);
    return ring->words != NULL;
}

bool pi_feed_has_message(posse_executor *e, struct pi_slot *slot)
{
    struct pi_messages ring;
    struct pi_message message;
    struct pi_feed *feed = pi_feed_find(e, slot);
    if (feed && !pi_load_seq(&feed->awaited)) /* as said in feed.h */
        pi_store_seq(&feed->awaited, 1);      /* as said */
    return feed && pi_messages_find(e, slot, &ring) &&
           pi_messages_peek(&ring, &message) != PI_PEEK_EMPTY;
}

/* ---- their end ---- */

/* order: relaxed, all: published with the state. */
void pi_feed_blocks(posse_executor *e, struct pi_slot *slot, pi_block_ref blocks[3])
{
    struct pi_details *details = pi_slot_details(e, slot);
    struct pi_feed *feed = pi_feed_find(e, slot);
    blocks[2] = pi_slot_details_ref(slot);
    blocks[1] = details ? pi_load_relaxed(&details->feed) : 0; /* as said */
    blocks[0] = feed ? pi_load_relaxed(&feed->messages) : 0;   /* as said */
}

/* Frees a block that was not shown. If the worker has not attached it, it is free already. */
static void drop_hidden(posse_executor *e, _Atomic pi_block_ref *where, uint64_t tag)
{
    pi_block_ref ref = pi_load_relaxed(where); /* relaxed: the worker was reaped */
    if (!(ref & PI_HIDDEN))
        return;
    (void)pi_block_release(e, PI_OWNER_NONE, ref & ~PI_HIDDEN, tag);
    pi_store_relaxed(where, 0); /* relaxed: published with the state */
}

void pi_feed_recover(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    uint64_t tag = pi_tag_attached(index, pi_generation(word));
    struct pi_details *details = pi_slot_details(e, slot);
    struct pi_feed *feed = pi_feed_find(e, slot);
    pi_block_ref ref = pi_load_relaxed(&slot->details) & ~PI_HIDDEN; /* relaxed: w was reaped */
    /* Without PI_DETAILED it may be of an earlier life, and the argument's block by now. */
    if (!pi_slot_details_ref(slot) && ref != pi_slot_arg(e, slot).ref)
        (void)pi_block_release(e, PI_OWNER_NONE, ref, tag);
    if (details)
        drop_hidden(e, &details->feed, tag);
    if (feed)
        drop_hidden(e, &feed->messages, tag);
}
