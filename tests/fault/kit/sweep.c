/* sweep.c - a scene, once for each call that may fail in it.
 *
 * All runs of a sweep are made in one forked child after another: the next one is needed only if
 * the one before has died or was killed for taking too long, which is counted as wrong. What it
 * does at the moment lies in shared memory, so that the runner can name it.
 *
 * In the short form each call fails with one of its errors, another in each mode, and not all k are
 * tried with failures that last; in the long one with all of them.
 * POSSE_FAULT="<classes> <mode> <choice> <k>" makes no run but that, to see a failure again.
 */
#include "fault/kit/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_CALLS 5000 /* more in one scene means that it goes round */
#define MAX_CHOICES 6  /* errors of one call */
#define MAX_WRONG 5

static const char *const mode_names[] = {"once", "its kind for ever", "everything for ever"};

/* Shared with the children. */
struct sweep {
    struct fault_state state;
    struct fault_plan next;
    struct fault_plan failed; /* the first that was wrong */
    bool only;                /* one run is asked for */
    fault_scene *scene;
    _Atomic long runs, faults, most_calls, wrong;
    _Atomic long statuses[32];
};
static struct sweep *now;

/* errno belongs to the status that a call has just given. */
static bool errno_belongs_to(posse_status status, int error)
{
    bool exhausted =
        error == ENOMEM || error == ENOSPC || error == ENOBUFS || error == EAGAIN || error == EFBIG;
    return status == POSSE_NO_MEMORY ? exhausted
                                     : status != POSSE_SYSTEM || (error != 0 && !exhausted);
}

bool is_among(posse_status status, unsigned set)
{
    int error = errno;
    atomic_fetch_add(&now->statuses[status], 1);
    bool among = (set & AS(status)) != 0;
    if (!among)
        fprintf(stderr, "%s is not expected here\n", posse_status_name(status));
    if (!errno_belongs_to(status, error))
        fprintf(stderr, "%s with errno %d\n", posse_status_name(status), error);
    return among && errno_belongs_to(status, error);
}

void fault_begin(void)
{
    if (now->next.at > 0)
        fault_arm(&now->next);
}

bool fault_lasts(void) { return now->next.mode != ONCE; }

/* With "... ", as a child has said before what was wrong. */
static void note_wrong(void)
{
    int call = atomic_load(&now->state.call);
    fprintf(stderr, "... with call %ld failing (%s: %s, %s)\n", now->next.at,
            call < CALLS ? fault_names[call] : "none yet", strerror(atomic_load(&now->state.error)),
            mode_names[now->next.mode]);
    if (atomic_fetch_add(&now->wrong, 1) == 0)
        now->failed = now->next;
}

/* ---- one run ---- */

/* What there is in this process, and a pipe that everything forked meanwhile holds open. */
struct before {
    int descriptors, threads;
    long blocks, mappings;
    int pipe[2];
};

static bool all_are_gone(struct before *before)
{
    struct pollfd end = {.fd = before->pipe[0]};
    close(before->pipe[1]);
    bool gone = poll(&end, 1, PATIENCE_MS) == 1 && (end.revents & POLLHUP);
    close(before->pipe[0]);
    return gone;
}

static bool threads_are(int threads)
{
    long end = now_ms() + PATIENCE_MS;
    while (count_threads() != threads && now_ms() < end)
        pause_ms(1); /* a joined one may be seen for an instant longer */
    return count_threads() == threads;
}

static int look_after(struct before *before)
{
    REQUIRE(all_are_gone(before));
    REQUIRE(count_descriptors() == before->descriptors);
    REQUIRE(threads_are(before->threads));
    REQUIRE(fault_balance.blocks == before->blocks);
    REQUIRE(fault_balance.mappings == before->mappings);
    return 0;
}

static int run_once(void)
{
    struct before before = {count_descriptors(),
                            count_threads(),
                            fault_balance.blocks,
                            fault_balance.mappings,
                            {-1, -1}};
    REQUIRE(pipe2(before.pipe, O_CLOEXEC) == 0);
    int wrong = now->scene();
    fault_disarm();
    return look_after(&before) | wrong;
}

/* ---- all runs ---- */

static unsigned choices(void) { return (unsigned)in_long_run(1, MAX_CHOICES); }

/* Which error, with k: in the short form each in turn. */
static unsigned first_choice(long at) { return choices() > 1 ? 0 : (unsigned)at; }

/* The next k, mode or error. False: there is none. */
static bool step(bool past_end)
{
    struct fault_plan *next = &now->next;
    bool turn = past_end || next->at >= MAX_CALLS;
    static const long sparse[FAULT_MODES] = {[ITS_KIND] = 2, [EVERYTHING] = 1};
    bool skips = sparse[next->mode] > 0 && choices() == 1;
    next->at = turn ? 1 : next->at + 1 + (skips ? next->at / sparse[next->mode] : 0);
    if (!turn) {
        next->choice += choices() > 1 ? 0 : 1;
        return true;
    }
    next->choice = choices() > 1 ? next->choice + 1 : first_choice(next->mode + 1);
    if (choices() > 1 && next->choice < MAX_CHOICES)
        return true;
    next->choice = choices() > 1 ? 0 : next->choice;
    return ++next->mode < FAULT_MODES;
}

static void count_run(void)
{
    long calls = atomic_load(&now->state.calls);
    atomic_fetch_add(&now->runs, 1);
    atomic_fetch_add(&now->faults, atomic_load(&now->state.failed));
    if (calls > atomic_load(&now->most_calls))
        atomic_store(&now->most_calls, calls);
}

static int run_all(void *unused)
{
    bool past_end;
    do {
        time_limit(TIME_LIMIT);
        int wrong = run_once();
        count_run();
        if (wrong)
            note_wrong();
        if (atomic_load(&now->wrong) >= MAX_WRONG)
            return 0;
        past_end = atomic_load(&now->state.calls) < now->next.at;
    } while (!now->only && step(past_end));
    now->next.mode = FAULT_MODES;
    return 0;
}

static void choose_begin(unsigned classes)
{
    const char *given = getenv("POSSE_FAULT");
    int mode = ONCE;
    now->next = (struct fault_plan){classes, ONCE, first_choice(1), 1, 0};
    if (given != NULL) {
        struct fault_plan *next = &now->next;
        now->only = true;
        assert_int_equal(
            sscanf(given, "%u %d %u %ld", &next->classes, &mode, &next->choice, &next->at), 4);
        next->mode = next->classes == classes ? (enum fault_mode)mode : FAULT_MODES;
        next->classes = classes;
    }
}

static void run_children(void)
{
    while (now->next.mode < FAULT_MODES && atomic_load(&now->wrong) < MAX_WRONG) {
        retry_after(50);
        time_limit(0); /* each run has one of its own */
        int status = wait_status(start_child(run_all, NULL));
        if (status != 0) {
            fault_disarm(); /* what is left of the executor finds its way out */
            fprintf(stderr, "a run died or hung, wait status %d\n", status);
            note_wrong();
            if (now->only || !step(false))
                now->next.mode = FAULT_MODES;
        }
    }
}

static void print_figures(const char *name, long ms)
{
    static const char *const classes[] = {[PROGRAM] = "program",
                                          [SUPERVISOR] = "supervisor",
                                          [WORKER] = "workers",
                                          [HELPERS] = "helpers"};
    print_message("  %s, %s: %ld runs of up to %ld calls, %ld failures of calls, %ld ms;", name,
                  classes[now->next.classes], atomic_load(&now->runs),
                  atomic_load(&now->most_calls), atomic_load(&now->faults), ms);
    for (int i = 0; i < 32; i++) {
        if (atomic_load(&now->statuses[i]) > 0) {
            print_message(" %s %ld", posse_status_name((posse_status)i),
                          atomic_load(&now->statuses[i]));
        }
    }
    print_message("\n");
}

long sweep(const char *name, fault_scene *scene, unsigned classes)
{
    long begin = now_ms();
    now = make_shared(sizeof *now);
    now->scene = scene;
    choose_begin(classes);
    fault_state = &now->state;
    atomic_store(&now->state.call, CALLS);
    run_children();
    print_figures(name, now_ms() - begin);
    long wrong = atomic_load(&now->wrong), faults = atomic_load(&now->faults) + now->only;
    if (wrong > 0) {
        again_with("POSSE_FAULT='%u %d %u %ld'", now->failed.classes, (int)now->failed.mode,
                   now->failed.choice, now->failed.at);
        scene_is("%s", name);
    }
    fault_state = NULL;
    free_shared(now, sizeof *now);
    assert_int_equal(wrong, 0);
    return faults;
}
