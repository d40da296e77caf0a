/* maps.c - maps: ordered or not, in chunks, in place or copied, with lost chunks that run again or
 * not, and given up half-way. */
#include "chaos.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ITEMS 200

struct items {
    uint64_t values[MAX_ITEMS];
    struct entry *entries[MAX_ITEMS];
    struct roster *roster;
    bool came[MAX_ITEMS];
    size_t count;
    long chunk;
    bool split;     /* items of a lost chunk run again */
    uint64_t first; /* number of the first one's loss */
    uint64_t *results, *shared;
};

static int map_item(posse_task *task, const void *const *items, void *result)
{
    uint64_t value;
    struct entry *entry;
    memcpy(&value, items[0], sizeof value);
    memcpy(&entry, items[1], sizeof entry);
    atomic_fetch_add(&entry->runs, 1);
    work_for((uint32_t)(value % 50));
    value = mix(value);
    memcpy(result, &value, sizeof value);
    return 0;
}

static void draw_items(struct driver *driver, struct items *items)
{
    items->count = 1 + below(&driver->random, MAX_ITEMS);
    items->chunk = 1 + (long)below(&driver->random, 20);
    items->split = below(&driver->random, 2) == 0;
    items->first = driver->used;
    for (size_t i = 0; i < items->count; i++) {
        items->values[i] = mix(driver->random + i);
        items->entries[i] = next_entry(driver, false);
    }
    void *shared = NULL;
    if (below(&driver->random, 2) == 0 &&
        posse_alloc(driver->chaos->pool, sizeof items->values, &shared) == POSSE_OK)
        items->shared = memcpy(shared, items->values, sizeof items->values);
}

static posse_status open_items(struct driver *driver, struct items *items, posse_map_iter **map)
{
    posse_input inputs[2] = {
        {items->shared != NULL ? items->shared : items->values, sizeof *items->values, 0},
        {items->entries, sizeof(struct entry *), 0},
    };
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = map_item,
                         .inputs = inputs,
                         .n_inputs = 2,
                         .count = items->count,
                         .result_size = sizeof(uint64_t),
                         .chunksize = items->chunk,
                         .buffersize =
                             items->chunk * (long)below(&driver->random, 6), /* whole chunks */
                         .unordered = below(&driver->random, 2) == 0,
                         .timeout_ms = HANG_MS,
                         .on_lost = items->split ? POSSE_SPLIT : POSSE_LOSE_CHUNK};
    return posse_map_open(driver->chaos->pool, &job, map);
}

/* An item that has come: its own result, or lost with its chunk. */
static const char *judge_item(struct driver *driver, struct items *items, posse_map_iter *map,
                              const posse_item *item)
{
    posse_error error = {.struct_size = sizeof error};
    uint64_t value;
    if (item->index >= items->count || items->came[item->index])
        return "came twice";
    items->came[item->index] = true;
    uint32_t runs = atomic_load(&items->entries[item->index]->runs);
    if (item->status == POSSE_OK) {
        memcpy(&value, item->result, sizeof value);
        return runs == 0 || (runs > 1 && !items->split)   ? "did not run once"
               : value != mix(items->values[item->index]) ? "is wrong"
                                                          : NULL;
    }
    if (item->status == POSSE_CANCELLED && cancels(driver->chaos) && (runs == 0 || items->split))
        return NULL;
    uint64_t chunk = items->first + item->index / (uint64_t)items->chunk * (uint64_t)items->chunk;
    if (item->status != POSSE_WORKER_LOST || (runs > 1 && !items->split) ||
        posse_map_exception(map, &error) != POSSE_OK)
        return "ended in a way that it cannot";
    return explained(driver->chaos, error.pid, loss_of(driver, chunk)) ? NULL
                                                                       : "no death explains it";
}

static void take_items(struct driver *driver, struct items *items, posse_map_iter *map)
{
    posse_status status = POSSE_OK;
    size_t taken = 0;
    size_t enough = below(&driver->random, 4) == 0 ? below(&driver->random, MAX_ITEMS) : SIZE_MAX;
    for (posse_item item = {.struct_size = sizeof item}; taken < enough; taken++) {
        status = posse_map_next(map, &item);
        if (status != POSSE_OK)
            break;
        const char *what = judge_item(driver, items, map, &item);
        if (what != NULL) {
            blame(driver->chaos, "thread %d, item %zu of %zu of a map: %s, %s", driver->number,
                  item.index, items->count, posse_status_name(item.status), what);
        }
    }
    if (status == POSSE_END && taken != items->count)
        blame(driver->chaos, "map: end after %zu of %zu items", taken, items->count);
    (void)was_let_in(driver->chaos, "map", status == POSSE_END ? POSSE_OK : status);
}

void play_map(struct driver *driver)
{
    struct items items = {0};
    posse_map_iter *map = NULL;
    draw_items(driver, &items);
    posse_status status = open_items(driver, &items, &map);
    if (status == POSSE_OK)
        take_items(driver, &items, map);
    else if (status != POSSE_NO_MEMORY)
        (void)was_let_in(driver->chaos, "map_open", status);
    posse_map_close(map);
    count(driver->chaos, MAPS, 1);
    if (items.shared != NULL)
        (void)went_well(driver->chaos, "free", posse_free(driver->chaos->pool, items.shared));
}
