/* bitmap.c - the tree of bits: what it gives, in which order, and what wrong bits cost. */
#include "bits.h"
#include "support/support.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static struct pi_bitmap make_map(uint32_t max)
{
    struct pi_bitmap map;
    void *memory = calloc(1, pi_bitmap_size(max));
    assert_non_null(memory);
    pi_bitmap_init(&map, memory, max);
    give_all(&map, max);
    return map;
}

static void free_map(struct pi_bitmap *map) { free(map->level[2]); }

/* Takes everything from `first` on: in order, and nothing at or beyond count. */
static void assert_takes(struct pi_bitmap *map, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < count; i++)
        assert_int_equal(pi_bitmap_alloc(map, count, 0), i);
    assert_int_equal(pi_bitmap_alloc(map, count, 0), PI_NO_INDEX);
}

TEST(nothing_is_free_where_nothing_was_given, ALL)
{
    struct pi_bitmap map;
    void *memory = calloc(1, pi_bitmap_size(300));
    assert_non_null(memory);
    pi_bitmap_init(&map, memory, 300);
    assert_true(pi_bitmap_is_allocated(&map, 0));
    assert_int_equal(pi_bitmap_alloc(&map, 300, 0), PI_NO_INDEX);
    assert_int_equal(pi_bitmap_alloc(&map, 300, 200), PI_NO_INDEX);
    pi_bitmap_free(&map, 299);
    assert_takes(&map, 299, 300);
    free_map(&map);
}

TEST(says_which_it_is_about_to_take, ALL)
{
    struct pi_bitmap map = make_map(300);
    _Atomic uint32_t note = 0;
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(pi_bitmap_alloc_noted(&map, 300, 0, &note), i);
        assert_int_equal(atomic_load(&note), PI_BITMAP_NOTED | (i + 1));
    }
    free_map(&map);
}

static void assert_bits(struct pi_bitmap_bits taken, uint32_t word, uint64_t bits)
{
    assert_int_equal(taken.bits, bits);
    if (bits != 0)
        assert_int_equal(taken.word, word);
}

TEST(several_of_one_word, ALL)
{
    struct pi_bitmap map = make_map(8192);
    assert_bits(pi_bitmap_alloc_bits(&map, 8192, 70, 3), 1, 7);
    assert_int_equal(pi_bitmap_alloc(&map, 8192, 70), 67);
    pi_bitmap_free(&map, 65);
    assert_bits(pi_bitmap_alloc_bits(&map, 8192, 127, 2), 1, 1 << 1 | 1 << 4);
    assert_bits(pi_bitmap_alloc_bits(&map, 8192, 64, 64), 1, ~(uint64_t)31);
    assert_bits(pi_bitmap_alloc_bits(&map, 8192, 64, 64), 0, UINT64_MAX); /* its word is full */
    assert_bits(pi_bitmap_alloc_bits(&map, 8192, UINT32_MAX, 1), 2, 1);
    assert_int_equal(pi_bitmap_alloc(&map, 8192, 0), 129);
    free_map(&map);
}

TEST(several_below_the_count, ALL)
{
    struct pi_bitmap map = make_map(256);
    assert_bits(pi_bitmap_alloc_bits(&map, 70, 69, 64), 1, 63);
    assert_bits(pi_bitmap_alloc_bits(&map, 70, 69, 64), 0, UINT64_MAX);
    assert_bits(pi_bitmap_alloc_bits(&map, 70, 69, 64), 0, 0);
    assert_bits(pi_bitmap_alloc_bits(&map, 70, 0, 64), 0, 0);
    for (uint32_t i = 70; i < 256; i++)
        assert_false(pi_bitmap_is_allocated(&map, i));
    assert_bits(pi_bitmap_alloc_bits(&map, 0, 0, 64), 0, 0);
    free_map(&map);
}

/* All levels above are right after it. */
TEST(several_until_all_are_taken, ALL)
{
    enum { THINGS = 300001 };
    struct pi_bitmap map = make_map(THINGS);
    for (int round = 0; round < 2; round++) {
        uint32_t taken = 0;
        for (struct pi_bitmap_bits some;
             (some = pi_bitmap_alloc_bits(&map, THINGS, 0, 50)).bits != 0;)
            taken += (uint32_t)__builtin_popcountll(some.bits);
        assert_int_equal(taken, THINGS);
        assert_int_equal(pi_bitmap_alloc(&map, THINGS, 0), PI_NO_INDEX);
        give_all(&map, THINGS);
    }
    free_map(&map);
}

TEST(words_as_a_whole, ALL)
{
    struct pi_bitmap map = make_map(8192);
    assert_true(pi_bitmap_all_free(&map, 3));
    assert_true(pi_bitmap_alloc_word(&map, 3));
    assert_false(pi_bitmap_all_free(&map, 3));
    assert_false(pi_bitmap_alloc_word(&map, 3));
    assert_takes(&map, 0, 192);
    assert_int_equal(pi_bitmap_alloc(&map, 8192, 200), 256);
    pi_bitmap_free_word(&map, 3, 6);
    assert_int_equal(pi_bitmap_alloc(&map, 8192, 0), 193);
    assert_false(pi_bitmap_alloc_word(&map, 3)); /* one is taken */
    pi_bitmap_free_word(&map, 3, ~(uint64_t)4);
    assert_true(pi_bitmap_alloc_word(&map, 3));
    free_map(&map);
}

TEST(repair_of_both_levels, ALL)
{
    struct pi_bitmap map = make_map(8192);
    atomic_store(&map.level[1][1], 0);
    atomic_store(&map.level[2][0], 1);
    pi_bitmap_repair(&map, 8192);
    assert_int_equal(atomic_load(&map.level[1][1]), UINT64_MAX);
    assert_int_equal(atomic_load(&map.level[2][0]), 3);
    free_map(&map);
}

TEST(takes_the_lowest, ALL)
{
    struct pi_bitmap map = make_map(256);
    assert_takes(&map, 0, 200);
    pi_bitmap_free(&map, 150);
    pi_bitmap_free(&map, 7);
    pi_bitmap_free(&map, 64);
    assert_int_equal(pi_bitmap_alloc(&map, 200, 0), 7);
    assert_int_equal(pi_bitmap_alloc(&map, 200, 0), 64);
    assert_int_equal(pi_bitmap_alloc(&map, 200, 0), 150);
    free_map(&map);
}

TEST(says_what_is_taken, ALL)
{
    struct pi_bitmap map = make_map(128);
    assert_takes(&map, 0, 65);
    assert_true(pi_bitmap_is_allocated(&map, 0));
    assert_true(pi_bitmap_is_allocated(&map, 64));
    assert_false(pi_bitmap_is_allocated(&map, 65));
    pi_bitmap_free(&map, 64);
    assert_false(pi_bitmap_is_allocated(&map, 64));
    assert_true(pi_bitmap_is_allocated(&map, 63));
    free_map(&map);
}

TEST(takes_near_the_hint, ALL)
{
    struct pi_bitmap map = make_map(1024);
    assert_int_equal(pi_bitmap_alloc(&map, 1024, 700) / 64, 700 / 64);
    assert_int_equal(pi_bitmap_alloc(&map, 1024, 0), 0);
    assert_int_equal(pi_bitmap_alloc(&map, 1024, 1024),
                     1); /* a hint that names nothing is no harm */
    assert_int_equal(pi_bitmap_alloc(&map, 1024, UINT32_MAX), 2);
    for (int i = 0; i < 63; i++)
        assert_int_equal(pi_bitmap_alloc(&map, 1024, 700) / 64, 700 / 64);
    assert_int_equal(pi_bitmap_alloc(&map, 1024, 700), 3); /* its word is full now */
    free_map(&map);
}

/* The word of the hint may reach beyond count; what it has there is not found, but the rest of
 * the map is. */
TEST(hint_in_a_last_word_without_free_things, ALL)
{
    struct pi_bitmap map = make_map(128);
    for (uint32_t i = 64; i < 70; i++)
        assert_int_equal(pi_bitmap_alloc(&map, 70, 64), i);
    assert_int_equal(pi_bitmap_alloc(&map, 70, 69), 0);
    free_map(&map);
}

TEST(nothing_beyond_the_count, ALL)
{
    const uint32_t counts[] = {1, 2, 63, 64, 65, 100, 127, 128};
    for (size_t i = 0; i < COUNT(counts); i++) {
        struct pi_bitmap map = make_map(128);
        assert_takes(&map, 0, counts[i]);
        assert_int_equal(pi_bitmap_alloc(&map, counts[i], 0), PI_NO_INDEX);
        for (uint32_t index = counts[i]; index < 128; index++)
            assert_false(pi_bitmap_is_allocated(&map, index));
        free_map(&map);
    }
}

TEST(no_things_at_all, ALL)
{
    struct pi_bitmap map = make_map(64);
    assert_int_equal(pi_bitmap_alloc(&map, 0, 0), PI_NO_INDEX);
    assert_int_equal(pi_bitmap_alloc(&map, 1, 0), 0);
    free_map(&map);
}

TEST(grows_by_its_count, ALL)
{
    const uint32_t counts[] = {0, 1, 64, 100, 4000, 4096, 5000, 262144, 262150};
    struct pi_bitmap map = make_map(262150);
    for (size_t i = 1; i < COUNT(counts); i++)
        assert_takes(&map, counts[i - 1], counts[i]);
    free_map(&map);
}

/* 4096 things need a second word at level 1, 262144 one at level 2. */
TEST(all_levels_fill_and_empty, ALL)
{
    const uint32_t counts[] = {4095, 4096, 4097, 262143, 262144, 262145, 300001};
    for (size_t i = 0; i < COUNT(counts); i++) {
        uint32_t count = counts[i];
        struct pi_bitmap map = make_map(count);
        assert_takes(&map, 0, count);
        pi_bitmap_free(&map, count - 1);
        pi_bitmap_free(&map, count / 2);
        pi_bitmap_free(&map, 1);
        assert_int_equal(pi_bitmap_alloc(&map, count, 0), 1);
        assert_int_equal(pi_bitmap_alloc(&map, count, 0), count / 2);
        assert_takes(&map, count - 1, count);
        give_all(&map, count);
        assert_takes(&map, 0, count);
        free_map(&map);
    }
}

/* A taker that died right after it had said that a word is empty, while somebody gave one of its
 * things. */
TEST(word_that_only_seems_empty, ALL)
{
    struct pi_bitmap map = make_map(256);
    atomic_fetch_and(&map.level[1][0], ~(uint64_t)2);
    assert_takes(&map, 0, 64);
    for (uint32_t i = 128; i < 256; i++)
        pi_bitmap_free(&map, i); /* gives elsewhere do not mend it */
    pi_bitmap_repair(&map, 256);
    assert_int_equal(pi_bitmap_alloc(&map, 256, 0), 64);
    free_map(&map);
}

TEST(words_that_all_seem_empty, ALL)
{
    struct pi_bitmap map = make_map(300001);
    for (int level = 1; level < 3; level++)
        for (uint32_t i = 0; i < map.words[level]; i++)
            atomic_store(&map.level[level][i], 0);
    assert_int_equal(pi_bitmap_alloc(&map, 300001, UINT32_MAX),
                     PI_NO_INDEX); /* no hint: they decide */
    pi_bitmap_repair(&map, 300001);
    assert_takes(&map, 0, 300001);
    free_map(&map);
}

TEST(repair_leaves_what_is_right, ALL)
{
    struct pi_bitmap map = make_map(8192);
    assert_takes(&map, 0, 5000);
    pi_bitmap_repair(&map, 5000);
    assert_int_equal(pi_bitmap_alloc(&map, 5000, 0), PI_NO_INDEX);
    assert_int_equal(atomic_load(&map.level[2][0]), 2);
    assert_int_equal(pi_bitmap_alloc(&map, 8192, 0), 5000);
    free_map(&map);
}

/* A taker that died before it said that the word is empty: the next one does. */
TEST(words_that_are_empty_are_noted, ALL)
{
    struct pi_bitmap map = make_map(8192);
    for (uint32_t i = 0; i < 64; i++)
        atomic_store(&map.level[0][i], 0);
    assert_int_equal(pi_bitmap_alloc(&map, 8192, 0), 4096);
    assert_int_equal(atomic_load(&map.level[1][0]), 0);
    assert_int_equal(atomic_load(&map.level[2][0]), 2);
    free_map(&map);
}

static void assert_parts_in_order(const struct pi_bitmap *map, uint32_t count, uint32_t max)
{
    size_t end = 0;
    for (int level = 2; level >= 0; level--) {
        size_t length, begin = pi_bitmap_part(map, level, count, &length);
        assert_true(begin >= end);
        assert_true(length >= sizeof(uint64_t));
        end = begin + length;
    }
    assert_true(end <= pi_bitmap_size(max));
}

/* What is backed for a count is what a map of that count uses. */
TEST(parts_of_a_count, ALL)
{
    struct pi_bitmap map = make_map(300000);
    size_t length;
    assert_parts_in_order(&map, 1, 300000);
    assert_parts_in_order(&map, 4097, 300000);
    assert_parts_in_order(&map, 300000, 300000);
    pi_bitmap_part(&map, 0, 4097, &length);
    assert_int_equal(length, 65 * sizeof(uint64_t));
    pi_bitmap_part(&map, 1, 4097, &length);
    assert_int_equal(length, 2 * sizeof(uint64_t));
    pi_bitmap_part(&map, 2, 300000, &length);
    assert_int_equal(length, 2 * sizeof(uint64_t));
    free_map(&map);
}

/* The parts for count things have memory, everything else faults. */
static void assert_touches_only(uint32_t count, uint32_t max)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, pi_bitmap_size(max), PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(memory != MAP_FAILED);
    struct pi_bitmap map;
    pi_bitmap_init(&map, memory, max);
    for (int level = 0; level < 3 && count > 0; level++) {
        size_t length, offset = pi_bitmap_part(&map, level, count, &length);
        size_t first = offset & ~(page - 1);
        assert_return_code(
            mprotect(memory + first, offset + length - first, PROT_READ | PROT_WRITE), errno);
    }
    assert_int_equal(pi_bitmap_alloc(&map, count, 0), PI_NO_INDEX);
    give_all(&map, count);
    assert_takes(&map, 0, count);
    pi_bitmap_repair(&map, count);
    give_all(&map, count);
    assert_takes(&map, 0, count);
    munmap(memory, pi_bitmap_size(max));
}

TEST(touches_nothing_beyond_the_count, ALL)
{
#ifdef POSSE_TEST_VALGRIND
    skip(); /* two million steps for each size take it minutes */
#endif
    assert_touches_only(0, 1);
    assert_touches_only(0, 1u << 26);
    assert_touches_only(100, 1u << 26);
    assert_touches_only(64 * 512, 1u << 26);          /* a page of level 0 */
    assert_touches_only(64 * 64 * 64, 1u << 26);      /* a word of level 2 */
    assert_touches_only(64 * 64 * 512, 1u << 26);     /* a page of level 1 */
    assert_touches_only(64 * 64 * 512 + 1, 1u << 26); /* and a word */
}
