/* line.h - cache lines that move between processors, as MESI moves them.
 *
 * A line is held by one processor that may write it, or by many that may read it, or by none. An
 * access costs what it takes to get the line into that state, in nanoseconds:
 *
 *   access    the processor has it     else                     the processor waits
 *   READ      hit                      transfer, or shared      until the line has come
 *   WRITE     hit                      the same, and each       no: a store goes to the buffer
 *   LOCKED    hit + locked             other holder gives it    until all its stores are done, and
 *                                      up: invalidate each      the line has come
 *   FETCH     nothing                  as WRITE                 no: a prefetch
 *   FETCH_    nothing                  as READ                  no: the hardware's prefetch
 *   SHARED
 *
 * A line that is on its way serves the next request afterwards. That queue is what contention
 * costs. A processor does other instructions meanwhile: `overlap` nanoseconds of each wait cost
 * nothing. Processors are in clusters of `cluster` that have a cache in common: from another
 * cluster a line takes `far`. 0: there is one cluster. */
#ifndef SCALE_LINE_H
#define SCALE_LINE_H

#include <stdint.h>

enum { MAX_PROCESSORS = 192 };
enum access { NONE, READ, WRITE, LOCKED, FETCH, FETCH_SHARED };

struct costs {
    double hit;        /* a line that the processor has */
    double locked;     /* more, for an atomic read-modify-write */
    double transfer;   /* from the processor that wrote it last */
    double far;        /* the same, from another cluster */
    double shared;     /* a line that many read, from the common cache */
    double occupied;   /* by each of these reads: how long the next one waits */
    double invalidate; /* for each further holder that gives it up */
    double overlap;    /* of a wait, hidden behind other instructions */
    double post;       /* to wake a sleeper: the system call */
    double wake;       /* from the post until the sleeper runs */
    unsigned cluster;
};

struct line {
    uint64_t holders[MAX_PROCESSORS / 64];
    int owner; /* 1 + the processor that wrote it last and has it alone; 0: none has */
    double free_at;
};

struct processor {
    double stored_at; /* when all its stores are done */
    uint64_t transfers;
};

struct machine {
    struct costs costs;
    struct processor processors[MAX_PROCESSORS];
};

/* Makes the access at `now`. Returns when the processor goes on. */
double line_access(struct machine *machine, struct line *line, unsigned processor,
                   enum access access, double now);

#endif
