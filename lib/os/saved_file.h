/* saved_file.h - a whole file, written and read at once. Runs in: program. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct pi_os_bytes {
    void *at;
    size_t size;
};

/* Writes a file: a head, and then bytes. What is there is replaced; if nothing is, only its owner
 * may read it. Does not wait for a reader. 0 or an errno: the file is empty then, unless it cannot
 * be cut. */
int pi_os_file_write(const char *path, const void *head, size_t size,
                     const struct pi_os_bytes *bytes);

/* Opens it for reading, and gives its size in bytes. Does not wait for a writer. 0 or an errno, and
 * no descriptor; EINVAL: it is no regular file. */
int pi_os_file_open(const char *path, int *fd, uint64_t *size);
/* The next bytes. 0 or an errno; EINVAL: there are fewer. */
int pi_os_file_read(int fd, void *bytes, size_t size);
