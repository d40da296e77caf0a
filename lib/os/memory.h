/* memory.h - the memory that processes share: one large sparse mapping, backed piece by piece.
 *
 * What is backed never faults: too little room in /dev/shm, a resource limit, or a full machine is
 * an errno here, not a SIGBUS later. The memory has no name once it is made, and the kernel frees
 * it with its last process.
 */
#ifndef PI_OS_MEMORY_H
#define PI_OS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct pi_os_memory {
    char *base;
    size_t size;
    int fd; /* of the shared memory object; -1: anonymous */
    bool shared;
    dev_t device; /* what fd must be: a task may have closed it and opened something else */
    ino_t inode;
};

/* Maps size bytes, all zero, none backed. 0 or an errno. With `shared` forked children share it: an
 * object of shm_open, unlinked at once, or anonymous memory where that is not to be had. */
int pi_os_memory_create(struct pi_os_memory *memory, size_t size, bool shared);
void pi_os_memory_destroy(struct pi_os_memory *memory);

/* Backs a range; may be called again for the same one. 0 or an errno: ENOSPC, ENOMEM, EFBIG.
 * Safe from any thread. */
int pi_os_memory_back(struct pi_os_memory *memory, size_t offset, size_t length);

/* Gives whole pages of a range back to the system; they must be backed again. */
void pi_os_memory_discard(struct pi_os_memory *memory, size_t offset, size_t length);

/* Gives all of it back, also where other processes still map it: children that were forked
 * meanwhile. */
void pi_os_memory_clear(struct pi_os_memory *memory);

#endif
