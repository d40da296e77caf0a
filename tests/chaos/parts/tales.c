/* tales.c - what tasks tell and what is told of them: messages, groups, a function in each worker,
 * a trace.
 *
 * A message comes whole, in its order, or not at all; of the attempt that gave a result all came. A
 * group has none left once its wait says so, and its status fits its tasks. A broadcast runs once
 * at most in a worker. A trace is whole.
 */
#include "tales.h"

#include <posse_progress.h>
#include <posse_trace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- messages ---- */

struct message {
    uint64_t value; /* of its order */
    uint32_t attempt, number;
    char bytes[120];
};

/* Thread backend: the future of a late task has ended. */
bool tell_messages(posse_task *task, const struct order *order)
{
    posse_status status = POSSE_OK;
    struct message message = {order->value, (uint32_t)posse_task_attempt(task), 0, ""};
    for (; message.number < order->messages && status == POSSE_OK; message.number++) {
        fill(message.bytes, sizeof message.bytes, order->value + message.number);
        status = posse_task_emit(task, &message, sizeof message);
    }
    return status == POSSE_OK || status == POSSE_TOO_LATE;
}

static const char *judge_message(const struct message *m, const struct message *before,
                                 const struct order *order)
{
    if (m->value != order->value || m->number >= order->messages ||
        !is_filled(m->bytes, sizeof m->bytes, m->value + m->number))
        return "a message is not whole";
    bool follows = m->attempt == before->attempt ? m->number == before->number + 1
                                                 : m->attempt > before->attempt && m->number == 0;
    return follows ? NULL : "a message is missing, or out of its order";
}

const char *judge_messages(const struct bid *bid, const posse_error *error)
{
    struct message message, last = {.number = UINT32_MAX};
    size_t size = 0;
    posse_status status = POSSE_OK;
    if (bid->order.messages == 0)
        return NULL;
    while ((status = posse_next_message(bid->future, 0, &message, sizeof message, &size)) ==
           POSSE_OK) {
        const char *what = size != sizeof message ? "a message has another size"
                                                  : judge_message(&message, &last, &bid->order);
        if (what != NULL)
            return what;
        last = message;
    }
    if (status != POSSE_END)
        return bid->mortal && status == POSSE_BROKEN ? NULL : "messages do not end";
    bool all = last.attempt == (uint32_t)error->attempt && last.number + 1 == bid->order.messages;
    return error->status != POSSE_OK || all ? NULL : "messages are missing";
}

/* ---- groups ---- */

/* For some batches. */
void open_group(struct driver *driver)
{
    posse_group_options options = {.struct_size = sizeof options,
                                   .max_running = (long)below(&driver->random, 4)};
    driver->group = NULL;
    if (below(&driver->random, 3) != 0)
        return;
    posse_status status = posse_group_create(driver->chaos->pool, &options, &driver->group);
    (void)was_let_in(driver->chaos, "group_create", status);
}

static bool all_have_results(const struct driver *driver)
{
    bool all = true;
    for (size_t i = 0; i < driver->given; i++) {
        posse_error error = {.struct_size = sizeof error};
        all &=
            posse_exception(driver->futures[i], 0, &error) == POSSE_OK && error.status == POSSE_OK;
    }
    return all;
}

/* All that the program saw of its tasks has ended; others may have no future. */
void close_group(struct driver *driver)
{
    struct chaos *chaos = driver->chaos;
    if (driver->group == NULL)
        return;
    posse_status status = posse_group_wait(driver->group, patience(chaos));
    bool ended = status == POSSE_TASK_FAILED || status == POSSE_WORKER_LOST ||
                 status == POSSE_DEADLINE || status == POSSE_CANCELLED;
    if (!ended)
        (void)was_let_in(chaos, "group_wait", status);
    if ((ended || status == POSSE_OK) && posse_group_left(driver->group) != 0)
        blame(chaos, "%zu tasks of a group are left", posse_group_left(driver->group));
    if (status == POSSE_OK && !all_have_results(driver))
        blame(chaos, "a group ended well, and not all of its tasks");
    (void)went_well(chaos, "group_destroy", posse_group_destroy(driver->group));
    count(chaos, GROUPS, 1);
}

/* ---- a function in each worker ---- */

struct visit {
    struct entry *entry;
    struct roster *roster;
};

static int visit_task(posse_task *task, const void *arg, size_t size)
{
    const struct visit *visit = arg;
    meet(visit->roster, 0);
    atomic_fetch_add(&visit->entry->runs, 1);
    return 0;
}

void play_broadcast(struct driver *driver)
{
    struct visit visit = {next_entry(driver, false), driver->chaos->roster};
    posse_broadcast_job job = {.struct_size = sizeof job,
                               .fn = visit_task,
                               .arg = &visit,
                               .size = sizeof visit,
                               .timeout_ms = patience(driver->chaos)};
    size_t n = 0;
    posse_status status = posse_broadcast(driver->chaos->pool, &job, &n);
    uint32_t runs = atomic_load(&visit.entry->runs);
    bool lost = status == POSSE_WORKER_LOST && driver->chaos->roster != NULL;
    if (!lost)
        (void)was_let_in(driver->chaos, "broadcast", status);
    if ((lost || status == POSSE_OK) && (runs > n || (!lost && runs < n)))
        blame(driver->chaos, "%s: a function ran %u times in %zu workers",
              posse_status_name(status), runs, n);
    count(driver->chaos, BROADCASTS, 1);
}

/* ---- a trace ---- */

static void name_trace(const struct chaos *chaos, char path[64])
{
    snprintf(path, 64, "/tmp/posse-chaos-%ld-%p", (long)getpid(), (const void *)chaos);
}

void begin_trace(struct chaos *chaos)
{
    char path[64];
    name_trace(chaos, path);
    if (chaos->traced)
        (void)went_well(chaos, "trace_start",
                        posse_trace_start(chaos->pool, path, POSSE_TRACE_JSON));
}

/* Its braces match, and the last one closes it. No name in it has any. */
static bool is_whole(const char *path)
{
    long depth = 0, ends = 0;
    int letter;
    FILE *file = fopen(path, "re");
    while (file != NULL && (letter = fgetc(file)) != EOF) {
        depth += (letter == '{') - (letter == '}');
        ends += letter == '}' && depth == 0;
    }
    if (file != NULL)
        fclose(file);
    return file != NULL && depth == 0 && ends == 1;
}

void end_trace(struct chaos *chaos)
{
    char path[64];
    name_trace(chaos, path);
    if (!chaos->traced)
        return;
    posse_status status = posse_trace_stop(chaos->pool); /* also of a broken pool */
    if (status != POSSE_OK || !is_whole(path))
        blame(chaos, "a trace: %s, or it is not whole", posse_status_name(status));
    (void)unlink(path);
    chaos->traced = false;
}
