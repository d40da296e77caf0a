/* hostile.h - what tests with hostile tasks share. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "support.h"

#include <string.h>

/* Begins the definition of a task that may leave its parameters unused. */
#define HOSTILE(name)                                                                              \
    static int name(posse_task *task __attribute__((unused)),                                      \
                    const void *arg __attribute__((unused)), size_t size __attribute__((unused)))

/* The argument of a task that gets a gate, as hold_task does. */
static inline struct gate *gate_of(const void *arg)
{
    struct gate *gate;
    memcpy(&gate, arg, sizeof gate);
    return gate;
}

#endif
