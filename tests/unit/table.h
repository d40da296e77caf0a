/* table.h - a table of slots with its queue, in private memory. */
#ifndef UNIT_TABLE_H
#define UNIT_TABLE_H

#include "queue.h"

#include "core/slot.h"

#define SUBMITTER 1000u
#define WORKER 3u

/* The first `count` slots are there. */
struct table {
    struct queue queue;
    struct pi_slots slots;
    _Atomic uint64_t count;
};

/* Memory of size * n bytes, all zero, which begins on a line of the cache. */
static inline void *make_zeros(size_t n, size_t size)
{
    size_t bytes = (n * size + 127) & ~(size_t)127;
    void *memory = aligned_alloc(128, bytes);
    assert_non_null(memory);
    return memset(memory, 0, bytes);
}

/* Opens the groups of the first `count` slots; the rest of the last one is not there. */
static inline void open_slots(struct table *table, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        atomic_store(&table->slots.groups[i / PI_GROUP_SLOTS],
                     pi_group_make(PI_GROUP_OPEN, PI_OWNER_NONE, 0));
        if (pi_state(atomic_load(&table->slots.at[i].word)) == PI_NO_SLOT) {
            atomic_store(&table->slots.at[i].word, PI_FREE);
            pi_bitmap_free(&table->slots.map, i);
        }
    }
    atomic_store(&table->count, pi_monotonic_word(count));
}

static inline struct table *make_table(uint32_t max, uint32_t count)
{
    struct table *table = calloc(1, sizeof *table);
    void *memory = calloc(1, pi_bitmap_size(max));
    assert_non_null(table);
    assert_non_null(memory);
    table->queue = make_queue(1, 1);
    pi_bitmap_init(&table->slots.map, memory, max);
    table->slots.at = make_zeros(max, sizeof *table->slots.at);
    table->slots.groups = make_zeros(max / PI_GROUP_SLOTS + 1, sizeof *table->slots.groups);
    table->slots.workers = make_zeros(PI_MAX_WORKERS, sizeof *table->slots.workers);
    pi_monotonic_init(&table->slots.count, &table->count, max);
    table->slots.max = max;
    open_slots(table, count);
    return table;
}

static inline void free_table(struct table *table)
{
    free_queue(&table->queue);
    free(table->slots.map.level[2]);
    free(table->slots.at);
    free((void *)table->slots.groups);
    free(table->slots.workers);
    free(table);
}

static inline struct pi_slot *slot_at(struct table *table, uint32_t index)
{
    return &table->slots.at[index];
}

static inline uint64_t word_of(struct table *table, uint32_t index)
{
    return atomic_load(&slot_at(table, index)->word);
}

/* Submits a task. Its slot, or PI_NO_INDEX. */
static inline uint32_t submit(struct table *table)
{
    uint64_t word;
    uint32_t index = pi_slots_acquire(&table->slots, SUBMITTER, 0, &word);
    if (index != PI_NO_INDEX &&
        pi_slot_publish(slot_at(table, index), word, pi_in_ring(PI_LANE_NORMAL)))
        (void)push(&table->queue, index);
    return index;
}

static inline uint32_t take(struct table *table, unsigned worker, uint64_t *word)
{
    return pi_slots_claim_next(&table->slots, &table->queue.ring, worker, word);
}

/* Ends a task that runs and frees its slot. False: somebody else did. */
static inline bool end_task(struct table *table, uint32_t index, uint64_t run)
{
    if (!pi_slot_transition(slot_at(table, index), &run, PI_DONE, 0, 0))
        return false;
    uint64_t word = word_of(table, index);
    while (!pi_slot_free(slot_at(table, index), &word))
        if (!pi_final(word))
            return false;
    pi_bitmap_free(&table->slots.map, index);
    return true;
}

#endif
