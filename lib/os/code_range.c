#include "os/code_range.h"

#include "os/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define PIECE 2048 /* bytes for each read, on the stack: about 20 lines */

/* A line is "begin-end rwxp offset ...", with hexadecimal numbers: what it has told so far. */
struct line {
    uintptr_t number[2];
    int field; /* begin, end, permissions, rest */
    bool executable;
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

static void add_character(struct line *line, char c)
{
    if (c == ' ' || (c == '-' && line->field == 0))
        line->field++;
    else if (line->field < 2)
        line->number[line->field] =
            line->number[line->field] * 16 + (uintptr_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    else if (line->field == 2 && c == 'x')
        line->executable = true;
}

/* A piece of the file, which may begin and end within a line. */
static int add_piece(struct pi_os_code *code, struct line *line, const char *piece, size_t size)
{
    int error = 0;
    for (size_t i = 0; i < size && !error; i++) {
        if (piece[i] != '\n') {
            add_character(line, piece[i]);
            continue;
        }
        if (line->executable)
            error = add_range(code, line->number[0], line->number[1]);
        *line = (struct line){.field = 0};
    }
    return error;
}

static int add_file(struct pi_os_code *code, int fd)
{
    char piece[PIECE];
    struct line line = {.field = 0};
    for (;;) {
        ssize_t size = pi_os_fd_read_some(fd, piece, sizeof piece);
        if (size <= 0)
            return size < 0 ? errno : 0;
        int error = add_piece(code, &line, piece, (size_t)size);
        if (error)
            return error;
    }
}

static int read_maps(struct pi_os_code *code)
{
    int fd = pi_os_fd_open("/proc/self/maps", O_RDONLY);
    if (fd < 0)
        return errno;
    int error = add_file(code, fd);
    pi_os_close(fd);
    return error;
}

int pi_os_code_init(struct pi_os_code *code)
{
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
