/* batches.c - program threads that submit orders, and wait for them in all ways. */
#include "burdens.h"
#include "chaos.h"
#include "tales.h"

#include <stdlib.h>
#include <string.h>

#define MAX_BYTES MAX_REPLY

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
    static const enum kind kinds[] = {PLAIN, PLAIN, PLAIN,  PLAIN,  PLAIN,  FAILING, BIG,
                                      SLOW,  SLOW,  NESTED, NESTED, LOCKED, GIFT};
    if (driver->chaos->storm)
        return PLAIN;
    enum kind kind = kinds[below(&driver->random, COUNT(kinds))];
    if (driver->chaos->guard == FRESH && (kind == NESTED || kind == LOCKED || kind == GIFT))
        return PLAIN;
    if (kind == GIFT && driver->chaos->roster != NULL)
        return LOCKED; /* what a worker gave dies with it */
    return kind == NESTED && driver->chaos->flat ? PLAIN : kind;
}

/* What may be done to such an order: a slow one must be ended by somebody. */
static enum fate draw_fate(struct driver *driver, enum kind kind)
{
    enum fate fate = (enum fate)below(&driver->random, FATES);
    if (kind == SLOW)
        return fate % 2 == 0 ? KILL : LIMIT;
    if (kind == GIFT)
        return LEAVE;
    return kind == PLAIN || fate == CANCEL || fate == AGAIN || fate == FORGET ? fate : LEAVE;
}

static uint32_t draw_bytes(struct driver *driver)
{
    return 100000u +
           below(&driver->random, below(&driver->random, 8) == 0 ? MAX_BYTES - 100000u : 200000u);
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
    order->fresh = chaos->guard == FRESH;
    bool heard = order->kind == PLAIN && chaos->guard != FRESH && bid->fate != DETACH &&
                 bid->fate != FORGET && below(&driver->random, 3) == 0;
    order->messages = heard ? 1 + below(&driver->random, 5) : 0;
    order->roster = chaos->roster;
    order->locked = chaos->locked;
    order->value = order->kind == NESTED ? 1 + below(&driver->random, 6) : mix(driver->random);
    bool longer = !chaos->storm && below(&driver->random, 4) == 0;
    order->work_us = below(&driver->random, longer ? 2000 : 100);
    order->die_after_us = chaos->arm_us != 0 ? 1 + below(&driver->random, chaos->arm_us) : 0;
    order->heeds = chaos->roster == NULL || below(&driver->random, 2) == 0;
    order->payload = order->kind == BIG ? draw_bytes(driver) : 0;
    order->reply = order->kind == BIG ? draw_bytes(driver) : 0;
    draw_burden(driver, bid);
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
                     .group = driver->group,
                     .timeout_ms = bid->fate == LIMIT ? 1 + (long)below(&driver->random, 8) : 0,
                     .retries = bid->retries,
                     /* not for ever: all workers may have a slow one that we are to kill */
                     .queue_timeout_ms = 1 + (long)below(&driver->random, 50),
                     .flags = below(&driver->random, 4) == 0 ? POSSE_NO_WAIT : 0,
                     .priority = (long)below(&driver->random, 3) + POSSE_PRIORITY_LOW};
    load_job(driver->chaos, bid, &job);
    return posse_submit_with(driver->chaos->pool, &job, bid->fate == DETACH ? NULL : &bid->future);
}

/* Lets others wait for it as well. */
static void show(struct driver *driver, posse_future future)
{
    pthread_mutex_lock(&driver->chaos->lock);
    driver->chaos->shown = future;
    pthread_mutex_unlock(&driver->chaos->lock);
}

/* Gives one order; those that have a future are in `futures` and `owners`. */
static void give_order(struct driver *driver, struct bid *bid)
{
    draw(driver, bid);
    posse_status status = submit(driver, bid);
    if (status != POSSE_OK) {
        driver->unseen[bid->order.entry - driver->entries] = false;
        count(driver->chaos, STARVED, 1);
        if (status != POSSE_FULL && status != POSSE_TIMEOUT && status != POSSE_NO_MEMORY)
            (void)was_let_in(driver->chaos, "submit", status);
        return;
    }
    count(driver->chaos, ACCEPTED, 1);
    if (bid->fate == FORGET) {
        posse_release(bid->future);
    } else if (bid->fate != DETACH) {
        show(driver, bid->future);
        driver->futures[driver->given] = bid->future;
        driver->owners[driver->given++] = bid;
    }
}

static void interfere(struct driver *driver)
{
    for (size_t i = 0; i < driver->given; i++) {
        struct bid *bid = driver->owners[i];
        bid->told = POSSE_TOO_LATE;
        if (bid->fate != CANCEL && bid->fate != KILL)
            continue;
        work_for(below(&driver->random, 300));
        bid->told = bid->fate == CANCEL ? posse_cancel(bid->future) : posse_kill(bid->future);
        if (bid->told != POSSE_TOO_LATE)
            (void)went_well(driver->chaos, "cancel or kill", bid->told);
    }
}

void play_batch(struct driver *driver)
{
    size_t n = 1 + below(&driver->random, MAX_ORDERS);
    driver->given = 0;
    open_group(driver);
    for (size_t i = 0; i < n; i++)
        give_order(driver, &driver->bids[i]);
    interfere(driver);
    wait_somehow(driver);
    close_group(driver);
    for (size_t i = 0; i < driver->given; i++)
        apply_loss_policy(driver, driver->owners[i]);
    count(driver->chaos, BATCHES, 1);
}

/* ---- a thread ---- */

/* Tasks see them. */
static void *make_entries(struct driver *driver)
{
    void *entries = NULL;
    size_t size = ENTRIES * sizeof *driver->entries;
    if (driver->chaos->guard == FRESH)
        return driver->chaos->entries + driver->number * ENTRIES;
    return posse_alloc(driver->chaos->pool, size, &entries) == POSSE_OK ? entries : NULL;
}

bool driver_begin(struct driver *driver)
{
    void *entries = make_entries(driver);
    driver->bytes = malloc(sizeof(struct order) + MAX_BYTES);
    driver->unseen = calloc(ENTRIES, sizeof *driver->unseen);
    if (driver->bytes == NULL || driver->unseen == NULL || entries == NULL ||
        posse_completion_queue_create(&driver->completions) != POSSE_OK)
        return false;
    driver->entries = memset(entries, 0, ENTRIES * sizeof *driver->entries);
    return true;
}

void driver_end(struct driver *driver)
{
    posse_completion_queue_destroy(driver->completions);
    bool of_pool = driver->chaos->guard != FRESH;
    if (of_pool && driver->chaos->end != DESTROYED) /* else there may be tasks that use them */
        (void)went_well(driver->chaos, "free", posse_free(driver->chaos->pool, driver->entries));
    free(driver->unseen);
    free(driver->bytes);
}

void *drive(void *argument)
{
    struct driver *driver = argument;
    struct chaos *chaos = driver->chaos;
    while (now_ms() < chaos->end_ms && !atomic_load(&chaos->faults) && !atomic_load(&chaos->shut) &&
           driver->used + 1000 < ENTRIES) {
        uint32_t what = chaos->storm ? 11 : below(&driver->random, 12);
        if (what == 0 && !chaos->flat)
            play_map(driver);
        else if (what == 1 && chaos->guard != FRESH)
            play_belt(driver);
        else if (what == 2)
            play_memory(driver);
        else if (what == 3 && !chaos->flat && chaos->guard != FRESH)
            play_broadcast(driver);
        else
            play_batch(driver);
    }
    return NULL;
}
