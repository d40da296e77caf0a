/* feed.h - what a task tells of itself while it runs: its progress, and messages.
 *
 * Runs in: program, worker. The feed is a block that lasts as long as this life of its slot. The
 * task's first call makes it, so other tasks pay nothing for it:
 *
 *   slot > details (details.h) > feed > messages
 *
 * Each is a block of its own, whose reference stands in the one before. A task without details gets
 * them here. w is the task's worker:
 *
 *   step                                            by  a death of w right after it
 *   1  takes the block, HELD(w), and clears it      w   HELD(w): freed
 *   2  names it: its reference, with PI_HIDDEN      w   the same; the supervisor, w reaped, clears
 *                                                       the reference
 *   3  HELD(w) -> ATTACHED(slot, generation)        w   the supervisor, w reaped, frees the block
 *   4  shows it: without PI_HIDDEN (release); of    w   it stays, and the next attempt goes on
 *      details then also PI_DETAILED in arg_size        with it; details alone are as in step 3
 *
 * Whoever frees the slot frees the blocks, the innermost first: if it dies, the supervisor finds
 * those that are left.
 *
 * Progress. `turn` names one of two pairs, in turn. The task's thread alone writes:
 *
 *   step                                             a death right after it
 *   same total: `done` of this turn (release)        the new pair counts
 *   new total: both words of the other pair          the pair before counts
 *   ... then the next `turn` (release)               the new pair counts
 *
 * The first pair that is not 0 of 0 wakes readers, as a message does in step 3 below.
 *
 * order: each word of a pair is a release, after the `turn` before it. So a reader that finds the
 * same `turn` before and after it has read a pair has words that belong together.
 *
 * Messages. A ring of words of 64 bits. A message is its size in bytes, then its bytes in whole
 * words. The task's thread puts, any thread that holds the handle takes:
 *
 *   step                                             by      a death right after it
 *   1  the words of the message, beyond `tail`       task    no message
 *   2  `tail` goes on (seq): it is in                task    a whole message; recovery wakes all
 *   3  if `awaited`: clears it, wakes the readers    task    the same
 *   4  sets `awaited` (seq), looks for a message,    reader  one wake too many
 *      sleeps
 *   5  copies the words from `head` on               reader  the message stays
 *   6  `head` goes on, by CAS (seq): it is out       reader  the message is lost with the reader
 *   7  if `writer` names a parker: clears it, posts  reader  recovery wakes all
 *   8  sets `writer` (seq), tries 1 again, sleeps    task    one wake too many
 *   9  sets `closed` (seq), then 7; the task looks   reader  the task waits for its reader
 *      at it in 8
 *
 * order: seq: 2 precedes the look at `awaited`, 4 precedes the look at `tail`; 6 and 9 precede the
 * look at `writer`, 8 precedes the looks at `head` and `closed`. The words are relaxed: `tail`
 * publishes them, and `head` gives them back. A late reader may copy words of another message, or
 * of another block: then its CAS fails, as `head` has moved on or carries the stamp of another
 * life.
 *
 * The model of sleeping and waking is tests/model/feed.pml.
 */
#pragma once

#include "core/waiters.h"

#include <stdbool.h>

#define PI_HIDDEN ((uint64_t)1 << 63) /* in a reference: readers pass it over */

/* References are as in slot.h. */
struct pi_feed {
    _Atomic uint64_t turn;
    struct pi_pair {
        _Atomic uint64_t done, total;
    } pair[2];
    _Atomic uint64_t messages; /* the block of the ring; 0: none */
    _Atomic uint64_t head;     /* words ever taken, and the stamp (waiters.h) */
    _Atomic uint64_t tail;     /* words ever put */
    _Atomic uint64_t writer;   /* 1 + the parker on which the task waits for room, and the stamp */
    _Atomic uint32_t awaited;  /* 1: a reader may sleep */
    _Atomic uint32_t closed;   /* 1: nobody reads messages any more */
};
_Static_assert(sizeof(struct pi_feed) <= 128, "it is a block of the smallest class");

/* The ring of a feed's messages, as a process sees it. */
struct pi_messages {
    struct pi_feed *feed;
    _Atomic uint64_t *words;
    uint64_t capacity; /* in words */
};

/* A message at the head. */
struct pi_message {
    uint64_t head; /* exact */
    size_t size;   /* in bytes */
};

enum pi_peek { PI_PEEK_FOUND, PI_PEEK_EMPTY, PI_PEEK_BROKEN };

/* Before anyone else can see it. The stamp tells this life from others. */
void pi_feed_init(struct pi_feed *feed, uint32_t stamp);

void pi_feed_set(struct pi_feed *feed, uint64_t done, uint64_t total);
/* False: a task has overwritten it, or changes its total without a pause. */
bool pi_feed_get(struct pi_feed *feed, uint64_t *done, uint64_t *total);
/* Whether the task has told nothing but 0 of 0 yet. */
bool pi_feed_is_silent(struct pi_feed *feed);

/* Bytes of a ring that holds one message of `size` bytes. */
static inline uint64_t pi_message_room(uint64_t size)
{
    return (1 + size / 8 + (size % 8 != 0)) * sizeof(uint64_t);
}
/* False: there is no room now. */
bool pi_messages_put(const struct pi_messages *ring, const void *data, size_t size);
/* Bytes that hold messages which nobody has taken. For the task's thread. */
uint64_t pi_messages_used(const struct pi_messages *ring);
/* Looks at the first message. Another reader may take it meanwhile. */
enum pi_peek pi_messages_peek(const struct pi_messages *ring, struct pi_message *message);
void pi_messages_copy(const struct pi_messages *ring, const struct pi_message *message, void *to);
/* False: another reader has taken it, or the ring is another's. Then the copy is worthless. */
bool pi_messages_take(const struct pi_messages *ring, const struct pi_message *message);
/* The task waits for room, on that parker. */
void pi_messages_await_room(const struct pi_messages *ring, uint32_t parker);
/* Nobody takes messages any more: the parker to post; PI_NO_INDEX: none. */
uint32_t pi_messages_close(const struct pi_messages *ring);
bool pi_messages_are_closed(const struct pi_messages *ring);
/* After a message was taken: the parker to post; PI_NO_INDEX: none. */
uint32_t pi_messages_claim_writer(const struct pi_messages *ring, const struct pi_message *message);
