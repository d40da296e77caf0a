/* screen.h - a terminal for tests: a pty, what was written to it, and what a user would see. */
#ifndef SCREEN_H
#define SCREEN_H

#include "support.h"

#define SCREEN_LINES 2000
#define SCREEN_COLUMNS 200
#define SCREEN_BYTES ((size_t)1 << 20)

struct screen {
    int fd; /* what programs write to */
    int master;
    pthread_t thread; /* reads */
    _Atomic bool closed;
    char *bytes; /* all that was written */
    _Atomic size_t size;
    char lines[SCREEN_LINES][SCREEN_COLUMNS + 1]; /* after screen_read */
};

/* A terminal of that width; 0: it does not say. Asserts. */
struct screen *screen_open(unsigned short columns);
void screen_resize(struct screen *screen, unsigned short columns); /* asserts */
/* Once nobody writes any more: what is in `lines`, on a terminal that wraps as a VT100 does.
 * Asserts that all of it is text, CR, LF, or the erasing of the rest of a line. */
void screen_read(struct screen *screen, unsigned columns);
void screen_close(struct screen *screen);

#endif
