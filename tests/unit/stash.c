/* stash.c - which free slots a thread keeps, and when the map has them. */
#include "table.h"

#include "core/stash.h"

#include <pthread.h>

#define SLOTS 1024u /* two stashes */

struct scene {
    struct table *table;
    struct pi_stash stashes[PI_STASHES];
};

static struct scene *make_scene(uint32_t count)
{
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    scene->table = make_table(SLOTS, count);
    return scene;
}

static void free_scene(struct scene *scene)
{
    free_table(scene->table);
    free(scene);
}

static unsigned acquire(struct scene *scene, unsigned most, struct pi_filling *filling)
{
    return pi_stash_acquire(scene->stashes, &scene->table->slots, most, filling);
}

static void give(struct scene *scene, const struct pi_filling *filling)
{
    uint64_t word = filling->word;
    assert_true(pi_stash_free(scene->stashes, &scene->table->slots, filling->index, &word));
}

static uint64_t bits_of(struct scene *scene, uint32_t group)
{
    return atomic_load(&scene->table->slots.map.level[0][group]);
}

static bool has(const struct pi_bitmap_bits *bits, uint32_t slot)
{
    return bits->word == slot / 64 && bits->bits >> slot % 64 & 1;
}

/* Each slot that is FREE is in the map, or was released to one stash; one that is FILLING, and was
 * not taken, is kept by one. Returns how many were taken. */
static unsigned count_taken(struct scene *scene)
{
    unsigned taken = 0;
    for (uint32_t i = 0; i < pi_slots_count(&scene->table->slots); i++) {
        unsigned given = !pi_bitmap_is_allocated(&scene->table->slots.map, i), kept = 0;
        for (int k = 0; k < PI_STASHES; k++) {
            kept += has(&scene->stashes[k].kept, i);
            given += has(&scene->stashes[k].released, i);
        }
        bool is_free = pi_state(word_of(scene->table, i)) == PI_FREE;
        assert_int_equal(given, is_free);
        assert_true(kept == 0 || (kept == 1 && !is_free));
        taken += !is_free && !kept;
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
    give(scene, &all[0]);  /* kept */
    give(scene, &all[64]); /* released */
    give(scene, &all[65]);
    pi_bitmap_free(&scene->table->slots.map, 64);
    assert_int_equal(pi_slots_acquire(&scene->table->slots, SUBMITTER, 0, &word), 64);
    give(scene, &all[128]); /* of a third group */
    assert_int_equal(bits_of(scene, 1), 2);
    free_scene(scene);
}

/* Only one of two callers frees a slot, and an old handle frees nothing. */
TEST(freed_once, ALL)
{
    struct scene *scene = make_scene(64);
    struct pi_filling filling;
    assert_int_equal(acquire(scene, 1, &filling), 1);
    uint64_t word = filling.word;
    give(scene, &filling);
    assert_false(pi_stash_free(scene->stashes, &scene->table->slots, filling.index, &word));
    assert_int_equal(count_taken(scene), 0);
    free_scene(scene);
}

/* A slot that is kept was overwritten: it is passed. */
TEST(kept_slot_was_overwritten, ALL)
{
    struct scene *scene = make_scene(64);
    struct pi_filling filling;
    assert_int_equal(acquire(scene, 1, &filling), 1);
    atomic_store(&slot_at(scene->table, 1)->word, 0x4242424242424242);
    assert_int_equal(acquire(scene, 1, &filling), 1);
    assert_int_equal(filling.index, 2);
    free_scene(scene);
}

/* A thread that comes while another is in its stash takes slots from the map, and gives them
 * there. */
TEST(does_without_a_stash, ALL)
{
    struct scene *scene = make_scene(128);
    struct pi_filling filling[64];
    for (int i = 0; i < PI_STASHES; i++)
        atomic_store(&scene->stashes[i].busy, 1);
    assert_int_equal(acquire(scene, 3, filling), 3);
    assert_int_equal(bits_of(scene, 0), UINT64_MAX - 7);
    give(scene, &filling[1]);
    assert_int_equal(bits_of(scene, 0), UINT64_MAX - 5);
    for (int i = 0; i < PI_STASHES; i++)
        atomic_store(&scene->stashes[i].busy, 0);
    free_scene(scene);
}

#define THREADS 20 /* more than stashes */
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
