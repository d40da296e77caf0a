/* Runs in: posse-top. */
#include "top/live.h"
#include "os/clock.h"
#include "top/rates.h"
#include "top/table.h"
#include "top/terminal.h"

#include <stdlib.h>
#include <unistd.h>

struct live {
    struct pi_top_files *files;
    struct pi_top_round shown;
    struct pi_top_style style;
    uint64_t start; /* of the program: another process may get its pid */
};

static enum pi_top_found look(struct live *live)
{
    struct pi_top_round round;
    enum pi_top_found found = pi_top_look(live->files, &round);
    bool between = found == PI_TOP_NONE && live->start; /* it may make another one */
    if (found != PI_TOP_FOUND && !between)
        return found;
    if (live->start && round.program.start != live->start) {
        pi_top_round_free(&round);
        return PI_TOP_NO_ONE;
    }
    live->start = round.program.start;
    pi_top_compare(&live->shown, &round);
    pi_top_round_free(&live->shown);
    live->shown = round;
    return PI_TOP_FOUND;
}

/* In one write, and a terminal that knows how shows it at once: nothing flickers. */
static bool draw(struct live *live)
{
    struct pi_top_text text = {.bytes = NULL};
    pi_top_screen_size(&live->style.rows, &live->style.columns);
    pi_top_say(&text, "\033[?2026h\033[H");
    pi_top_table(&text, &live->shown, &live->style);
    pi_top_say(&text, "\033[J\033[?2026l");
    bool good = pi_top_text_write(&text, STDOUT_FILENO);
    pi_top_text_free(&text);
    return good;
}

/* False: the user ends it. */
static bool obey(struct live *live, int key)
{
    if (key == 's')
        live->style.sort = (live->style.sort + 1) % PI_TOP_SORT_COUNT;
    if (key == 'p')
        live->style.paused = !live->style.paused;
    return key != 'q' && key != PI_TOP_THE_END;
}

static enum pi_top_found go_on(struct live *live, uint64_t interval_ns)
{
    uint64_t next = 0;
    int key = PI_TOP_NO_KEY;
    do {
        if (!live->style.paused && pi_os_now() >= next) {
            enum pi_top_found found = look(live);
            if (found != PI_TOP_FOUND)
                return found;
            next = pi_os_now() + interval_ns;
        }
        if (!draw(live))
            return PI_TOP_FOUND;
        key = pi_top_key(live->style.paused ? pi_os_now() + interval_ns : next);
    } while (obey(live, key));
    return PI_TOP_FOUND;
}

enum pi_top_found pi_top_live(struct pi_top_files *files, uint64_t interval_ns)
{
    struct live live = {.files = files};
    const char *no_color = getenv("NO_COLOR");
    live.style = (struct pi_top_style){.screen = true, .colors = !no_color || !*no_color};
    if (!pi_top_screen_enter())
        return PI_TOP_ERROR;
    enum pi_top_found found = go_on(&live, interval_ns);
    pi_top_screen_leave();
    pi_top_end_by_signal();
    pi_top_round_free(&live.shown);
    return found;
}
