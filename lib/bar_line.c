/* Runs in: program, worker.
 *
 * The line of a progress bar in words, as tqdm for Python prints it:
 *
 *   label:  42%|####      | 42/100 [00:03<00:04, 13.9it/s]
 *   label: 42it [00:03, 13.9it/s]
 */
#include "bar.h"
#include "base/tuning.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT 1024

/* ---- characters ---- */

static unsigned width_of(const char *text)
{
    unsigned columns = 0;
    for (; *text; text++)
        columns += pi_utf8_columns(*text);
    return columns;
}

/* Ends the text where it is wider. */
static void cut(char *text, unsigned columns)
{
    for (unsigned used = 0; *text; text++) {
        used += pi_utf8_columns(*text);
        if (used > columns)
            *text = '\0';
    }
}

/* ---- numbers ---- */

static void add(char *text, const char *format, ...) POSSE_PRINTF(2, 3);

static void add(char *text, const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + length, TEXT - length, format, arguments);
    va_end(arguments);
}

static void add_time(char *text, double seconds)
{
    uint64_t s = seconds < 1e9 ? (uint64_t)seconds : (uint64_t)1e9;
    if (s >= 3600)
        add(text, "%" PRIu64 ":", s / 3600);
    add(text, "%02u:%02u", (unsigned)(s / 60 % 60), (unsigned)(s % 60));
}

/* Three digits, as units a second, or seconds a unit. */
static void add_rate(char *text, double rate, const char *unit)
{
    bool slow = rate < 1;
    double shown = rate <= 0 ? 0 : slow ? 1 / rate : rate;
    int digits = shown < 9.995 ? 2 : shown < 99.95 ? 1 : 0;
    if (rate <= 0)
        add(text, "?%s/s", unit);
    else
        add(text, slow ? "%.*fs/%s" : "%.*f%s/s", digits, shown, unit);
}

/* ---- the line ---- */

/* What stands behind the bar. */
static void add_counts(char *text, const struct posse_progress_bar *bar, double seconds)
{
    double done = (double)bar->done + bar->part, rate = seconds > 0 ? done / seconds : 0;
    double left = (double)bar->total - done;
    add(text, "%" PRIu64, bar->done);
    if (bar->total)
        add(text, "/%" PRIu64 " [", bar->total);
    else
        add(text, "%s [", bar->unit);
    add_time(text, seconds);
    if (bar->total && rate > 0) {
        add(text, "<");
        add_time(text, left > 0 ? left / rate : 0);
    } else if (bar->total) {
        add(text, "<?");
    }
    add(text, ", ");
    add_rate(text, rate, bar->unit);
    add(text, "]");
}

static double fraction_of(const struct posse_progress_bar *bar)
{
    double fraction = ((double)bar->done + bar->part) / (double)bar->total;
    return fraction < 1 ? fraction : 1;
}

/* `room` columns: the bar between two bars; nothing if it is too narrow for one. */
static void add_bar(char *text, double fraction, unsigned room)
{
    if (room < 3)
        return;
    unsigned all = room - 2;
    if (all > TEXT / 2)
        all = TEXT / 2;
    unsigned full = (unsigned)((double)all * fraction);
    add(text, "|");
    for (unsigned i = 0; i < all; i++)
        add(text, i < full ? "#" : " ");
    add(text, "|");
}

size_t pi_bar_line(const struct posse_progress_bar *bar, uint64_t elapsed, unsigned width,
                   char text[TEXT], unsigned *columns)
{
    char counts[TEXT] = "";
    double seconds = (double)elapsed / PI_SECOND;
    text[0] = '\0';
    if (bar->label[0])
        add(text, "%s: ", bar->label);
    add_counts(counts, bar, seconds);
    if (bar->total) {
        add(text, "%3u%%", (unsigned)(100 * fraction_of(bar)));
        unsigned used = width_of(text) + 1 + width_of(counts);
        add_bar(text, fraction_of(bar), width > used ? width - used : 0);
        add(text, " ");
    }
    add(text, "%s", counts);
    cut(text, width);
    *columns = width_of(text);
    return strlen(text);
}
