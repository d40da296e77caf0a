#include "core/feed.h"

#include "base/tuning.h"

#include <string.h>

#define POSITION_MASK (((uint64_t)1 << PI_STAMP_SHIFT) - 1)

void pi_feed_init(struct pi_feed *feed, uint32_t stamp)
{
    memset(feed, 0, sizeof *feed);
    atomic_init(&feed->head, pi_stamp(stamp));
    atomic_init(&feed->writer, pi_stamp(stamp));
    atomic_init(&feed->awaited, 1); /* a reader may have come before there was a feed */
}

/* ---- progress ---- */

void pi_feed_set(struct pi_feed *feed, uint64_t done, uint64_t total)
{
    uint64_t turn = pi_load_relaxed(&feed->turn); /* relaxed, both: the task alone writes them */
    struct pi_pair *pair = &feed->pair[turn % 2];
    if (pi_load_relaxed(&pair->total) == total) { /* as said */
        pi_store_release(&pair->done, done);      /* after the turn, as below */
        return;
    }
    pair = &feed->pair[(turn + 1) % 2];
    pi_store_release(&pair->done, done);     /* release, both: after the turn before; with the */
    pi_store_release(&pair->total, total);   /* second look of pi_feed_get */
    pi_store_release(&feed->turn, turn + 1); /* with its first look */
}

bool pi_feed_get(struct pi_feed *feed, uint64_t *done, uint64_t *total)
{
    for (int i = 0; i < PI_MAX_FEED_READS; i++) {
        uint64_t turn = pi_load_seq(&feed->turn); /* with pi_feed_set, and tell_first */
        struct pi_pair *pair = &feed->pair[turn % 2];
        *done = pi_load_relaxed(&pair->done);   /* relaxed, both: the second look at the turn */
        *total = pi_load_relaxed(&pair->total); /* comes after them */
        if (pi_load_again(&feed->turn) == turn)
            return true;
    }
    return false;
}

bool pi_feed_is_silent(struct pi_feed *feed)
{
    uint64_t done, total;
    return pi_feed_get(feed, &done, &total) && !done && !total;
}

/* ---- messages ---- */

/* Words in the ring, if `head` is exact. */
static uint64_t in_use(uint64_t head, uint64_t tail) { return (tail - head) & POSITION_MASK; }

static _Atomic uint64_t *word_at(const struct pi_messages *ring, uint64_t position)
{
    return &ring->words[(position & POSITION_MASK) % ring->capacity];
}

static void copy_in(const struct pi_messages *ring, uint64_t at, const void *data, size_t size)
{
    const char *from = data;
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, from + i, size - i < sizeof word ? size - i : sizeof word);
        pi_store_relaxed(word_at(ring, at++), word); /* relaxed: published with the tail */
    }
}

bool pi_messages_put(const struct pi_messages *ring, const void *data, size_t size)
{
    struct pi_feed *feed = ring->feed;
    uint64_t tail = pi_load_relaxed(&feed->tail); /* relaxed: the task alone writes it */
    uint64_t head = pi_load_seq(&feed->head);     /* with pi_messages_take */
    uint64_t words = pi_message_room(size) / sizeof(uint64_t), used = in_use(head, tail);
    if (used > ring->capacity || words > ring->capacity - used)
        return false;
    pi_store_relaxed(word_at(ring, tail), size); /* relaxed: published with the tail */
    copy_in(ring, tail + 1, data, size);
    pi_store_seq(&feed->tail, (tail + words) & POSITION_MASK); /* with pi_messages_peek */
    return true;
}

uint64_t pi_messages_used(const struct pi_messages *ring)
{
    uint64_t tail = pi_load_relaxed(&ring->feed->tail); /* relaxed: the task alone writes it */
    uint64_t used = in_use(pi_load_acquire(&ring->feed->head), tail); /* with pi_messages_take */
    return (used < ring->capacity ? used : ring->capacity) * sizeof(uint64_t);
}

/* Whether what was read of the ring is of no use, as another reader has taken the message. */
static bool is_taken(const struct pi_messages *ring, uint64_t head)
{
    return pi_load_again(&ring->feed->head) != head; /* with pi_messages_take */
}

enum pi_peek pi_messages_peek(const struct pi_messages *ring, struct pi_message *message)
{
    struct pi_feed *feed = ring->feed;
    for (int i = 0; i < PI_MAX_FEED_READS; i++) {
        uint64_t head = pi_load_acquire(&feed->head);           /* with pi_messages_take */
        uint64_t used = in_use(head, pi_load_seq(&feed->tail)); /* with pi_messages_put */
        uint64_t size = pi_load_relaxed(word_at(ring, head));   /* relaxed: the tail is seen */
        if (is_taken(ring, head))
            continue;
        *message = (struct pi_message){head, (size_t)size};
        if (used == 0)
            return PI_PEEK_EMPTY;
        bool fits = used <= ring->capacity && size / sizeof(uint64_t) < used &&
                    pi_message_room(size) / sizeof(uint64_t) <= used;
        return fits ? PI_PEEK_FOUND : PI_PEEK_BROKEN;
    }
    return PI_PEEK_BROKEN;
}

void pi_messages_copy(const struct pi_messages *ring, const struct pi_message *message, void *to)
{
    char *into = to;
    uint64_t at = message->head + 1;
    for (size_t i = 0, size = message->size; i < size; i += sizeof(uint64_t)) {
        uint64_t word = pi_load_relaxed(word_at(ring, at++)); /* relaxed: the CAS checks it */
        memcpy(into + i, &word, size - i < sizeof word ? size - i : sizeof word);
    }
}

bool pi_messages_take(const struct pi_messages *ring, const struct pi_message *message)
{
    uint64_t head = message->head, words = pi_message_room(message->size) / sizeof(uint64_t);
    uint64_t next = (head & PI_STAMP_MASK) | ((head + words) & POSITION_MASK);
    return pi_cas_seq(&ring->feed->head, &head, next); /* with pi_messages_put */
}

void pi_messages_await_room(const struct pi_messages *ring, uint32_t parker)
{
    struct pi_feed *feed = ring->feed;
    uint64_t stamp = pi_load_relaxed(&feed->writer) & PI_STAMP_MASK; /* relaxed: it is constant */
    pi_store_seq(&feed->writer, stamp | (parker + 1)); /* with pi_messages_claim_writer */
}

/* The parker that `writer` names, with that stamp. */
static uint32_t claim_writer(const struct pi_messages *ring, uint64_t stamp)
{
    uint64_t writer = pi_load_seq(&ring->feed->writer); /* with pi_messages_await_room */
    bool waits = (writer & PI_STAMP_MASK) == stamp && writer != stamp;
    if (!waits || !pi_cas_seq(&ring->feed->writer, &writer, stamp)) /* the same */
        return PI_NO_INDEX;
    return (uint32_t)(writer & ~PI_STAMP_MASK) - 1;
}

/* The block may be another's by now: then the stamp is, too. */
uint32_t pi_messages_claim_writer(const struct pi_messages *ring, const struct pi_message *message)
{
    return claim_writer(ring, message->head & PI_STAMP_MASK);
}

/* The caller holds the handle, so the block is this task's. */
uint32_t pi_messages_close(const struct pi_messages *ring)
{
    pi_store_seq(&ring->feed->closed, 1); /* with pi_messages_are_closed */
    /* relaxed: the stamp is constant */
    return claim_writer(ring, pi_load_relaxed(&ring->feed->head) & PI_STAMP_MASK);
}

bool pi_messages_are_closed(const struct pi_messages *ring)
{
    return pi_load_seq(&ring->feed->closed); /* with pi_messages_close */
}
