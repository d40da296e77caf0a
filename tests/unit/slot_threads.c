/* slot_threads.c - submitters, workers and callers that claim out of turn, all at once: each task
 * runs once, and none is left without an entry in the ring. Nobody waits for a thread that may have
 * no processor: a submitter that finds no slot works itself. */
#include "table.h"
#include "threads.h"

#include <sched.h>

#define SUBMITTERS 2u
#define WORKERS 2u
#define EACH 20000u

struct crowd {
    struct table *table;
    _Atomic unsigned char runs[SUBMITTERS * EACH];
    _Atomic unsigned submitting;
    _Atomic unsigned ended_by_others; /* tasks that somebody else ended as they ran */
    _Atomic unsigned refused;         /* pushes, as the ring was full */
    unsigned impatience;              /* a submitter claims one task in this number */
};

static void run(struct crowd *crowd, uint32_t index, uint64_t word)
{
    uint64_t number = slot_at(crowd->table, index)->fn;
    atomic_fetch_add(&crowd->runs[number], 1);
    if (!end_task(crowd->table, index, word))
        atomic_fetch_add(&crowd->ended_by_others, 1);
}

/* False: nothing waits. */
static bool work_once(struct crowd *crowd, unsigned worker)
{
    uint64_t word;
    uint32_t index = take(crowd->table, worker, &word);
    if (index == PI_NO_INDEX)
        return false;
    run(crowd, index, word);
    return true;
}

static void work(struct crowd *crowd, unsigned worker)
{
    for (;;) {
        unsigned submitting = atomic_load(&crowd->submitting);
        if (work_once(crowd, worker))
            continue;
        if (submitting == 0)
            return;
        sched_yield();
    }
}

/* Submits task `number`, and runs it out of turn if it may: then its entry stays in the ring while
 * the slot is used again, which races with the workers who pass the entry. */
static void submit_one(struct crowd *crowd, uint32_t number, unsigned owner, bool claims)
{
    struct table *table = crowd->table;
    uint64_t word;
    uint32_t index;
    while ((index = pi_slots_acquire(&table->slots, owner, 0, &word)) == PI_NO_INDEX)
        if (!work_once(crowd, owner))
            sched_yield(); /* another thread is about to queue, or to end, what is in the slots */
    struct pi_slot *slot = slot_at(table, index);
    pi_store_relaxed(&slot->fn, number); /* published with the state */
    uint32_t generation = pi_generation(word);
    if (pi_slot_publish(slot, word, pi_in_ring(PI_LANE_NORMAL)))
        atomic_fetch_add(&crowd->refused, push(&table->queue, index) != PI_PUSHED);
    word = word_of(table, index);
    if (claims && pi_generation(word) == generation && pi_slot_claim(slot, owner, &word))
        run(crowd, index, word);
}

static void submit_all(struct crowd *crowd, unsigned submitter)
{
    for (uint32_t i = 0; i < EACH; i++) {
        bool claims = crowd->impatience && i % crowd->impatience == 0;
        submit_one(crowd, submitter * EACH + i, 100 + submitter, claims);
    }
    atomic_fetch_sub(&crowd->submitting, 1);
}

static void take_part(void *context, unsigned number)
{
    if (number < SUBMITTERS)
        submit_all(context, number);
    else
        work(context, number);
}

static void assert_each_task_runs_once(uint32_t slots, unsigned impatience)
{
    struct crowd *crowd = calloc(1, sizeof *crowd);
    assert_non_null(crowd);
    crowd->table = make_table(64, slots);
    crowd->submitting = SUBMITTERS;
    crowd->impatience = impatience;
    run_threads(SUBMITTERS + WORKERS, take_part, crowd);
    for (uint32_t i = 0; i < SUBMITTERS * EACH; i++)
        assert_int_equal(crowd->runs[i], 1);
    assert_int_equal(crowd->ended_by_others, 0);
    assert_int_equal(crowd->refused, 0);
    assert_int_equal(pi_ring_length(&crowd->table->queue.ring), 0);
    for (uint32_t i = 0; i < slots; i++)
        assert_int_equal(word_of(crowd->table, i) & UINT32_MAX, PI_FREE);
    free_table(crowd->table);
    free(crowd);
}

TEST(all_are_claimed_in_turn, ALL) { assert_each_task_runs_once(8, 0); }

TEST(submitters_claim_all, ALL) { assert_each_task_runs_once(8, 1); }

/* One slot: each use meets the entry of the one before. */
TEST(one_slot, ALL)
{
    assert_each_task_runs_once(1, 1);
    assert_each_task_runs_once(1, 2);
}

TEST(some_are_claimed_out_of_turn, ALL)
{
    assert_each_task_runs_once(3, 2);
    assert_each_task_runs_once(32, 3);
}
