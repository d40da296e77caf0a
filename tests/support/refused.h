/* refused.h - every call of posse.h, as a forked child makes it with what is its parent's
 * (refused.c). */
#ifndef REFUSED_H
#define REFUSED_H

#include "support.h"

/* One of each thing that calls are given. */
struct owned {
    posse_executor *pool;
    posse_future ended;   /* square_task of 7 */
    posse_future waiting; /* held at the gate, where tasks can wait */
    struct gate *gate;
    void *memory;
    posse_lock lock; /* held by the thread that made it */
    posse_queue queue;
    posse_completion_iter *completed;
    posse_completion_queue *completions;
    posse_map_iter *mapping; /* that has given one item */
    long numbers[8];
};

struct owned *make_owned(void);      /* asserts */
void end_owned(struct owned *owned); /* asserts that nobody has changed anything */

/* In a child, which owns nothing: 0 if all is refused at once, with POSSE_WRONG_PROCESS. */
int all_refused(void *owned);
/* In a child. The same with another status. */
int all_refused_as(posse_status status, struct owned *owned);

/* The names of all calls that all_refused makes, or that take nothing which could be another's;
 * ended by NULL. */
extern const char *const refused_calls[];
extern const char *const free_calls[];

#endif
