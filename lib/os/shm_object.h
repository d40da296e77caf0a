/* shm_object.h - a file in memory without a name, which forked children share.
 * Runs in: program, supervisor, worker. */
#pragma once

#include "os/fd.h"

/* Makes one of that size, a hole as a whole: by shm_open and shm_unlink, or else by memfd_create.
 * fd->number is -1 if the system has neither. 0, or an errno: the system said that it can remove
 * names, then did not, and the name stays. */
int pi_os_shm_object_make(struct pi_os_fd *fd, size_t size);

/* Gives whole pages memory, and leaves what they hold. 0 or an errno. */
int pi_os_shm_object_allocate(int fd, size_t offset, size_t length);

/* Takes the memory of whole pages back: they are zero then. False: the system refuses. */
bool pi_os_shm_object_punch(int fd, size_t offset, size_t length);
