/* feed_block.h - the blocks of what a task tells: see core/feed.h. */
#pragma once

#include "core/feed.h"
#include "pool/pool.h"

struct posse_task;

/* Of a running task, in its worker; made if there is none. NULL: there is no memory, *status tells
 * why. */
struct pi_feed *pi_feed_open(struct posse_task *task, posse_status *status);
/* Says how far the task is. What comes first after 0 of 0 wakes a reader that waits for it
 * (posse_completion_queue_listen). errno stays: ENOMEM would count as the task's
 * (posse_job.max_memory). */
void pi_feed_say(struct posse_task *task, uint64_t done, uint64_t total);
/* As pi_feed_open, of its ring of messages. */
posse_status pi_messages_open(struct posse_task *task, struct pi_messages *ring);

/* Of any task, as far as it has told something. The caller has opened the blocks (pi_see_blocks),
 * and confirms the handle after it. NULL, false: nothing. */
struct pi_feed *pi_feed_find(posse_executor *executor, struct pi_slot *slot);
bool pi_messages_find(posse_executor *executor, struct pi_slot *slot, struct pi_messages *ring);
/* For a reader that is about to sleep: the next message will wake it. Where there is no feed yet,
 * its first one does. order: seq: `awaited` precedes the look, see core/feed.h. */
bool pi_feed_has_message(posse_executor *executor, struct pi_slot *slot);

/* The blocks of a slot with details, for whoever frees it: messages, feed, details; 0 for those
 * that are not. */
void pi_feed_blocks(posse_executor *executor, struct pi_slot *slot, pi_block_ref blocks[3]);
/* Supervisor, when the task's worker was reaped, after its blocks were freed: drops those that it
 * has named and not yet shown. */
void pi_feed_recover(posse_executor *executor, uint32_t index, uint64_t word);
