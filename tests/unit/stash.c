/* stash.c - which free slots a thread keeps, and when the map has them. */
#include "table.h"

#include "base/tuning.h"
#include "core/stash.h"

#include <pthread.h>

#define SLOTS 1024u /* two stashes */

struct scene {
    struct table *table;
    struct pi_stashes stashes;
};

static struct scene *make_scene(uint32_t count)
{
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    scene->table = make_table(SLOTS, count);
    pi_stashes_init(&scene->stashes, &scene->table->slots, 2 * PI_WORKERS_PER_RING);
    return scene;
}

static void free_scene(struct scene *scene)
{
    free_table(scene->table);
    free(scene);
}

static unsigned acquire(struct scene *scene, unsigned most, struct pi_filling *filling)
{
    const struct pi_wish wish = {most, 0};
    return pi_stash_acquire(&scene->stashes, &scene->table->slots, &wish, filling);
}

static void give(struct scene *scene, const struct pi_filling *filling)
{
    uint64_t word = filling->word;
    assert_true(pi_slot_free(slot_at(scene->table, filling->index), &word));
    pi_stash_free(&scene->stashes, &scene->table->slots, filling->index);
}

static uint64_t bits_of(struct scene *scene, uint32_t group)
{
    return atomic_load(&scene->table->slots.map.level[0][group]);
}

static bool has(const struct pi_bitmap_bits *bits, uint32_t slot)
{
    return bits->word == slot / 64 && bits->bits >> slot % 64 & 1;
}

/* Each slot that is FREE is in the map or in one stash, and no other is. Returns how many were
 * taken. */
static unsigned count_taken(struct scene *scene)
{
    unsigned taken = 0;
    for (uint32_t i = 0; i < pi_slots_count(&scene->table->slots); i++) {
        unsigned given = !pi_bitmap_is_allocated(&scene->table->slots.map, i);
        for (int k = 0; k < PI_STASHES; k++)
            given += has(&scene->stashes.of_thread[k].next, i) +
                     has(&scene->stashes.of_thread[k].released, i);
        bool is_free = pi_state(word_of(scene->table, i)) == PI_FREE;
        assert_int_equal(given, is_free);
        taken += !is_free;
    }
    return taken;
}

TEST(takes_a_group_from_the_map, ALL)
{
    struct scene *scene = make_scene(SLOTS);
    struct pi_filling filling[64];
    assert_int_equal(acquire(scene, 1, filling), 1);
    assert_int_equal(bits_of(scene, 0), 0);
    assert_int_equal(bits_of(scene, 1), UINT64_MAX);
    assert_int_equal(acquire(scene, 64, &filling[1]), 63);
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(filling[i].index, i);
        assert_int_equal(filling[i].word, word_of(scene->table, i));
        assert_true(pi_has_state(filling[i].word, PI_FILLING, PI_OWNER_PROGRAM));
    }
    assert_int_equal(bits_of(scene, 1), UINT64_MAX);
    assert_int_equal(count_taken(scene), 64);
    free_scene(scene);
}

TEST(takes_all_there_are, ALL)
{
    struct scene *scene = make_scene(192);
    struct pi_filling filling[64];
    unsigned n = 0, got;
    while ((got = acquire(scene, 50, filling)) > 0)
        n += got;
    assert_int_equal(n, 192);
    free_scene(scene);
}

/* What a thread gives back it takes next. Of two groups the map has nothing, of the others all. */
TEST(keeps_what_was_released, ALL)
{
    struct scene *scene = make_scene(SLOTS);
    struct pi_filling all[256], again;
    unsigned n = 0;
    while (n < 256)
        n += acquire(scene, 256 - n, &all[n]);
    for (uint32_t i = 0; i < 256; i++)
        give(scene, &all[i]);
    assert_int_equal(count_taken(scene), 0);
    unsigned in_map = 0;
    for (uint32_t group = 0; group < 4; group++)
        in_map += bits_of(scene, group) == UINT64_MAX;
    assert_int_equal(in_map, 2);
    for (uint32_t i = 0; i < 128; i++) {
        assert_int_equal(acquire(scene, 1, &again), 1);
        assert_in_range(again.index, 0, 255);
    }
    assert_int_equal(count_taken(scene), 128);
    free_scene(scene);
}

/* In any order, of any groups. */
TEST(nothing_is_lost, ALL)
{
    struct scene *scene = make_scene(SLOTS);
    struct pi_filling held[400];
    unsigned n = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t dice = i * 2654435761u >> 8;
        if (n < 300 && dice % 3) {
            n += acquire(scene, 1 + dice % 90, &held[n]);
        } else if (n > 0) {
            give(scene, &held[dice % n]);
            held[dice % n] = held[n - 1];
            n--;
        }
    }
    while (n > 0)
        give(scene, &held[--n]);
    assert_int_equal(count_taken(scene), 0);
    free_scene(scene);
}

/* A recovery has set the bit of a slot that was released, and another has taken it. Its bit stays
 * clear. */
TEST(released_slot_is_taken, ALL)
{
    struct scene *scene = make_scene(192);
    struct pi_filling all[192];
    uint64_t word;
    unsigned n = 0;
    while (n < 192)
        n += acquire(scene, 192 - n, &all[n]);
    give(scene, &all[0]);  /* the next one */
    give(scene, &all[64]); /* released */
    give(scene, &all[65]);
    pi_bitmap_free(&scene->table->slots.map, 64);
    assert_int_equal(pi_slots_acquire(&scene->table->slots, SUBMITTER, 0, &word), 64);
    give(scene, &all[128]); /* of a third group */
    assert_int_equal(bits_of(scene, 1), 2);
    free_scene(scene);
}

/* A recovery has set the bits of slots that a stash has. Their taker clears them: a group whose
 * bits are all set looks as if no slot of it was taken. */
TEST(slot_that_is_in_the_map_too, ALL)
{
    struct scene *scene = make_scene(64);
    struct pi_filling filling[64];
    uint64_t word;
    assert_int_equal(acquire(scene, 1, filling), 1);
    pi_bitmap_free_word(&scene->table->slots.map, 0, UINT64_MAX - 1);
    assert_int_equal(pi_slots_acquire(&scene->table->slots, SUBMITTER, 0, &word), 1);
    assert_int_equal(acquire(scene, 1, filling), 1); /* not 1, which another has */
    assert_int_equal(filling[0].index, 2);
    assert_int_equal(bits_of(scene, 0), UINT64_MAX - 7);
    assert_int_equal(acquire(scene, 5, filling), 5);
    assert_int_equal(bits_of(scene, 0), UINT64_MAX - 255);
    free_scene(scene);
}

TEST(slot_of_a_closed_group, ALL)
{
    struct scene *scene = make_scene(128);
    struct pi_filling filling[64];
    assert_int_equal(acquire(scene, 1, filling), 1);
    atomic_store(&scene->table->slots.groups[0], pi_group_make(PI_GROUP_CLOSED, PI_OWNER_NONE, 0));
    assert_int_equal(acquire(scene, 64, filling), 64);
    assert_int_equal(filling[0].index, 64);
    free_scene(scene);
}

static void *take_three(void *context)
{
    struct scene *scene = context;
    struct pi_filling filling[3];
    unsigned n = acquire(scene, 3, filling);
    if (n == 3)
        give(scene, &filling[1]);
    return (void *)(uintptr_t)n;
}

/* Threads use up the stashes of a small table: the next one takes slots from the map, and gives
 * them there. */
TEST(does_without_a_stash, ALL)
{
    struct scene *scene = make_scene(192);
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        void *taken;
        assert_int_equal(pthread_create(&thread, NULL, take_three, scene), 0);
        assert_int_equal(pthread_join(thread, &taken), 0);
        assert_int_equal((uintptr_t)taken, 3);
    }
    assert_int_equal(count_taken(scene), 2 * 10);
    assert_true(scene->stashes.of_thread[2].next.bits == 0);
    free_scene(scene);
}

static void *give_one(void *context)
{
    struct scene *scene = context;
    struct pi_filling filling;
    uint64_t word;
    filling.index = pi_slots_acquire(&scene->table->slots, PI_OWNER_PROGRAM, 0, &word);
    filling.word = word;
    give(scene, &filling);
    return NULL;
}

/* A thread that takes none keeps none. */
TEST(thread_that_only_releases, ALL)
{
    struct scene *scene = make_scene(64);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, give_one, scene), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(bits_of(scene, 0), UINT64_MAX);
    free_scene(scene);
}

/* The map had the slots that were released, so the trim has closed their group. They are not looked
 * at any more. */
TEST(released_group_is_closed, ALL)
{
    struct scene *scene = make_scene(192);
    struct pi_filling all[192];
    unsigned n = 0;
    while (n < 192)
        n += acquire(scene, 192 - n, &all[n]);
    give(scene, &all[0]);  /* the next one */
    give(scene, &all[64]); /* released */
    atomic_store(&scene->table->slots.groups[1], pi_group_make(PI_GROUP_CLOSED, PI_OWNER_NONE, 0));
    give(scene, &all[128]); /* of a third group */
    assert_int_equal(bits_of(scene, 1), 0);
    free_scene(scene);
}

/* With few workers the map costs less. */
TEST(few_workers, ALL)
{
    struct scene *scene = make_scene(SLOTS);
    struct pi_filling filling[3];
    pi_stashes_init(&scene->stashes, &scene->table->slots, 2 * PI_WORKERS_PER_RING - 1);
    assert_int_equal(acquire(scene, 3, filling), 3);
    assert_int_equal(bits_of(scene, 0), UINT64_MAX - 7);
    give(scene, &filling[1]);
    assert_int_equal(bits_of(scene, 0), UINT64_MAX - 5);
    free_scene(scene);
}

#define THREADS 20 /* some without a stash */
#define ROUNDS 3000

static void *take_and_give(void *context)
{
    struct scene *scene = context;
    struct pi_filling filling[8];
    unsigned most = 8;
    for (int i = 0; i < ROUNDS; i++) {
        unsigned n = acquire(scene, most, filling);
        while (n > 0)
            give(scene, &filling[--n]);
    }
    return NULL;
}

/* Two of them in one slot at a time would fail in `give`. */
TEST(many_threads, ALL)
{
    struct scene *scene = make_scene(SLOTS);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, scene), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(count_taken(scene), 0);
    free_scene(scene);
}
