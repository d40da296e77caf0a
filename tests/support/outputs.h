/* outputs.h - every call that writes something to where it is told, in every scene in which it can
 * fail (outputs.c). */
#ifndef OUTPUTS_H
#define OUTPUTS_H

#include "support.h"

enum scene {
    EMPTY,  /* handles that are all zero */
    STALE,  /* handles that were given back */
    CHILD,  /* in a forked child */
    SHUT,   /* after shutdown */
    BROKEN, /* the executor is broken */
    LATE,   /* nothing ends, and there is no time */
    LARGE,  /* too much for the room that there is, or for any */
    ENDED,  /* the executor is destroyed while the call waits */
    SCENES
};

/* What the calls are given. */
struct given {
    enum scene scene;
    posse_executor *pool;
    posse_future future;
    posse_queue queue;
    posse_completion_iter *completed;
    long timeout_ms;
};

/* What a call gives in each scene; POSSE_OK: it is not made there, as it would succeed. */
struct output {
    const char *name;
    posse_status (*call)(const struct given *);
    posse_status expected[SCENES];
};
extern const struct output output_calls[];
extern const size_t output_calls_count;
/* Calls that write nothing, or tell by what they return what they have written; NULL ends them. */
extern const char *const calls_without_outputs[];

/* Makes the call with poison where it writes. True: it gave what it should, left nothing undefined,
 * and posse_last_error has words for it if it must. Else it prints what is wrong. */
bool output_is_defined(const struct output *call, const struct given *given);

#endif
