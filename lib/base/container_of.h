/* container_of.h - the struct that a member lies in.
 *
 * Runs in: program, worker, supervisor.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* `type` may be const. The caller knows that the pointer is to the member of such a struct. */
#define PI_CONTAINER_OF(pointer, type, member)                                                     \
    ((type *)((uintptr_t)(pointer)-offsetof(type, member)))
