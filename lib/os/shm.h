/* shm.h - the memory that processes share: one large mapping, opened and backed piece by piece.
 *
 *   a range is   in this process                            for all processes
 *   reserved     address space alone: a touch is a SIGSEGV  a hole
 *   open         may be read and written                    a hole: a touch may be a SIGBUS
 *   backed       may be read and written once it is open    memory: no touch of it fails
 *
 * Address space alone costs nothing: no commit limit counts it, no core dump, leak checker or
 * mlockall walks it. Each process opens a range for itself, and may do so before or after anybody
 * backs it. Too little room in /dev/shm, a resource limit, or a full machine is an errno of
 * pi_os_shm_back, not a SIGBUS later. The memory has no name once it is made, and the kernel
 * frees it with its last process.
 */
#ifndef PI_OS_SHM_H
#define PI_OS_SHM_H

#include "os/fd.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

size_t pi_os_page_size(void);

/* Whole pages, as offsets. */
struct pi_os_pages {
    size_t first, end;
};

#define PI_OS_MAX_GAPS 16

struct pi_os_shm {
    char *base;
    size_t size;
    struct pi_os_fd fd; /* of the shared memory object; -1: anonymous */
    bool shared;
    /* Where this process has given up the address space. */
    pthread_mutex_t lock;
    unsigned gaps;
    struct pi_os_pages gap[PI_OS_MAX_GAPS];
};

/* Reserves size bytes. 0 or an errno; ENOMEM, EAGAIN: a smaller size may do. With `shared` forked
 * children share them: see object.h, and anonymous memory where there are no such objects. */
int pi_os_shm_create(struct pi_os_shm *memory, size_t size, bool shared);
void pi_os_shm_destroy(struct pi_os_shm *memory);

/* Opens the pages of a range for this process, and children that it forks later; `dump`: core dumps
 * hold them. May be called again for the same range. 0 or an errno. Safe from any thread. */
int pi_os_shm_open(struct pi_os_shm *memory, size_t offset, size_t length, bool dump);

/* Gives up address space of this process: the pages that lie wholly in a range which is reserved
 * and not open. That is for processes with a small RLIMIT_AS. pi_os_shm_open reserves them
 * again, from the front on: EEXIST if something else is there now, ENOMEM if the limit does not
 * allow it. Linux puts new mappings at the end of a gap. 0 or an errno; ENOTSUP: there is no file
 * that could be mapped again; EEXIST: a part is given up already; ENOMEM: there are
 * PI_OS_MAX_GAPS gaps. */
int pi_os_shm_give_up(struct pi_os_shm *memory, size_t offset, size_t length);

/* Backs a range that is open; may be called again for the same one. 0 or an errno: ENOSPC, ENOMEM,
 * EFBIG, or why the system does not let us. Safe from any thread. */
int pi_os_shm_back(struct pi_os_shm *memory, size_t offset, size_t length);

/* Gives whole pages of a range, open or not, back to the system. They are zero, and must be backed
 * again. Keeps errno. False: the system does not let us, and the bytes stay. */
bool pi_os_shm_discard(struct pi_os_shm *memory, size_t offset, size_t length);

/* Gives all shared memory back, also where other processes still map it: children that were forked
 * meanwhile. Nobody uses it any more. */
void pi_os_shm_clear(struct pi_os_shm *memory);

#endif
