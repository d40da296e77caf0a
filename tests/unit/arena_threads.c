/* arena_threads.c - many take and free blocks of all sizes at once, and close and discard what is
 * free: nobody's bytes are another's, and in the end all of it is one large block again. */
#include "arena_box.h"
#include "threads.h"

#include <sched.h>
#include <string.h>

#define THREADS 4u
#define ROUNDS 20000u
#define KEEP 24u
#define UNITS 20u

struct crowd {
    struct box *box;
    _Atomic unsigned wrong;
    _Atomic unsigned refused;
};

struct kept {
    pi_block_ref ref;
    uint32_t size;
    uint32_t mark;
};

static uint32_t next(uint32_t *dice)
{
    *dice = *dice * 1664525u + 1013904223u;
    return *dice >> 8;
}

/* Mostly small, sometimes some units. */
static uint32_t a_size(uint32_t *dice)
{
    uint32_t bits = next(dice) % 19;
    return 1 + next(dice) % (1u << bits);
}

static char *bytes_of(struct crowd *crowd, const struct kept *kept)
{
    struct pi_block block;
    bool found = pi_arena_find(&crowd->box->arena, kept->ref, &block) && kept->size <= block.size;
    return found ? block.bytes : NULL;
}

static void write_marks(char *bytes, const struct kept *kept)
{
    uint32_t mark = kept->mark;
    memcpy(bytes, &mark, kept->size < 4 ? kept->size : 4);
    memcpy(bytes + kept->size - (kept->size < 4 ? kept->size : 4), &mark,
           kept->size < 4 ? kept->size : 4);
    if (kept->size > 8192)
        memcpy(bytes + kept->size / 2, &mark, 4);
}

static bool has_marks(const char *bytes, const struct kept *kept)
{
    uint32_t mark = kept->mark;
    size_t n = kept->size < 4 ? kept->size : 4;
    return memcmp(bytes + kept->size - n, &mark, n) == 0 &&
           (kept->size < 8 || memcmp(bytes, &mark, n) == 0) &&
           (kept->size <= 8192 || memcmp(bytes + kept->size / 2, &mark, 4) == 0);
}

static void let_go(struct crowd *crowd, struct kept *kept, unsigned owner)
{
    char *bytes = bytes_of(crowd, kept);
    bool good = bytes && has_marks(bytes, kept) &&
                pi_arena_free(&crowd->box->arena, kept->ref, pi_tag_held(owner), owner);
    crowd->wrong += !good;
    kept->ref = 0;
}

/* What lib/pool/block.c does without memory, and the trim; discarded bytes are gone. */
static void give_back(struct crowd *crowd, unsigned owner, bool trim)
{
    struct pi_arena *arena = &crowd->box->arena;
    (void)pi_spans_close(arena, owner, 0, UINT32_MAX);
    for (uint32_t unit = 0, n; unit < UNITS; unit += n ? n : 1) {
        n = trim ? pi_units_claim_idle(arena, unit, owner, PI_UNITS_SEEN)
                 : pi_units_claim_idle(arena, unit, owner, PI_UNITS_FREE);
        if (n > 0)
            memset(pi_unit_bytes(arena, unit), 0xdd, n * PI_UNIT);
        pi_units_discarded(arena, unit, n, trim ? PI_CLEAN : PI_USED);
    }
    if (trim)
        (void)pi_units_see(arena, owner, 0, UINT32_MAX);
}

static void take(struct crowd *crowd, struct kept *kept, unsigned owner, uint32_t *dice)
{
    kept->size = a_size(dice);
    kept->mark = next(dice) << 8 | owner;
    kept->ref = take_block(crowd->box, kept->size, owner);
    if (kept->ref == 0) {
        give_back(crowd, owner, false);
        kept->ref = take_block(crowd->box, kept->size, owner);
    }
    if (kept->ref == 0 && kept->size <= 32768)
        kept->ref = pi_span_take_any(&crowd->box->arena, pi_size_class_for(kept->size), owner);
    crowd->refused += kept->ref == 0;
    char *bytes = kept->ref ? bytes_of(crowd, kept) : NULL;
    crowd->wrong += kept->ref && !bytes;
    if (bytes)
        write_marks(bytes, kept);
}

/* Two threads are one owner, as those of a program are. */
static void use(void *context, unsigned number)
{
    struct crowd *crowd = context;
    struct kept kept[KEEP] = {{0}};
    unsigned owner = number / 2;
    uint32_t dice = number + 1;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct kept *one = &kept[next(&dice) % KEEP];
        if (one->ref)
            let_go(crowd, one, owner);
        else
            take(crowd, one, owner, &dice);
        if (next(&dice) % 512 == 0) {
            give_back(crowd, owner, next(&dice) % 2);
            sched_yield();
        }
    }
    for (uint32_t i = 0; i < KEEP; i++)
        if (kept[i].ref)
            let_go(crowd, &kept[i], owner);
}

TEST(nobodys_bytes_are_anothers, ALL)
{
    struct crowd crowd = {.box = make_box(UNITS, UNITS)};
    uint64_t tag;
    run_threads(THREADS, use, &crowd);
    print_message("%u blocks were refused\n", crowd.refused);
    assert_int_equal(crowd.wrong, 0);
    assert_int_equal(pi_arena_next(&crowd.box->arena, 0, 0, &tag), 0);
    (void)pi_spans_close(&crowd.box->arena, 0, 0, UINT32_MAX);
    for (uint32_t unit = 0; unit < UNITS; unit++) {
        tag = unit_tag(crowd.box, unit);
        assert_true(tag == 0 || tag == pi_tag_free(0));
    }
    assert_int_equal(take_block(crowd.box, UNITS * PI_UNIT, 0), pi_block_ref_make(0, 0));
    free_box(crowd.box);
}

/* One gives, one takes: a freed block is always found. */
struct pair {
    struct box *box;
    _Atomic pi_block_ref passed[64];
    _Atomic bool over;
    _Atomic unsigned lost;
};

#define PASSES 200000u

static void pass(void *context, unsigned number)
{
    struct pair *pair = context;
    for (uint32_t i = 0; number == 0 && i < PASSES && pair->lost == 0; i++) {
        pi_block_ref ref = 0;
        /* Two blocks and one that holds: with both free or one, a take must not fail for good. */
        for (int tries = 0; ref == 0 && tries < 1000000; tries++) {
            ref = pi_span_take(&pair->box->arena, PI_CLASSES - 1, 0);
            if (ref == 0)
                sched_yield();
        }
        pair->lost += ref == 0;
        atomic_store(&pair->passed[i % 64], ref);
    }
    if (number == 0)
        atomic_store(&pair->over, true);
    for (bool over = false; number == 1 && !over;) {
        over = atomic_load(&pair->over);
        for (int i = 0; i < 64; i++) {
            pi_block_ref ref = atomic_exchange(&pair->passed[i], 0);
            if (ref)
                pair->lost += !pi_arena_free(&pair->box->arena, ref, pi_tag_held(0), 1);
        }
        sched_yield();
    }
}

TEST(what_is_freed_is_found, ALL)
{
    struct pair pair = {.box = make_box(1, 1)};
    assert_true(pi_arena_free(&pair.box->arena, take_block(pair.box, 32768, 0), pi_tag_held(0), 0));
    run_threads(2, pass, &pair);
    assert_int_equal(pair.lost, 0);
    assert_int_equal(pi_spans_close(&pair.box->arena, 0, 0, UINT32_MAX), 1);
    free_box(pair.box);
}
