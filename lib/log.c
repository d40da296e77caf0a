/* Runs in: program.
 *
 * The log: tells options.log what no call reports (posse_log.h). What happens elsewhere comes by
 * way of pool/report.h, and the log's thread sleeps until something has come. Without workers each
 * thread that submits tells what its own task has left.
 *
 * The thread never looks by itself: each finisher posts its parker, and after a death the
 * supervisor posts all parkers. Nobody waits for this thread but posse_destroy.
 */
#include "log.h"
#include "base/utf8.h"
#include "internal.h"
#include "os/clock.h"
#include "os/process.h"
#include "os/thread.h"
#include "os/unwind.h"
#include "pool/backend.h"
#include "pool/finish.h"
#include "os/semaphore.h"
#include "pool/park.h"
#include "pool/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A log that a thread tells. */
struct frame {
    posse_executor *executor;
    const struct frame *outer;
};

struct pi_log {
    void (*hook)(void *context, const posse_log_record *record);
    void *context;
    uint32_t parker; /* PI_NO_INDEX: none yet */
    bool started;    /* the thread */
    pthread_t thread;
    /* The thread before it, if options.log has ended that one and it is not joined yet. By the
     * thread alone. */
    bool has_ended;
    pthread_t ended_thread;
    struct pi_os_semaphore all_told;    /* posted when the thread has nothing more to do */
    _Atomic bool ending;                /* seq: before the post that wakes the thread */
    _Atomic bool told_broken;           /* seq: it is told once */
    uint64_t told_events, told_dropped; /* by the thread alone */
    struct frame frame;                 /* of the thread, until it is joined */
};

static _Thread_local const struct frame *innermost;

/* ---- telling ---- */

static posse_log_level level_of(posse_log_event event)
{
    switch (event) {
    case POSSE_LOG_WORKER_REPLACED: return POSSE_LOG_INFO;
    case POSSE_LOG_BROKEN: return POSSE_LOG_ERROR;
    default: return POSSE_LOG_WARNING;
    }
}

static void tell(const struct pi_log *log, posse_log_record record)
{
    record.struct_size = sizeof record;
    record.level = level_of(record.event);
    log->hook(log->context, &record);
}

void pi_log_say(posse_executor *e, posse_log_event event, const char *format, ...)
{
    char text[160];
    va_list arguments;
    if (!e->log)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    bool made = event != POSSE_LOG_THREADS;
    tell(e->log, (posse_log_record){
                     .event = event, .executor = made ? e : NULL, .message = text, .worker = -1});
}

/* The words of a task may be a stranger's: neither lines nor what a terminal would obey. */
static void tell_error(posse_executor *e, posse_log_event event, const posse_error *error)
{
    char line[sizeof error->message];
    pi_utf8_clean(line, sizeof line, error->message, sizeof line);
    tell(e->log, (posse_log_record){
                     .event = event, .executor = e, .message = line, .worker = -1, .error = error});
}

/* ---- tasks ---- */

static void tell_task(posse_executor *e, uint32_t index)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    uint64_t word = pi_load_seq(&slot->word); /* with pi_slot_transition */
    posse_error error;
    if (!pi_is_for_log(e, word) || pi_slot_is_grouped(slot)) /* its group looks first */
        return;
    pi_see_blocks(e); /* its message may be in one */
    pi_error_of_task(e, &(struct pi_seen){.slot = slot, .word = word}, &error);
    if (pi_discard(e, index, word)) /* else another thread tells it */
        tell_error(e, POSSE_LOG_TASK_FAILED, &error);
}

static void tell_all_tasks(posse_executor *e)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t count = pi_slots_count(slots);
    for (uint32_t i = 0; pi_slots_next(slots, count, &i); i++)
        tell_task(e, i);
}

static void tell_tasks(posse_executor *e)
{
    struct pi_slots *slots = &e->segment.slots;
    struct pi_parker *parker = &e->segment.parkers.at[e->log->parker];
    uint32_t slot, count = pi_slots_count(slots), steps = 0;
    bool broken;
    /* seq, both: before the list is taken. With pi_wake_all_parkers and ask_for_rescan. */
    bool rescan = pi_load_seq(&parker->rescan) && pi_exchange_seq(&parker->rescan, 0);
    pi_done_ref at = pi_done_list_take(parker);
    while (steps <= count && pi_done_list_next(slots, count, &at, &slot, &broken)) {
        tell_task(e, slot);
        steps++;
    }
    if (rescan || broken || steps > count) /* more: a task has made the chain a ring */
        tell_all_tasks(e);
}

/* ---- workers ---- */

/* With its task, whose name may be a stranger's words. */
static void tell_loss(posse_executor *e, const struct pi_worker_event *event)
{
    const struct pi_death *death = &event->death;
    char line[sizeof(posse_error) + sizeof event->name], name[sizeof event->name];
    posse_error error = {.struct_size = sizeof error,
                         .status = death->forbidden ? POSSE_FORBIDDEN : POSSE_WORKER_LOST};
    posse_log_record record = {.event = POSSE_LOG_WORKER_LOST,
                               .executor = e,
                               .message = line,
                               .worker = event->worker,
                               .error = &error};
    pi_error_of_death(death, &error);
    pi_utf8_clean(name, sizeof name, event->name, sizeof name);
    snprintf(line, sizeof line, "%s", error.message);
    if (event->task) {
        record.task = (posse_future){e, event->task - 1, event->generation};
        memcpy(record.task_name, event->name, sizeof record.task_name - 1);
        snprintf(line, sizeof line, "%s; it ran task%s%s (slot %u, generation %u)", error.message,
                 *name ? " " : "", name, event->task - 1, event->generation);
    }
    tell(e->log, record);
}

static void tell_worker(posse_executor *e, const struct pi_worker_event *event)
{
    if (event->kind == PI_WORKER_LOST) {
        tell_loss(e, event);
        return;
    }
    tell(e->log, (posse_log_record){.event = POSSE_LOG_WORKER_REPLACED,
                                    .executor = e,
                                    .message = "a worker was started in the place of a lost one",
                                    .worker = event->worker});
}

static void tell_workers(posse_executor *e)
{
    struct pi_log *log = e->log;
    struct pi_worker_events *events = &e->segment.header->events;
    struct pi_worker_event event;
    while (pi_worker_events_take(events, &log->told_events, &event))
        tell_worker(e, &event);
    uint64_t dropped = pi_load_relaxed(&events->dropped); /* relaxed: a number */
    if (dropped == log->told_dropped)
        return;
    pi_log_say(e, POSSE_LOG_DROPPED, "%llu records of workers were dropped, as the log was slow",
               (unsigned long long)(dropped - log->told_dropped));
    log->told_dropped = dropped;
}

static void tell_break(posse_executor *e)
{
    posse_error error;
    /* seq: of threads without workers one tells it */
    if (pi_phase_of(e) < PI_DEAD || atomic_exchange(&e->log->told_broken, true))
        return;
    pi_error_of_break(e, &error);
    tell_error(e, POSSE_LOG_BROKEN, &error);
}

/* options.log does not return: the rest of the list is found by a rescan. */
static void leave(void *context)
{
    const struct frame *frame = context;
    posse_executor *e = frame->executor;
    pi_store_seq(&e->segment.parkers.at[e->log->parker].rescan, 1); /* with tell_tasks */
    innermost = frame->outer;
}

void pi_log_deliver(posse_executor *e)
{
    if (!e->log_parker)
        return;
    struct frame frame = {e, innermost};
    innermost = &frame;
    PI_OS_IF_LEFT(leave, &frame);
    tell_tasks(e);
    tell_break(e);
    PI_OS_END_IF_LEFT;
    innermost = frame.outer;
}

/* ---- the thread ---- */

static void deliver_all(posse_executor *e)
{
    tell_workers(e);
    pi_log_deliver(e);
}

static void *tell_until_end(void *executor);

static void join_ended(struct pi_log *log)
{
    if (log->has_ended)
        pi_os_thread_join(log->ended_thread);
    log->has_ended = false;
}

/* options.log ends the thread. Another thread goes on; if none can be started, this one does. */
static void go_on(void *executor)
{
    posse_executor *e = executor;
    struct pi_log *log = e->log;
    join_ended(log);
    log->ended_thread = pthread_self();
    log->has_ended = true; /* before the next thread begins */
    if (pi_os_thread_create(&log->thread, tell_until_end, e) == 0)
        return;
    log->has_ended = false;
    (void)tell_until_end(e);
}

static void *tell_until_end(void *executor)
{
    posse_executor *e = executor;
    struct pi_log *log = e->log;
    struct pi_parker *parker = &e->segment.parkers.at[log->parker];
    bool ending;
    pi_os_set_name("posse-log");
    innermost = &log->frame;
    PI_OS_IF_LEFT(go_on, e);
    while (ending = atomic_load(&log->ending), deliver_all(e), !ending) /* with pi_log_destroy */
        (void)pi_os_semaphore_wait(&parker->wake, PI_NEVER);
    PI_OS_END_IF_LEFT;
    join_ended(log);
    pi_os_semaphore_post(&log->all_told);
    return NULL;
}

bool pi_log_calls(const posse_executor *e)
{
    const struct frame *frame = innermost;
    while (frame && frame->executor != e)
        frame = frame->outer;
    return frame != NULL;
}

/* ---- opening and closing ---- */

posse_status pi_log_create(posse_executor *e, const posse_options *options)
{
    if (!options->log)
        return POSSE_OK;
    e->log = calloc(1, sizeof *e->log);
    if (!e->log)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    *e->log = (struct pi_log){
        .hook = options->log, .context = options->log_context, .parker = PI_NO_INDEX};
    e->log->frame.executor = e;
    return POSSE_OK;
}

posse_status pi_log_open(posse_executor *e)
{
    if (!e->log)
        return POSSE_OK;
    uint32_t index = pi_park_acquire(e, e->owner);
    if (index == PI_NO_INDEX)
        return pi_failure(PI_NO_SHARED);
    struct pi_parker *parker = &e->segment.parkers.at[index];
    e->log->parker = index;
    e->log_parker = index + 1;
    pi_store_seq(&parker->collects, 1); /* no other process is there yet */
    return POSSE_OK;
}

posse_status pi_log_start(posse_executor *e)
{
    if (!e->log || !e->backend->spawn)
        return POSSE_OK;
    int error = pi_os_thread_create(&e->log->thread, tell_until_end, e);
    e->log->started = error == 0;
    return pi_refuse_errno(error, "the thread of the log cannot be started");
}

void pi_log_destroy(posse_executor *e)
{
    struct pi_log *log = e->log;
    if (!log)
        return;
    atomic_store(&log->ending, true); /* seq: with tell_until_end */
    if (log->started) {               /* only after the post it is known which thread is the last */
        pi_os_semaphore_post(&e->segment.parkers.at[log->parker].wake);
        (void)pi_os_semaphore_wait(&log->all_told, PI_NEVER);
        pi_os_thread_join(log->thread);
    }
    free(log);
    e->log = NULL;
    e->log_parker = 0;
}
