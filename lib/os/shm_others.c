#include "os/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_SIZE ((size_t)16 << 10) /* of the text of a process with some libraries */

/* The list of this process's mappings, in memory of the caller; NULL and errno: it cannot be read.
 */
static char *read_mappings(void)
{
    int fd = pi_os_fd_open("/proc/self/maps", O_RDONLY);
    size_t length = 0, size = FIRST_SIZE;
    char *text = fd >= 0 ? malloc(size) : NULL;
    ssize_t n = 1;
    while (text && n > 0 && (n = pi_os_fd_read_some(fd, text + length, size - length - 1)) > 0) {
        length += (size_t)n;
        char *more = length + 1 < size ? text : realloc(text, size *= 2);
        if (!more)
            free(text);
        text = more;
    }
    int error = errno;
    if (text && n < 0) {
        free(text);
        text = NULL;
    }
    if (text)
        text[length] = '\0';
    pi_os_close(fd);
    errno = error;
    return text;
}

/* Whether a line is of shared memory that posse has made; an object of shm_object.c has such a
 * name. */
static bool is_of_posse(const char *line)
{
    return strstr(line, " /memfd:posse (deleted)") || strstr(line, " /dev/shm/posse-");
}

/* Unmaps what a line tells of ("begin-end rwxs ..."), if it is not in `own`. 0 or an errno. */
static int leave(const char *line, const struct pi_os_shm *own)
{
    char *at;
    uintptr_t begin = strtoul(line, &at, 16), base = (uintptr_t)own->base;
    uintptr_t end = *at == '-' ? strtoul(at + 1, &at, 16) : 0;
    bool shared = strlen(at) > 5 && at[4] == 's';
    if (!shared || !is_of_posse(line) || (begin >= base && end <= base + own->size))
        return 0;
    return munmap((void *)begin, end - begin) == 0 ? 0 : errno;
}

int pi_os_shm_leave_others(const struct pi_os_shm *own)
{
    char *text = read_mappings(), *rest = text;
    int error = text ? 0 : errno;
    for (char *line; !error && rest && (line = strtok_r(NULL, "\n", &rest));)
        error = leave(line, own);
    free(text);
    return error;
}
