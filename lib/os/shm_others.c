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

/* One line of the list: "begin-end rwxs offset device inode name". */
struct line {
    uintptr_t begin, end;
    bool shared, readable;
    const char *name;
    unsigned long inode;
};

static struct line parse(const char *text)
{
    char *at;
    struct line line = {.begin = strtoul(text, &at, 16)};
    line.end = *at == '-' ? strtoul(at + 1, &at, 16) : 0;
    if (strlen(at) < 6)
        return line;
    line.readable = at[1] == 'r';
    line.shared = at[4] == 's';
    const char *device = strchr(at + 6, ' ');
    const char *inode = device ? strchr(device + 1, ' ') : NULL;
    line.inode = inode ? strtoul(inode, &at, 10) : 0;
    line.name = at;
    return line;
}

/* Whether it is of shared memory that posse has made. An object of shm_object.c has such a name.
 * Memory without an object has none: its front begins with `magic`, and what follows has the inode
 * of the front. */
static bool is_of_posse(const struct line *line, const char *magic, unsigned long *inode)
{
    if (strstr(line->name, "/memfd:posse (deleted)") || strstr(line->name, "/dev/shm/posse-"))
        return true;
    if (!strstr(line->name, "/dev/zero (deleted)"))
        return false;
    if (line->readable && memcmp((const void *)line->begin, magic, strlen(magic)) == 0)
        *inode = line->inode;
    return line->inode == *inode;
}

/* Unmaps what a line tells of, if it is not in `own`. 0 or an errno. */
static int leave(const struct line *line, const struct pi_os_shm *own, const char *magic,
                 unsigned long *inode)
{
    uintptr_t base = (uintptr_t)own->base;
    bool ours = line->begin >= base && line->end <= base + own->size;
    if (!line->shared || ours || !is_of_posse(line, magic, inode))
        return 0;
    return munmap((void *)line->begin, line->end - line->begin) == 0 ? 0 : errno;
}

int pi_os_shm_leave_others(const struct pi_os_shm *own, const char *magic)
{
    char *text = read_mappings(), *rest = text;
    int error = text ? 0 : errno;
    unsigned long inode = 0;
    for (char *next; !error && rest && (next = strtok_r(NULL, "\n", &rest));) {
        struct line line = parse(next);
        error = leave(&line, own, magic, &inode);
    }
    free(text);
    return error;
}
