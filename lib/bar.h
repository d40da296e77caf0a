/* bar.h - a progress bar: what it shows, and when it is drawn.
 *
 * Runs in: program, worker. Its calls draw it in the thread that waits anyway. Private to a
 * process; used by one thread at a time.
 */
#pragma once

#include "posse_progress.h"

#define PI_BAR_LABEL 128 /* bytes */
#define PI_BAR_UNIT 16

struct posse_progress_bar {
    int fd;
    bool terminal; /* it is drawn again and again; else its last line alone is written */
    char label[PI_BAR_LABEL], unit[PI_BAR_UNIT];
    uint64_t begun; /* when it was opened */
    uint64_t next;  /* when it is drawn next; PI_NEVER: only at its end */
    uint64_t done, total;
    double part;              /* of units that are not done yet */
    posse_executor *executor; /* whose tasks it counts, from `before` on; NULL: none */
    unsigned number;          /* of that executor: the next one may have its address */
    uint64_t before;
};

/* ---- bar_line.c ---- */

/* Writes the line as it is `elapsed` nanoseconds after its begin, at most `width` columns of it.
 * Returns its bytes; *columns is how wide it is. */
size_t pi_bar_line(const struct posse_progress_bar *bar, uint64_t elapsed, unsigned width,
                   char text[1024], unsigned *columns);

/* ---- bar.c ---- */

/* What it shows from now on. */
void pi_bar_show(struct posse_progress_bar *bar, uint64_t done, uint64_t total);
bool pi_bar_is_due(const struct posse_progress_bar *bar);
/* Draws it if it is due. */
void pi_bar_tick(struct posse_progress_bar *bar);
/* When a wait until that moment should end, to draw. */
uint64_t pi_bar_until(const struct posse_progress_bar *bar, uint64_t until);
