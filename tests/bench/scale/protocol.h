/* protocol.h - what posse's processes do to its cache lines, one row an access. See protocol.c. */
#ifndef SCALE_PROTOCOL_H
#define SCALE_PROTOCOL_H

#include "line.h"

enum { STASH_OF_POSSE = 2 };

/* Ways in which the protocol may differ from posse's.
 *   protocol_today     posse_submit
 *   protocol_batches   posse_submit_many, 64 tasks a batch
 *   protocol_one_ring  posse_submit with one ring, as with fewer than eight workers */
struct protocol {
    unsigned take;   /* entries that a worker takes with one move of the head, at most */
    unsigned rings;  /* queues; 0: as many as posse has for that many workers */
    unsigned many;   /* tasks of one posse_submit_many */
    unsigned spin;   /* workers that may spin at the same time */
    unsigned wakes;  /* sleepers that a woken worker wakes, and that a submit may wake */
    unsigned direct; /* 1: a task goes into the line of a worker that spins */
    unsigned home;   /* 1: a submitter has a ring of its own; 0: it takes them by turns */
    unsigned pause;  /* ns before a worker tries again that was not the first; doubles each time */
    unsigned stash;  /* 1: each thread of the program keeps free slots, without the map; 0: none
                      * does; STASH_OF_POSSE: as in posse with that many workers */
};
extern const struct protocol protocol_today, protocol_batches, protocol_one_ring;

struct load {
    unsigned workers;
    unsigned submitters; /* threads of the program, each with its share of the tasks */
    unsigned tasks;      /* of a batch: all submitted, then all results read */
    double task_ns;
    unsigned one_cache; /* 1: all run on one processor's cache. For the test of the model */
};

struct figures {
    double ns;         /* a task, from the first submit to the last release */
    double transfers;  /* of lines, a task */
    double worker_ns;  /* of one worker, a task, without the task itself and without idling */
    double program_ns; /* of one submitter, a task, without waiting for the end */
};

/* Runs two batches, and measures the second. */
struct figures protocol_run(const struct costs *costs, const struct protocol *protocol,
                            const struct load *load);
/* Prints the accesses. */
void protocol_print(void);

#endif
