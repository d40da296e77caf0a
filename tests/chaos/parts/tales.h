/* tales.h - see tales.c. */
#ifndef TALES_H
#define TALES_H

#include "chaos.h"

/* In a task of a PLAIN order. False: a message could not be sent. */
bool tell_messages(posse_task *task, const struct order *order);
/* Takes all messages of a task that has ended. NULL, or what is wrong. */
const char *judge_messages(const struct bid *bid, const posse_error *error);

/* Some batches have a group. It is closed when the batch has ended, and not yet released. */
void open_group(struct driver *driver);
void close_group(struct driver *driver);

void play_broadcast(struct driver *driver);

/* Of some pools. */
void begin_trace(struct chaos *chaos);
void end_trace(struct chaos *chaos);

#endif
