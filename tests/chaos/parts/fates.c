/* fates.c - whether each order ended as it may. */
#include "burdens.h"
#include "chaos.h"
#include "tales.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void wrong(struct driver *driver, const struct bid *bid, const posse_error *error,
                  const char *what)
{
    const struct entry *entry = bid->order.entry;
    blame(driver->chaos,
          "thread %d, order %ld: %s (kind %d, fate %d, retries %ld, told %s; %s, code %d, pid %ld, "
          "attempt %d, %u runs, %u nodes; %s)",
          driver->number, (long)(entry - driver->entries), what, bid->order.kind, bid->fate,
          bid->retries, posse_status_name(bid->told), posse_status_name(error->status), error->code,
          error->pid, error->attempt, atomic_load(&entry->runs), atomic_load(&entry->nodes),
          error->message);
}

static bool gift_is_right(const struct bid *bid, const void *data, size_t size)
{
    void *memory = NULL;
    if (size != sizeof memory)
        return false;
    memcpy(&memory, data, sizeof memory);
    return is_filled(memory, GIFT_SIZE, bid->order.value) &&
           posse_free(bid->future.executor, memory) == POSSE_OK;
}

static bool result_is_right(const struct bid *bid)
{
    const struct order *order = &bid->order;
    static const uint64_t fib[] = {0, 1, 1, 2, 3, 5, 8, 13, 21};
    const void *data = NULL;
    size_t size = 0;
    if (posse_result(bid->future, 0, &data, &size) != POSSE_OK)
        return false;
    if (order->kind == BIG)
        return size == order->reply && is_filled(data, size, ~order->value);
    if (order->kind == GIFT)
        return gift_is_right(bid, data, size);
    uint64_t expected = order->kind == NESTED ? fib[order->value] : mix(order->value);
    return size == sizeof expected && *(const uint64_t *)data == expected;
}

/* With a result: run once, or once an attempt; and so was each task of its tree. */
static const char *judge_result(const struct bid *bid, const posse_error *error)
{
    const struct order *order = &bid->order;
    uint32_t runs = atomic_load(&order->entry->runs), nodes = atomic_load(&order->entry->nodes);
    uint32_t tree = order->kind == NESTED ? nodes_of(order->value) : 0;
    if ((order->kind == SLOW && !bid->graced) || order->kind == FAILING)
        return "it has a result";
    if (runs == 0 || error->attempt < 1 || (error->attempt == 1 && runs != 1))
        return "it did not run once";
    if (error->attempt == 1 ? nodes != tree : nodes < tree)
        return "its tree did not run once";
    return order->kind == SLOW || result_is_right(bid) ? NULL : "its result is wrong";
}

static const char *judge_failure(struct driver *driver, const struct bid *bid,
                                 const posse_error *error, uint64_t loss)
{
    const struct order *order = &bid->order;
    const char *said = error->message + strlen("order: "); /* behind the name of its job */
    if (error->code == NO_ROOM && order->kind == BIG) {
        count(driver->chaos, STARVED, 1);
        return NULL;
    }
    if (bid->mortal && strstr(error->message, "POSSE_BROKEN") != NULL)
        return NULL;
    if (order->kind == NESTED && error->code == WRONG_END && cancels(driver->chaos) &&
        (strstr(error->message, "POSSE_CANCELLED") != NULL ||
         strstr(error->message, "POSSE_SHUT_DOWN") != NULL))
        return NULL;
    if (error->code == LOST_INSIDE && order->kind == NESTED) {
        return explained(driver->chaos, atol(said), loss) ? NULL
                                                          : "no death explains the loss inside";
    }
    if (order->kind != FAILING || error->code != FAILS_SO ||
        strtoull(said, NULL, 16) != order->value)
        return "it failed otherwise than it should";
    return atomic_load(&order->entry->runs) == 0 ? "it failed without a run" : NULL;
}

static const char *judge_cancelled(struct driver *driver, const struct bid *bid,
                                   const posse_error *error)
{
    if (bid->told != POSSE_OK)
        return cancels(driver->chaos) ? NULL : "nobody cancelled it";
    bool ran = bid->fate == CANCEL && atomic_load(&bid->order.entry->runs) != 0;
    return ran && error->attempt <= 1 ? "it was cancelled, and ran" : NULL;
}

static const char *judge_end(struct driver *driver, const struct bid *bid, const posse_error *error,
                             uint64_t loss)
{
    if (bid->told == POSSE_OK && error->status != POSSE_CANCELLED && !bid->graced)
        return "it was cancelled, and ended otherwise";
    switch (error->status) {
    case POSSE_OK: return judge_result(bid, error);
    case POSSE_TASK_FAILED: return judge_failure(driver, bid, error, loss);
    case POSSE_CANCELLED: return judge_cancelled(driver, bid, error);
    case POSSE_DEADLINE: return bid->fate == LIMIT ? NULL : "it had no deadline";
    case POSSE_WORKER_LOST:
        return explained(driver->chaos, error->pid, loss) ? NULL : "no death explains its loss";
    default: return "it ended in no way that there is";
    }
}

static const char *judge_runs(struct driver *driver, const struct bid *bid,
                              const posse_error *error)
{
    long most = bid->retries > 0 ? 1 + bid->retries : 1;
    long runs = (long)atomic_load(&bid->order.entry->runs);
    if (error->attempt > most || runs > most)
        return "it ran too often";
    /* a thread's task may have ended before it began, and notice that later */
    bool more = driver->chaos->roster != NULL && runs > error->attempt;
    return more ? "it ran more often than it was tried" : NULL;
}

void apply_loss_policy(struct driver *driver, struct bid *bid)
{
    struct entry *entry = bid->order.entry;
    posse_error error = {.struct_size = sizeof error};
    posse_status status = posse_exception(bid->future, 0, &error);
    uint64_t loss = loss_of(driver, (uint64_t)(entry - driver->entries));
    bool ended = went_well(driver->chaos, "its end", status);
    const char *what = ended ? judge_end(driver, bid, &error, loss) : NULL;
    what = what == NULL && ended ? judge_runs(driver, bid, &error) : what;
    what = what == NULL && ended ? judge_messages(bid, &error) : what;
    what = what == NULL && ended ? judge_report(driver, bid, &error) : what;
    if (what != NULL)
        wrong(driver, bid, &error, what);
    count(driver->chaos, ended_with(ended ? error.status : status), 1);
    count(driver->chaos, LOCKED_WELL,
          ended && error.status == POSSE_OK && bid->order.kind == LOCKED);
    count(driver->chaos, TRIED_AGAIN, error.attempt > 1 ? error.attempt - 1 : 0);
    (void)went_well(driver->chaos, "release", posse_release(bid->future));
}
