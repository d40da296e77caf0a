/* proxy_heard.h - what a proxy hears of its task before RESULT: messages and progress.
 *
 * Runs in: worker.
 */
#pragma once

#include "remote/proxy.h"

/* A task begins. How many bytes of messages of its earlier runs nobody has read. */
uint64_t pi_heard_begin(posse_run *run);
/* The head of MESSAGE or PROGRESS is there: takes all of it. False: the connection has ended, or
 * brings what it may not. */
bool pi_heard_take(const struct pi_remote *remote);
/* Tells the agent that messages were read, if it is time. False: the connection has ended. */
bool pi_heard_tell_taken(const struct pi_remote *remote);
/* Whether the agent has told any progress of this run. */
bool pi_heard_has_progress(void);
/* Waits until bytes have come. False: it is time to look whether messages were read. */
bool pi_heard_await(void);
/* The task has ended. A message that it has sent and that is not there fails it. */
void pi_heard_end(posse_run *run);

/* ---- bytes ---- */

bool pi_proxy_send_small(const struct pi_envelope *envelope);
/* Reads what has come, or waits a little. False: the connection has ended. */
bool pi_proxy_read_some(void *to, size_t size, size_t *got);
/* Takes the rest of the tail: `size` bytes to `to`, what follows nowhere. */
bool pi_proxy_take_tail(char *to, size_t size);

/* Memory for what comes. It grows with what has come, never with what was claimed. */
struct pi_growing {
    char *bytes;
    size_t room, size; /* `size`: that have come */
};
/* Takes `size` bytes of the tail; if there is no memory, nothing more is kept, and `bytes` is NULL.
 * False: the connection has ended. */
bool pi_proxy_take_growing(struct pi_growing *to, size_t size);
void pi_growing_fini(struct pi_growing *growing);
