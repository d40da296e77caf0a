/* batches.c - program threads that submit orders, and wait for them in all ways. */
#include "chaos.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES (4u << 20)

struct entry *next_entry(struct driver *driver, bool unseen)
{
    driver->unseen[driver->used] = unseen;
    return &driver->entries[driver->used++];
}

uint64_t loss_of(const struct driver *driver, uint64_t number)
{
    return (uint64_t)(driver->number + 1) << 40 | number;
}

/* ---- orders ---- */

static enum kind draw_kind(struct driver *driver)
{
    static const enum kind kinds[] = {PLAIN, PLAIN, PLAIN, PLAIN,  PLAIN,  FAILING,
                                      BIG,   SLOW,  SLOW,  NESTED, NESTED, LOCKED};
    if (driver->chaos->storm) {
        return PLAIN;
    }
    enum kind kind = kinds[below(&driver->random, COUNT(kinds))];
    return kind == NESTED && driver->chaos->flat ? PLAIN : kind;
}

/* What may be done to such an order: a slow one must be ended by somebody. */
static enum fate draw_fate(struct driver *driver, enum kind kind)
{
    enum fate fate = (enum fate)below(&driver->random, FATES);
    if (kind == SLOW) {
        return fate % 2 == 0 ? KILL : LIMIT;
    }
    return kind == PLAIN || fate == CANCEL || fate == AGAIN || fate == FORGET ? fate : LEAVE;
}

static uint32_t draw_bytes(struct driver *driver)
{
    return 100000u +
           below(&driver->random, below(&driver->random, 8) == 0 ? MOST_BYTES - 100000u : 200000u);
}

static void draw(struct driver *driver, struct bid *bid)
{
    struct chaos *chaos = driver->chaos;
    memset(bid, 0, sizeof *bid);
    bid->mortal = chaos->mortal;
    struct order *order = &bid->order;
    order->kind = draw_kind(driver);
    bid->fate = draw_fate(driver, order->kind);
    bid->retries = bid->fate == AGAIN ? 1 + (long)below(&driver->random, 5) : -1;
    order->entry = next_entry(driver, bid->fate == DETACH || bid->fate == FORGET);
    order->roster = chaos->roster;
    order->locked = chaos->locked;
    order->value = order->kind == NESTED ? 1 + below(&driver->random, 6) : mix(driver->random);
    bool longer = !chaos->storm && below(&driver->random, 4) == 0;
    order->work_us = below(&driver->random, longer ? 2000 : 100);
    order->die_after_us = chaos->arm_us != 0 ? 1 + below(&driver->random, chaos->arm_us) : 0;
    order->heeds = chaos->roster == NULL || below(&driver->random, 2) == 0;
    order->payload = order->kind == BIG ? draw_bytes(driver) : 0;
    order->reply = order->kind == BIG ? draw_bytes(driver) : 0;
}

static posse_status submit(struct driver *driver, struct bid *bid)
{
    const void *arg = &bid->order;
    if (bid->order.payload != 0) {
        memcpy(driver->bytes, &bid->order, sizeof bid->order);
        fill(driver->bytes + sizeof bid->order, bid->order.payload, bid->order.value);
        arg = driver->bytes;
    }
    posse_job job = {.struct_size = sizeof job,
                     .fn = obey_order,
                     .arg = arg,
                     .size = sizeof bid->order + bid->order.payload,
                     .name = "order",
                     .timeout_ms = bid->fate == LIMIT ? 1 + (long)below(&driver->random, 8) : 0,
                     .retries = bid->retries,
                     .flags = below(&driver->random, 4) == 0 ? POSSE_NO_WAIT : 0};
    return posse_submit_with(driver->chaos->pool, &job, bid->fate == DETACH ? NULL : &bid->future);
}

/* Gives one order; those that have a future are in `futures` and `owners`. */
static void give_order(struct driver *driver, struct bid *bid)
{
    draw(driver, bid);
    posse_status status = submit(driver, bid);
    if (status != POSSE_OK) {
        driver->unseen[bid->order.entry - driver->entries] = false;
        count(driver->chaos, STARVED, 1);
        if (status != POSSE_FULL && status != POSSE_NO_MEMORY) {
            (void)went_well(driver->chaos, "submit", status);
        }
        return;
    }
    count(driver->chaos, ACCEPTED, 1);
    if (bid->fate == FORGET) {
        posse_release(bid->future);
    } else if (bid->fate != DETACH) {
        driver->futures[driver->given] = bid->future;
        driver->owners[driver->given++] = bid;
    }
}

static void interfere(struct driver *driver)
{
    for (size_t i = 0; i < driver->given; i++) {
        struct bid *bid = driver->owners[i];
        bid->told = POSSE_TOO_LATE;
        if (bid->fate != CANCEL && bid->fate != KILL) {
            continue;
        }
        work_for(below(&driver->random, 300));
        bid->told = bid->fate == CANCEL ? posse_cancel(bid->future) : posse_kill(bid->future);
        if (bid->told != POSSE_TOO_LATE) {
            (void)went_well(driver->chaos, "cancel or kill", bid->told);
        }
    }
}

/* ---- ways of waiting ---- */

static void wait_for_each(struct driver *driver)
{
    for (size_t i = 0; i < driver->given; i++) {
        (void)went_well(driver->chaos, "exception",
                        posse_exception(driver->futures[i], HANG_MS, NULL));
    }
}

/* The first, perhaps, and then all. */
static void wait_for_all(struct driver *driver)
{
    size_t done;
    posse_when when = (posse_when)below(&driver->random, 3);
    posse_status first = posse_wait(driver->futures, driver->given, when, HANG_MS, NULL, &done);
    if (went_well(driver->chaos, "wait", first) && done == 0 && driver->given > 0) {
        blame(driver->chaos, "wait (%d): none is done", when);
    }
    posse_status all =
        posse_wait(driver->futures, driver->given, POSSE_ALL_COMPLETED, HANG_MS, NULL, &done);
    if (went_well(driver->chaos, "wait for all", all) && done != driver->given) {
        blame(driver->chaos, "wait: %zu of %zu are done", done, driver->given);
    }
}

static int announce(posse_future future, void *context)
{
    struct bid *bid = context;
    bool its = memcmp(&future, &bid->future, sizeof future) == 0;
    atomic_fetch_add(&bid->announced, its && (bid->mortal || posse_done(future)) ? 1 : 100);
    return 0;
}

static void take_as_completed(struct driver *driver)
{
    posse_completed *completed = NULL;
    posse_status status = posse_as_completed(driver->futures, driver->given, HANG_MS, &completed);
    posse_future future;
    size_t index;
    while (status == POSSE_OK) {
        status = posse_completed_next(completed, &future, &index);
        if (status == POSSE_OK) {
            announce(future, driver->owners[index]);
        }
    }
    posse_completed_close(completed);
    (void)went_well(driver->chaos, "as_completed", status == POSSE_END ? POSSE_OK : status);
}

static bool all_announced(const struct driver *driver)
{
    for (size_t i = 0; i < driver->given; i++) {
        if (atomic_load(&driver->owners[i]->announced) == 0) {
            return false;
        }
    }
    return true;
}

static void be_called_back(struct driver *driver)
{
    for (size_t i = 0; i < driver->given; i++) {
        posse_status status =
            posse_add_done_callback(driver->futures[i], announce, driver->owners[i]);
        if (!went_well(driver->chaos, "add_done_callback", status)) {
            driver->owners[i]->announced = 1;
        }
    }
    wait_for_each(driver);
    for (long end = now_ms() + HANG_MS; !all_announced(driver) && now_ms() < end;) {
        pause_ms(1);
    }
}

static void take_completions(struct driver *driver)
{
    struct pollfd fd = {.fd = posse_completions_fd(driver->completions), .events = POLLIN};
    for (size_t i = 0; i < driver->given; i++) {
        posse_status status =
            posse_completions_add(driver->completions, driver->futures[i], driver->owners[i]);
        if (!went_well(driver->chaos, "completions_add", status)) {
            driver->owners[i]->announced = 1;
        }
    }
    for (long end = now_ms() + HANG_MS; !all_announced(driver) && now_ms() < end;) {
        posse_completion taken[4];
        if (poll(&fd, 1, 1000) <= 0) {
            continue;
        }
        size_t n = posse_completions_take(driver->completions, taken, COUNT(taken));
        for (size_t i = 0; i < n; i++) {
            announce(taken[i].future, taken[i].context);
        }
    }
}

static void wait_somehow(struct driver *driver)
{
    static void (*const ways[])(struct driver *) = {wait_for_each, wait_for_all, take_as_completed,
                                                    be_called_back, take_completions};
    size_t way = below(&driver->random, COUNT(ways));
    ways[way](driver);
    for (size_t i = 0; i < driver->given; i++) {
        int announced = atomic_load(&driver->owners[i]->announced);
        char how[200];
        bool fits = announced == (way >= 2) || (announced == 0 && driver->chaos->broken);
        if (!fits) {
            posse_describe(driver->futures[i], how, sizeof how);
            blame(driver->chaos, "way %zu: future %zu (%s) was announced %d times", way, i, how,
                  announced);
        }
    }
}

void play_batch(struct driver *driver)
{
    size_t n = 1 + below(&driver->random, MOST_ORDERS);
    driver->given = 0;
    for (size_t i = 0; i < n; i++) {
        give_order(driver, &driver->bids[i]);
    }
    interfere(driver);
    wait_somehow(driver);
    for (size_t i = 0; i < driver->given; i++) {
        judge(driver, driver->owners[i]);
    }
    count(driver->chaos, BATCHES, 1);
}

/* ---- a thread ---- */

bool driver_begin(struct driver *driver)
{
    void *entries = NULL;
    driver->bytes = malloc(sizeof(struct order) + MOST_BYTES);
    driver->unseen = calloc(ENTRIES, sizeof *driver->unseen);
    if (driver->bytes == NULL || driver->unseen == NULL ||
        posse_alloc(driver->chaos->pool, ENTRIES * sizeof *driver->entries, &entries) != POSSE_OK ||
        posse_completions_create(&driver->completions) != POSSE_OK) {
        return false;
    }
    driver->entries = memset(entries, 0, ENTRIES * sizeof *driver->entries);
    return true;
}

void driver_end(struct driver *driver)
{
    posse_completions_destroy(driver->completions);
    (void)went_well(driver->chaos, "free", posse_free(driver->chaos->pool, driver->entries));
    free(driver->unseen);
    free(driver->bytes);
}

void *drive(void *argument)
{
    struct driver *driver = argument;
    struct chaos *chaos = driver->chaos;
    while (now_ms() < chaos->end_ms && !atomic_load(&chaos->faults) &&
           !atomic_load(&chaos->broken) && driver->used + 1000 < ENTRIES) {
        uint32_t what = chaos->storm ? 11 : below(&driver->random, 12);
        if (what == 0 && !chaos->flat) {
            play_map(driver);
        } else if (what == 1 && !chaos->flat) {
            play_belt(driver);
        } else if (what == 2) {
            play_memory(driver);
        } else {
            play_batch(driver);
        }
    }
    return NULL;
}
