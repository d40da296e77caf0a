/* memory.h - the memory that processes share: one large sparse mapping, backed piece by piece.
 *
 * What is backed never faults: too little room in /dev/shm, a resource limit, or a full machine is
 * an errno here, not a SIGBUS later. The memory has no name once it is made, and the kernel frees
 * it with its last process.
 */
#ifndef PI_OS_MEMORY_H
#define PI_OS_MEMORY_H

#include "os/file.h"

#include <stdbool.h>
#include <stddef.h>

struct pi_os_memory {
    char *base;
    size_t size;
    struct pi_os_fd fd; /* of the shared memory object; -1: anonymous */
    bool shared;
};

/* Maps size bytes, all zero, none backed. 0 or an errno. With `shared` forked children share it: an
 * object of shm_open, unlinked at once, or anonymous memory where that is not to be had. A name
 * stays only if the system first says that it can remove names and then does not: an errno. */
int pi_os_memory_create(struct pi_os_memory *memory, size_t size, bool shared);
void pi_os_memory_destroy(struct pi_os_memory *memory);

/* Backs a range; may be called again for the same one. 0 or an errno: ENOSPC, ENOMEM, EFBIG, or why
 * the system does not let us. Safe from any thread. */
int pi_os_memory_back(struct pi_os_memory *memory, size_t offset, size_t length);

/* Gives whole pages of a range back to the system; they must be backed again. Keeps errno. */
void pi_os_memory_discard(struct pi_os_memory *memory, size_t offset, size_t length);

/* Gives all of it back, also where other processes still map it: children that were forked
 * meanwhile. */
void pi_os_memory_clear(struct pi_os_memory *memory);

#endif
