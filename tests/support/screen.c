#include "screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void *collect(void *context)
{
    struct screen *screen = context;
    struct pollfd look = {.fd = screen->master, .events = POLLIN};
    for (;;) {
        bool closed = atomic_load(&screen->closed);
        if (poll(&look, 1, closed ? 0 : 1) <= 0 && closed)
            return NULL;
        size_t size = atomic_load(&screen->size);
        ssize_t n = look.revents & POLLIN
                        ? read(screen->master, screen->bytes + size, SCREEN_BYTES - size)
                        : 0;
        atomic_fetch_add(&screen->size, n > 0 ? (size_t)n : 0);
    }
}

void screen_resize(struct screen *screen, unsigned short columns)
{
    struct winsize size = {.ws_row = 24, .ws_col = columns};
    assert_int_equal(ioctl(screen->fd, TIOCSWINSZ, &size), 0);
}

struct screen *screen_open(unsigned short columns)
{
    char name[100];
    struct screen *screen = calloc(1, sizeof *screen);
    assert_non_null(screen);
    screen->bytes = malloc(SCREEN_BYTES);
    assert_non_null(screen->bytes);
    screen->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(screen->master >= 0);
    assert_int_equal(grantpt(screen->master), 0);
    assert_int_equal(unlockpt(screen->master), 0);
    assert_int_equal(ptsname_r(screen->master, name, sizeof name), 0);
    screen->fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(screen->fd >= 0);
    screen_resize(screen, columns);
    assert_int_equal(pthread_create(&screen->thread, NULL, collect, screen), 0);
    return screen;
}

/* ---- what is seen ---- */

struct cursor {
    unsigned line, column, columns;
    bool wraps; /* the next character begins a line */
};

static void put(struct screen *screen, struct cursor *at, char byte)
{
    if (at->wraps) {
        at->line++;
        at->column = 0;
    }
    assert_true(at->line < SCREEN_LINES);
    char *line = screen->lines[at->line];
    for (size_t end = strlen(line); end < at->column; end++)
        line[end] = ' ';
    line[at->column] = byte;
    at->wraps = at->column + 1 == at->columns;
    at->column += !at->wraps;
}

/* Returns how many bytes it has taken. */
static size_t obey(struct screen *screen, struct cursor *at, const char *bytes)
{
    if (*bytes == '\033') {
        assert_memory_equal(bytes, "\033[K", 3);
        memset(screen->lines[at->line] + at->column, 0, SCREEN_COLUMNS - at->column);
        return 3;
    }
    if (*bytes == '\r')
        at->column = 0;
    else if (*bytes == '\n')
        at->line++;
    else
        put(screen, at, *bytes);
    if (*bytes == '\r' || *bytes == '\n')
        at->wraps = false;
    return 1;
}

void screen_read(struct screen *screen, unsigned columns)
{
    struct cursor at = {.columns = columns};
    atomic_store(&screen->closed, true);
    pthread_join(screen->thread, NULL);
    memset(screen->lines, 0, sizeof screen->lines);
    for (size_t i = 0, size = atomic_load(&screen->size); i < size;)
        i += obey(screen, &at, screen->bytes + i);
}

void screen_close(struct screen *screen)
{
    if (!atomic_exchange(&screen->closed, true))
        pthread_join(screen->thread, NULL);
    close(screen->fd);
    close(screen->master);
    free(screen->bytes);
    free(screen);
}
