/* shm.h - the memory that processes share: one large mapping, opened and backed piece by piece.
 *
 * Runs in: program, supervisor, worker.
 *
 *   a range is   in this process                            for all processes
 *   reserved     address space alone: a touch is a SIGSEGV  a hole
 *   open         may be read and written                    a hole: a touch may be a SIGBUS
 *   backed       may be read and written once it is open    memory: no touch of it fails
 *
 * Address space alone costs nothing: no commit limit counts it, and no core dump, leak checker or
 * mlockall walks it. Each process opens a range for itself, before or after any process backs it.
 * If memory is short (in /dev/shm, by a limit, in the machine), pi_os_shm_back returns an errno and
 * no later touch is a SIGBUS. The memory has no name once it is made. The kernel frees it with its
 * last process.
 */
#pragma once

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
    struct pi_os_fd fd;       /* of the shared memory object; -1: anonymous */
    struct pi_os_fd readable; /* the same, opened for reading; -1: it was not */
    bool shared;
    /* Where this process has given up the address space. */
    pthread_mutex_t lock;
    unsigned gaps;
    struct pi_os_pages gap[PI_OS_MAX_GAPS];
};

/* Reserves size bytes. 0 or an errno; ENOMEM, EAGAIN: a smaller size may do. With `shared` forked
 * children share them, in an object (shm_object.h), or anonymously where there are none. */
int pi_os_shm_create(struct pi_os_shm *memory, size_t size, bool shared);
/* Gives up all of it in this process. 0, or the errno with which a part could not be unmapped. */
int pi_os_shm_destroy(struct pi_os_shm *memory);
/* The same, but the descriptors stay open, and pi_os_shm_map can map parts again. */
int pi_os_shm_unmap(struct pi_os_shm *memory);

/* Opens the pages of a range for this process, and for children that it forks later. `dump`: core
 * dumps hold them. May be called again for the same range, and from any thread. 0 or an errno. */
int pi_os_shm_open(struct pi_os_shm *memory, size_t offset, size_t length, bool dump);

/* Gives up address space of this process, for a small RLIMIT_AS: the whole pages of a range that is
 * reserved and not open. pi_os_shm_open reserves them again, from the front on: EEXIST if something
 * else is there now (Linux puts new mappings at the end of a gap), ENOMEM if the limit refuses.
 * 0 or an errno; ENOTSUP: there is no file that could be mapped again; EEXIST: a part is given up
 * already; ENOMEM: there are PI_OS_MAX_GAPS gaps. */
int pi_os_shm_give_up(struct pi_os_shm *memory, size_t offset, size_t length);

/* ---- shm_part.c: for a process that gets parts alone ---- */

/* Opens the object once more, so that it can be mapped for reading, and no mprotect allows more. 0
 * or an errno; 0 also if there is no object. */
int pi_os_shm_open_readable(struct pi_os_shm *memory);
/* Maps whole pages where they were before pi_os_shm_unmap. 0 or an errno; EBADF: there is no
 * object. */
int pi_os_shm_map(const struct pi_os_shm *memory, const struct pi_os_pages *pages, bool writable);
/* Closes the object: nothing more can be mapped. */
void pi_os_shm_close(struct pi_os_shm *memory);
/* Maps pages of a descriptor at an address where nothing else is. 0 or an errno. */
int pi_os_shm_map_at(char *wanted, const struct pi_os_pages *pages, int access, int fd);

/* ---- closing, backing ---- */

/* Closes the object in this process, which keeps the memory but cannot change its length any more.
 * Does nothing where the process still needs it: on old kernels, or if it has given up space. */
void pi_os_shm_detach(struct pi_os_shm *memory);

/* Unmaps what this process has inherited of the memory of other executors. `magic`: how the memory
 * of each begins. 0 or an errno. */
int pi_os_shm_leave_others(const struct pi_os_shm *own, const char *magic);

/* Backs a range that is open. May be called again for the same one, and from any thread. 0 or an
 * errno: ENOSPC, ENOMEM, EFBIG, or why the system refuses. */
int pi_os_shm_back(struct pi_os_shm *memory, size_t offset, size_t length);

/* Gives whole pages of a range, open or not, back to the system. They are zero then, and must be
 * backed again. Keeps errno. False: the system refuses, and the bytes stay. */
bool pi_os_shm_discard(struct pi_os_shm *memory, size_t offset, size_t length);

/* Gives all shared memory back, also where children that were forked meanwhile still map it. The
 * caller makes sure that no process uses it any more. */
void pi_os_shm_clear(struct pi_os_shm *memory);
