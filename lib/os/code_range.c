#include "os/code_range.h"

#include "os/cancel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE 2048 /* bytes that are read at once, on the stack; of lines about 20 */

/* A line is "begin-end rwxp offset ...", with numbers to the base of 16: of it the first bytes. */
struct line {
    char start[sizeof(uintptr_t) * 4 + sizeof "- rwxp"];
    size_t length;
};

/* The lines come in order and do not overlap. Neighbours become one range. */
static int add_range(struct pi_os_code *code, uintptr_t begin, uintptr_t end)
{
    size_t count = code->count;
    if (count > 0 && code->ranges[count - 1].end == begin) {
        code->ranges[count - 1].end = end;
        return 0;
    }
    if ((count & (count - 1)) == 0) { /* it is full: grows to twice its size */
        size_t size = (count ? 2 * count : 1) * sizeof *code->ranges;
        struct pi_os_code_range *ranges = realloc(code->ranges, size);
        if (!ranges)
            return ENOMEM;
        code->ranges = ranges;
    }
    code->ranges[code->count++] = (struct pi_os_code_range){begin, end};
    return 0;
}

static int add_line(struct pi_os_code *code, const struct line *line)
{
    char *at;
    uintptr_t begin = strtoul(line->start, &at, 16);
    if (*at != '-')
        return 0;
    uintptr_t end = strtoul(at + 1, &at, 16);
    bool executable = at[0] == ' ' && at[1] && at[2] && at[3] == 'x';
    return executable ? add_range(code, begin, end) : 0;
}

/* A piece of the file, which may begin and end within a line. */
static int add_piece(struct pi_os_code *code, struct line *line, const char *piece, size_t size)
{
    int error = 0;
    for (size_t i = 0; i < size && !error; i++) {
        if (piece[i] == '\n') {
            line->start[line->length] = '\0';
            error = add_line(code, line);
            line->length = 0;
        } else if (line->length < sizeof line->start - 1) {
            line->start[line->length++] = piece[i];
        }
    }
    return error;
}

static int add_file(struct pi_os_code *code, int fd)
{
    char piece[PIECE];
    struct line line = {.length = 0};
    for (;;) {
        ssize_t size = read(fd, piece, sizeof piece);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return size < 0 ? errno : 0;
        int error = add_piece(code, &line, piece, (size_t)size);
        if (error)
            return error;
    }
}

static int read_maps(struct pi_os_code *code)
{
    int fd;
    while ((fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)) < 0 && errno == EINTR)
        ;
    if (fd < 0)
        return errno;
    int error = add_file(code, fd);
    close(fd);
    return error;
}

int pi_os_code_init(struct pi_os_code *code)
{
    PI_OS_NO_CANCEL;
    *code = (struct pi_os_code){NULL, 0};
    int error = read_maps(code);
    if (error)
        pi_os_code_fini(code);
    return error == EMFILE || error == ENFILE || error == ENOMEM ? error : 0;
}

void pi_os_code_fini(struct pi_os_code *code)
{
    free(code->ranges);
    *code = (struct pi_os_code){NULL, 0};
}

bool pi_os_code_has(const struct pi_os_code *code, uintptr_t address)
{
    size_t first = 0, end = code->count; /* the range is among these, if there is one */
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (address < code->ranges[middle].begin)
            end = middle;
        else if (address >= code->ranges[middle].end)
            first = middle + 1;
        else
            return true;
    }
    return code->count == 0;
}
