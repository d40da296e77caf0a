/* Runs in: program, worker.
 *
 * A progress bar: opened, drawn, closed. What is written to a terminal each time:
 *
 *   CR, erase to the end of the line, the line, spaces up to the last column
 *
 * Then the terminal is about to wrap. So what a task writes next begins on a line of its own, and
 * the bar is drawn again below it.
 */
#include "bar.h"
#include "base/tuning.h"
#include "base/utf8.h"
#include "internal.h"
#include "os/clock.h"
#include "os/tty.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERASE "\r\033[K"
#define MAX_WIDTH 500 /* columns: a line of them fits into 1024 bytes */

/* ---- drawing ---- */

static unsigned width_of(const struct posse_progress_bar *bar)
{
    unsigned width = bar->terminal ? pi_os_tty_width(bar->fd, PI_BAR_WIDTH) : PI_BAR_WIDTH;
    return width < MAX_WIDTH ? width : MAX_WIDTH;
}

static void draw(struct posse_progress_bar *bar, uint64_t now)
{
    char line[1024], text[2 * sizeof line];
    unsigned width = width_of(bar), columns;
    (void)pi_bar_line(bar, now - bar->begun, width, line, &columns);
    int size = snprintf(text, sizeof text, ERASE "%s%*s", line, (int)(width - columns), "");
    if (pi_os_tty_is_ready(bar->fd))
        pi_os_tty_write(bar->fd, text, (size_t)size);
    bar->next = now + PI_BAR_INTERVAL_NS;
}

bool pi_bar_is_due(const struct posse_progress_bar *bar)
{
    return bar->next != PI_NEVER && bar->next <= pi_os_now();
}

void pi_bar_tick(struct posse_progress_bar *bar)
{
    if (pi_bar_is_due(bar))
        draw(bar, pi_os_now());
}

uint64_t pi_bar_until(const struct posse_progress_bar *bar, uint64_t until)
{
    return bar->next < until ? bar->next : until;
}

void pi_bar_show(struct posse_progress_bar *bar, uint64_t done, uint64_t total)
{
    bar->done = done;
    bar->total = total;
    bar->part = 0;
}

void posse_progress_draw(posse_progress_bar *bar, uint64_t done, uint64_t total)
{
    if (!bar)
        return;
    pi_bar_show(bar, done, total);
    pi_bar_tick(bar);
}

/* ---- opening and closing ---- */

posse_status posse_progress_bar_open(const posse_progress_bar_options *given,
                                     posse_progress_bar **bar)
{
    posse_progress_bar_options copy = {.struct_size = sizeof copy};
    if (!bar)
        return pi_refuse(POSSE_INVALID, "bar is NULL");
    *bar = NULL;
    const posse_progress_bar_options *options =
        given ? pi_sized_read(given, &copy, sizeof copy) : &copy;
    if (!options)
        return POSSE_INVALID;
    if (options->fd < 0)
        return pi_refuse(POSSE_INVALID, "options.fd is negative");
    struct posse_progress_bar *b = calloc(1, sizeof *b);
    if (!b)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    b->fd = options->fd ? options->fd : 2;
    b->terminal = pi_os_tty_is(b->fd);
    const char *label = options->label ? options->label : "";
    const char *unit = options->unit ? options->unit : "it";
    pi_utf8_clean(b->label, sizeof b->label, label, strlen(label));
    pi_utf8_clean(b->unit, sizeof b->unit, unit, strlen(unit));
    b->begun = pi_os_now();
    b->next = b->terminal ? b->begun : PI_NEVER;
    *bar = b;
    return POSSE_OK;
}

void posse_progress_bar_close(posse_progress_bar *bar)
{
    char line[1024], text[2 * sizeof line];
    unsigned columns;
    if (!bar)
        return;
    (void)pi_bar_line(bar, pi_os_now() - bar->begun, width_of(bar), line, &columns);
    int size = snprintf(text, sizeof text, "%s%s\n", bar->terminal ? ERASE : "", line);
    pi_os_tty_write(bar->fd, text, (size_t)size);
    free(bar);
}
