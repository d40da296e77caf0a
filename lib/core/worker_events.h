/* worker_events.h - the last deaths and starts of workers, until the log of the program has them.
 *
 * Runs in: program, supervisor. A ring with one writer, the supervisor, and one reader, the
 * program's thread for the log (log.c). If it is full, the writer only counts what it drops.
 *
 *   field     changed by              a death right after it
 *   at[k]     the supervisor          the executor is broken: no worker dies or starts any more
 *   written   the supervisor          the same
 *   dropped   the supervisor          the same
 *   taken     the program             all is gone
 *
 * The reader keeps its own count of what it has taken. What it reads is copied, and used as numbers
 * that are shown. So a task that overwrites the ring changes texts, or drops some, and no more.
 */
#pragma once

#include "core/details.h"
#include "core/slot.h"

#define PI_WORKER_EVENTS 32u

enum pi_worker_event_kind { PI_WORKER_LOST = 1, PI_WORKER_REPLACED };

struct pi_worker_event {
    uint32_t kind; /* enum pi_worker_event_kind */
    uint32_t worker;
    /* Of LOST: */
    struct pi_death death;
    uint32_t task, generation; /* 1 + the slot of the task that it ran, 0: none */
    char name[PI_NAME_SIZE];   /* of its job */
};

struct pi_worker_events {
    _Atomic uint64_t written; /* release, with the acquire of the reader */
    _Atomic uint64_t taken;   /* release, with the acquire of the writer: it may use the place */
    _Atomic uint64_t dropped; /* relaxed: a number that is shown */
    struct pi_worker_event at[PI_WORKER_EVENTS];
};

/* Supervisor. */
void pi_worker_events_put(struct pi_worker_events *events, const struct pi_worker_event *event);
/* Program: gives event number *taken, and counts it. False: there is none yet. */
bool pi_worker_events_take(struct pi_worker_events *events, uint64_t *taken,
                           struct pi_worker_event *event);
