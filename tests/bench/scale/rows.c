/* rows.c - posse's accesses to shared cache lines, one row each, in the order in which lib/ makes
 * them. A row names the function that it mirrors, the line, how it is accessed, and the nanoseconds
 * of instructions before it. Then: what the access changes, or which row comes next; and when the
 * row is left out.
 *
 * What is shared and never written (cuts, groups, counts, the phase) is one line, HEADER, which
 * every processor soon has. LAST is a line of the program for each ring: its threads share `last`
 * and `earlier_head`. Rows in parentheses are of no function: they belong to a change. */
#include "sim.h"

#include <stdio.h>

static const char *const place_names[PLACES] = {"",
                                                "header (all read it)",
                                                "posse_executor",
                                                "map of slots",
                                                "slot",
                                                "head",
                                                "tail",
                                                "last (of the program)",
                                                "cell of the entry",
                                                "cell 3 further",
                                                "slot 3 further",
                                                "slot 4 further",
                                                "idle words",
                                                "worker's record",
                                                "worker's own line"};
static const char *const access_names[] = {"-", "read", "write", "locked", "fetch", "hardware"};

/* clang-format off */
const struct row protocol_rows[ROWS] = {
    /* lib/submit.c: pi_submit, check, take_slot; core/stash.c */
    [CHECK]       = {"check: phase, function",            HEADER, READ,   6, NULL, first_of_call},
    [CALLS]       = {"pi_poll_supervisor: calls",         CALLER, WRITE,  1, NULL, first_of_call},
                    {"take_slot: hint",                   CALLER, WRITE,  1, NULL, has_map},
                    {"pi_stash_acquire: the next one",    NOWHERE, NONE,  2, take_slot, has_stash},
    /* core/bitmap.c: take_in; core/slot.c: pi_slots_acquire */
    [TAKE_BIT]    = {"take_in: level 0",                  MAP,    LOCKED, 2, take_slot, has_map},
    [ACQUIRE]     = {"enter: the group",                  HEADER, READ,   1, NULL, has_map},
                    {"begin_filling: word",               SLOT,   READ,   1, NULL, NULL},
                    {"begin_filling: FREE -> FILLING",    SLOT,   LOCKED, 1, NULL, NULL},
    /* lib/submit.c: fill, pi_submit_enqueue; core/slot.c: pi_slot_publish */
                    {"fill",                              SLOT,   WRITE,  4, NULL, NULL},
    [PUBLISH]     = {"pi_slot_publish: -> PENDING",       SLOT,   WRITE,  1, publish, NULL},
                    {"(direct) claims a spinner",         IDLE,   LOCKED, 1, give, can_give},
    /* core/ring.c: put_behind_last */
    [PUSH]        = {"put_behind_last: last",             LAST,   READ,   3, see_last, NULL},
                    {"is_in_use, has_room: cuts",         HEADER, READ,   0, NULL, NULL},
                    {"put_behind_last: cell",             CELL,   READ,   1, see_cell, NULL},
    /* search_and_put: if there is no last entry, or the ring seems full, or the cell was taken */
    [SEARCH]      = {"search_and_put: tail, cuts",        TAIL,   READ,   1, see_tail, NULL},
    [FIND_END]    = {"find_end: cell",                    CELL,   READ,   1, walk, NULL},
                    {"find_end: head",                    HEAD,   READ,   0, see_room, NULL},
    /* put reads the head, too, where it replaces a zero: once for each cell, so not here */
    [PUT]         = {"put",                               CELL,   LOCKED, 1, put, NULL},
                    {"search_and_put: earlier_head",      LAST,   WRITE,  0, note_head, searched},
                    {"pi_ring_push: tail, each eighth",   TAIL,   READ,   0, read_tail, eighth},
                    {"help_tail",                         TAIL,   LOCKED, 0, move_tail, tail_lags},
                    {"pi_ring_push: last",                LAST,   WRITE,  0, pushed, NULL},
    /* pool/wake.c: pi_wake_or_grow; core/idle.c */
    [WAKE]        = {"pi_wake_worker: idle words",        IDLE,   READ,   2, NULL, last_of_call},
                    {"pi_idle_claim, post",               IDLE,   LOCKED, 0, wake, can_call},
    [SUBMITTED]   = {"undo_if_closed: phase",             HEADER, READ,   2, submitted, NULL},

    /* lib/future.c: pi_await, show, posse_release; pool/finish.c: pi_discard */
    [LOOK]        = {"pi_future_look: word",              SLOT,   READ,   6, look, NULL},
                    {"(the processor's prefetch)",        NEXT_SLOT, FETCH_SHARED, 0, NULL, NULL},
                    {"show, pi_confirm",                  SLOT,   READ,   8, NULL, NULL},
                    {"pi_discard: final -> FREE",         SLOT,   LOCKED, 12, NULL, NULL},
                    {"pi_bitmap_free: level 0",           MAP,    LOCKED, 2, NULL, has_map},
    [RELEASED]    = {"pi_note_freed",                     NOWHERE, NONE,  4, released, NULL},

    /* worker/loop.c: work */
    [WORK]        = {"work: exit_requested, phase",       HEADER, READ,   4, NULL, NULL},
    [OWN_LINE]    = {"(direct) its own line",             INBOX,  READ,   1, is_given, is_direct},
    /* core/ring.c: pi_ring_peek; core/slot.c: pi_slots_claim_next, claim_head */
    [PEEK]        = {"pi_ring_peek: head",                HEAD,   READ,   1, see_head, NULL},
    [PEEK_CELL]   = {"pi_ring_peek: cell",                CELL,   READ,   2, see_entry, NULL},
    [CLAIM]       = {"claim_head: touched",               RECORD, WRITE,  1, NULL, NULL},
                    {"claim_head: word",                  SLOT,   READ,   1, see_word, NULL},
                    {"claim_head: -> RUNNING",            SLOT,   LOCKED, 1, claim, NULL},
    [ADVANCE]     = {"pi_ring_advance: head",             HEAD,   READ,   1, look_at_head, NULL},
                    {"pi_ring_advance: head + 1",         HEAD,   LOCKED, 1, advance, NULL},
    [LOOK_AHEAD]  = {"fetch_ahead: cell",                 AHEAD_CELL, READ, 2, NULL, NULL},
                    {"fetch_ahead: slot",                 AHEAD_SLOT, FETCH, 0, claimed, NULL},
    /* not in lib/: several entries with one move of the head, which comes before the claims */
    [TAKE]        = {"(take) tail",                       TAIL,   READ,   1, NULL, NULL},
                    {"(take) which entries",              RECORD, WRITE,  2, NULL, NULL},
    [TAKE_HEAD]   = {"(take) head",                       HEAD,   LOCKED, 1, take, NULL},
    [TAKE_FETCH]  = {"(take) slots",                      SLOT,   FETCH,  1, fetched, NULL},
    [TAKE_NEXT]   = {"(take) touched",                    RECORD, WRITE,  1, NULL, NULL},
                    {"(take) -> RUNNING",                 SLOT,   LOCKED, 1, next_taken, NULL},
    /* worker/loop.c: stop_idling */
    [STOP_IDLING] = {"pi_idle_leave",                     IDLE,   LOCKED, 1, stop_idling, NULL},
                    {"queue_has_task: head",              HEAD,   READ,   1, NULL, NULL},
                    {"queue_has_task: cell",              CELL,   READ,   1, NULL, NULL},
    [WAKE_NEXT]   = {"pi_wake_worker: idle words",        IDLE,   READ,   1, is_more, NULL},
                    {"pi_idle_claim, post",               IDLE,   LOCKED, 0, wake_next, NULL},
    /* worker/run.c: pi_run, push_task; end.c: compute_outcome, finish; pool/finish.c: pi_finish */
    [RUN]         = {"pi_run: attempt; push_task: outer", SLOT,   WRITE,  6, NULL, NULL},
                    {"push_task: current",                RECORD, LOCKED, 1, NULL, NULL},
                    {"pi_run: word",                      SLOT,   READ,   1, NULL, NULL},
                    {"pi_wake_for_backlog",               HEADER, READ,   4, NULL, NULL},
                    {"(the task)",                        NOWHERE, NONE,  2, run_task, NULL},
                    {"compute_outcome: result",           SLOT,   WRITE,  4, NULL, NULL},
                    {"finish: count, touched",            RECORD, WRITE,  2, NULL, NULL},
    [FINISH]      = {"pi_slot_transition: -> DONE",       SLOT,   LOCKED, 2, finish, NULL},
                    {"pop_task: current, count",          RECORD, WRITE,  3, finished, NULL},
    /* worker/loop.c: idle */
    [GO_IDLE]     = {"may_spin: idle words",              IDLE,   READ,  20, may_spin, NULL},
    [SPIN]        = {"pi_idle_spin",                      IDLE,   LOCKED, 1, spin, NULL},
    [PROBE]       = {"probe_queue: head",                 HEAD,   READ,   2, see_head, NULL},
                    {"probe_queue: cell",                 CELL,   READ,   2, probe, NULL},
    [SLEEP]       = {"pi_idle_sleep",                     IDLE,   LOCKED, 1, sleep_now, NULL},
                    {"queue_has_task: head",              HEAD,   READ,   1, see_head, NULL},
                    {"queue_has_task: cell",              CELL,   READ,   1, asleep, NULL},
};
/* clang-format on */

const struct protocol protocol_one_ring = {.take = 1, .rings = 1, .many = 1, .spin = 1, .wakes = 1};
const struct protocol protocol_today = {
    .take = 1, .many = 1, .spin = 1, .wakes = 1, .stash = STASH_OF_POSSE};
const struct protocol protocol_batches = {
    .take = 1, .many = 64, .spin = 1, .wakes = 64, .stash = STASH_OF_POSSE};

void protocol_print(void)
{
    for (int i = 0; i < ROWS; i++)
        printf("%-36s %-8s %s\n", protocol_rows[i].mirrors, access_names[protocol_rows[i].access],
               place_names[protocol_rows[i].place]);
}
