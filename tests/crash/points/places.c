/* places.c - all points that the linker has found, and which were died at.
 *
 * A function that is compiled into several files (inline) has several records of one point: the
 * first of them stands for all.
 */
#include "points.h"

#include <stdio.h>
#include <string.h>

#define TRIES 20
#define MAX_ACTS 32

static uint32_t passes[PI_ROLES][PI_MAX_POINTS]; /* in this test */
static bool passed[PI_ROLES][PI_MAX_POINTS];     /* ever; of the first record */
static uint32_t deaths[PI_ROLES][PI_MAX_POINTS];

/* The scenes that were played, how often, and how many of these plays brought a worker to each
 * point. */
static struct showing {
    const struct act *act;
    uint64_t plays;
    uint64_t brought[PI_MAX_POINTS];
} showings[MAX_ACTS];
static size_t n_showings;

/* Points at which no worker may have died, and why: of a function, or of all in a file. */
static const struct {
    const char *file;
    const char *function; /* NULL: all */
    bool seldom;          /* workers come there, but not whenever one wants; else never */
    const char *why;
} excused[] = {
    {"executor.c", "build", false, "posse_create: the program"},
    {"executor.c", "stop", false, "destroy, terminate and kill: the program"},
    {"log.c", NULL, false, "the log: the program"},
    {"core/worker_events.c", "pi_worker_events_put", false, "the supervisor"},
    {"core/worker_events.c", "pi_worker_events_take", false, "the log: the program"},
    {"broadcast.c", NULL, false, "the program"},
    {"broadcast_tasks.c", NULL, false, "the program"},
    {"task_member.c", NULL, false, "the program"},
    {"core/slot.c", "pi_slot_offer", false, "tasks of groups: the program"},
    {"pool/await.c", "notify_again", true, "the program, which has been blocked for long"},
    {"core/slot.c", "pi_slot_withhold", false, "tasks of posse_broadcast: the program"},
    {"submit_inline.c", "run_inline", false, "inline backend"},
    {"submit_undo.c", "pi_submit_take_back", true, "the executor is stopped as a task submits"},
    {"core/feed.c", "pi_messages_close", false,
     "posse_close_messages: an agent of libposse-remote"},
    {"core/groups.c", "pi_group_leave", true, "there is no memory left"},
    {"core/groups.c", "pi_group_recover", false, "the supervisor"},
    {"core/groups.c", "empty_slot", false, "the trim: the supervisor"},
    {"core/groups.c", "undo", false, "the trim: the supervisor"},
    {"core/groups.c", "close_word", false, "the trim: the supervisor"},
    {"core/bitmap.c", "pi_bitmap_alloc_word", false, "the trim: the supervisor"},
    {"core/robust_lock.c", "pi_robust_lock_recover", false, "the supervisor"},
    {"core/bitmap.c", "take_bits", false, "several slots at once: the program"},
    {"core/bitmap.h", "pi_bitmap_clear", true, "another takes the slot meanwhile: crash/sweep.c"},
    {"core/bitmap.c", "repair", false, "the supervisor"},
    {"submit_undo.c", "pi_submit_undo", true, "the executor is stopped as a task submits"},
    {"core/monotonic.c", "pi_monotonic_reload", true, "memory was scribbled on"},
    {"core/ring.c", "pi_ring_shrink", false, "the supervisor"},
    {"core/ring.c", "pi_ring_leave", false, "the supervisor"},
    {"core/ring.c", "is_in_first", false, "the supervisor"},
    {"core/ring.c", "pi_ring_left", false, "the supervisor"},
    {"pool/verify.c", NULL, true, "memory was scribbled on"},
    {"worker/task_limits.c", "wear_out", true, "a task lowers its hard limit: behaviour/limits"},
    {"worker/end.c", "try_again", false, "options.runner: behaviour/runner"},
    {"worker/place.c", "note_use", false, "options.runner: behaviour/runner"},
    {"worker/end.c", "await_kill", true, "the task ends between KILLING and the kill"},
    {"worker/end.c", "finish_killed", true, "a task ends after SIGTERM: behaviour/soft_stop"},
    {"supervisor/child.c", NULL, false, "the supervisor"},
    {"supervisor/crash_block.c", NULL, false, "the supervisor"},
    {"supervisor/deadline.c", "check_suspect", false, "the supervisor"},
    {"supervisor/limit_check.c", NULL, false, "the supervisor"},
    {"core/units.c", "pi_units_discarded", true, "there is no memory left"},
    {"core/units.c", "pi_units_put_back", true, "there is no memory left, or two claim a unit"},
    {"core/units.c", "pi_units_see", false, "the supervisor"},
    {"core/arena.c", "pi_unit_recover", false, "the supervisor"},
    {"core/span.c", "share", true, "there is no memory left"},
    {"core/span.c", "reopen", true, "there is no memory left"},
    {"core/span.c", "change_blocks", true, "there is no memory left"},
    {"core/span.c", "close_span", true, "there is no memory left"},
    {"core/span.c", "close_unit", true, "there is no memory left"},
    {"core/span.c", "pi_span_recover", false, "the supervisor"},
    {"core/span.c", "change_hint", true, "all blocks of a span are taken"},
    {"pool/self.h", "pi_will_touch", true, "another thread of a worker submits: crash/cost.c"},
    {"pool/grow.c", "pi_memory_begin", false, "the program"},
    {"supervisor/launch.c", "take_socket", false, "the program"},
    {"pool/commit.c", "pi_recount", false, "the supervisor"},
    {"pool/commit.c", "pi_uncommit", true, "there is no memory left, or two grow a table"},
    {"supervisor/recover.c", NULL, false, "the supervisor"},
    {"supervisor/recover_blocks.c", NULL, false, "the supervisor"},
    {"supervisor/scale.c", NULL, false, "the supervisor"},
    {"supervisor/supervisor.c", NULL, false, "the supervisor"},
    {"pool/trim.c", "pi_trim_when_due", false, "the supervisor"},
    {"pool/trim.c", "trim_here", false, "inline, where there is no worker"},
    {"supervisor/backend_thread.c", NULL, false, "thread backend"},
    {"pool/await.c", "publish_withheld", false, "the program"},
    {"pool/await.c", "announce_room", false, "a queue limit holds back the program alone"},
    {"pool/stamp.c", "count_inline", false, "inline backend"},
    {"trace.c", NULL, false, "the program"},
    {"pool/tracer.c", "append", false, "the addition is of inline and of the program"},
    {"pool/tracer.c", "miss", true, "a ring that cannot be opened"},
    {"pool/worker_clock.c", "pi_worker_clock_end", false, "the supervisor"},
    {"pool/feed_block.c", "drop_hidden", false, "the supervisor"},
    {"pool/finish.c", "uncount", true, "somebody else ends the task in between"},
    {"pool/wake.c", "ask_for_rescan", true,
     "a release of a task that another process awaits; destroy"},
    {"pool/dispatch.c", "begin_hearing", false, "the program"},
    {"pool/dispatch.c", "must_rescan", true, "after a death, if the list was broken"},
    {"core/slot.c", "pi_slot_publish", true, "an entry of an earlier life is in the ring"},
    {"os/seal.c", "on_forbidden", false, "sealed workers: behaviour/sealed_life.c"},
    {"worker/fresh.c", "leave_if_followed", true, "a task leaves a child: behaviour/fresh_life"},
    {"core/waiters.c", "use_words", true, "the first who sleeps for an object"},
};

uint32_t count_points(void) { return (uint32_t)(pi_points_end - pi_points); }

static const char *file_of(uint32_t point)
{
    const char *lib = strstr(pi_points[point].file, "lib/");
    return lib ? lib + 4 : pi_points[point].file;
}

static bool same(uint32_t a, uint32_t b)
{
    return pi_points[a].line == pi_points[b].line && pi_points[a].after == pi_points[b].after &&
           strcmp(pi_points[a].file, pi_points[b].file) == 0;
}

static uint32_t first_of(uint32_t point)
{
    uint32_t first = 0;
    while (!same(first, point))
        first++;
    return first;
}

const char *place_text(uint32_t point, char *text, size_t size)
{
    if (point == PI_ANYWHERE)
        snprintf(text, size, "anywhere");
    else
        snprintf(text, size, "%s %s:%d (%s)", pi_points[point].after ? "after" : "before",
                 file_of(point), pi_points[point].line, pi_points[point].function);
    return text;
}

void forget_passes(void) { memset(passes, 0, sizeof passes); }

static struct showing *showing_of(const struct act *act)
{
    size_t i = 0;
    while (i < n_showings && showings[i].act != act)
        i++;
    assert_in_range(i, 0, MAX_ACTS - 1);
    n_showings = i < n_showings ? n_showings : i + 1;
    showings[i].act = act;
    return &showings[i];
}

/* The scene that brings workers there most reliably; NULL: none ever did. */
static const struct act *likeliest(uint32_t point)
{
    const struct showing *best = NULL;
    for (const struct showing *at = showings; at < showings + n_showings; at++)
        if (at->brought[point] > 0 &&
            (!best || at->brought[point] * best->plays > best->brought[point] * at->plays))
            best = at;
    return best ? best->act : NULL;
}

void note_passes(const struct act *act)
{
    struct showing *showing = showing_of(act);
    showing->plays++;
    for (uint32_t role = 0; role < PI_ROLES; role++) {
        for (uint32_t i = 0; i < count_points(); i++) {
            uint32_t seen = atomic_load(&pi_crash->passed[role][i]);
            showing->brought[i] += role == PI_ROLE_WORKER && seen > 0;
            if (seen > passes[role][i]) {
                passes[role][i] = seen;
                passed[role][first_of(i)] = true;
            }
        }
    }
}

void note_death(enum pi_role role, uint32_t point) { deaths[role][first_of(point)]++; }

uint32_t passes_at(enum pi_role role, uint32_t point) { return passes[role][point]; }

uint32_t deaths_at(enum pi_role role, uint32_t point) { return deaths[role][first_of(point)]; }

/* ---- the account ---- */

static void count_role(enum pi_role role, const char *name)
{
    int all = 0, came = 0, died = 0;
    for (uint32_t i = 0; i < count_points(); i++) {
        if (first_of(i) == i) {
            all++;
            came += passed[role][i];
            died += deaths[role][i] > 0;
        }
    }
    print_message("%s: of %d points it passed %d, and died at %d\n", name, all, came, died);
}

static bool is_excused(uint32_t point)
{
    for (size_t i = 0; i < COUNT(excused); i++) {
        bool here =
            strcmp(excused[i].file, file_of(point)) == 0 &&
            (!excused[i].function || strcmp(excused[i].function, pi_points[point].function) == 0);
        if (here && (excused[i].seldom || !passed[PI_ROLE_WORKER][point]))
            return true;
    }
    return false;
}

/* Workers were seen there, but only as others died: so it is tried again. */
static void try_again(uint32_t point)
{
    const struct act *act = likeliest(point);
    for (int i = 0; act && i < TRIES && deaths_at(PI_ROLE_WORKER, point) == 0; i++) {
        struct plan plan = {.steps = {step_of(PI_ROLE_WORKER, PI_DIE, point, 1)}, .n = 1};
        stage(act, &plan);
    }
}

static void try_stragglers(void)
{
    begin_points();
    for (uint32_t i = 0; i < count_points(); i++)
        if (deaths_at(PI_ROLE_WORKER, i) == 0)
            try_again(i);
    end_points();
}

bool has_anybody_died(void)
{
    for (uint32_t i = 0; i < count_points(); i++)
        if (deaths[PI_ROLE_WORKER][i] > 0)
            return true;
    return false;
}

/* Somebody died on the other side of the same write: to be here at the right moment was chance. */
static bool has_twin(uint32_t point)
{
    for (uint32_t i = 0; i < count_points(); i++)
        if (deaths[PI_ROLE_WORKER][i] > 0 && pi_points[i].line == pi_points[point].line &&
            strcmp(pi_points[i].file, pi_points[point].file) == 0)
            return passed[PI_ROLE_WORKER][point];
    return false;
}

void assert_all_died_at(void)
{
    int missing = 0;
    try_stragglers();
    count_role(PI_ROLE_WORKER, "workers");
    count_role(PI_ROLE_SUPERVISOR, "the supervisor");
    count_role(PI_ROLE_PROGRAM, "the program");
    for (uint32_t i = 0; i < count_points(); i++) {
        if (first_of(i) != i || deaths[PI_ROLE_WORKER][i] > 0 || is_excused(i))
            continue;
        missing += !has_twin(i);
        char place[100];
        print_message("no worker died %s%s\n", passed[PI_ROLE_WORKER][i] ? "where one was: " : "",
                      place_text(i, place, sizeof place));
    }
    assert_int_equal(missing, 0);
}
