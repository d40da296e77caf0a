/* saved_file.h - a whole file, written and read at once. Runs in: program. */
#pragma once

#include <stdbool.h>
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

/* Opens it for reading. Does not wait for a writer. -1 and errno; EINVAL: it is no regular file. */
int pi_os_file_open(const char *path);
/* Its size in bytes; 0: it has none. */
uint64_t pi_os_file_size(int fd);
/* The next bytes. False: there are fewer. */
bool pi_os_file_read(int fd, void *bytes, size_t size);
