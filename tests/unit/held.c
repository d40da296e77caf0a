/* held.c - the table of descriptors that are held: adding, taking, sweeping, its limit. */
#include "table.h"

#include "base/tuning.h"
#include "pool/held.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SLOTS 64u

static struct pi_holder make_holder(void)
{
    struct pi_holder holder;
    pi_holder_init(&holder);
    return holder;
}

static struct pi_os_fds one(void)
{
    struct pi_os_fds fds = {.n = 1, .at = {dup(STDERR_FILENO)}};
    assert_true(fds.at[0] >= 0);
    return fds;
}

static bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST(what_is_added_is_taken_once, ALL)
{
    struct pi_holder holder = make_holder();
    struct pi_life life = {5, 7}, later = {5, 8}, neighbour = {5 + 1024, 7};
    struct pi_os_fds fds = one(), other = one(), got;
    assert_int_equal(pi_held_take(&holder, &life, &got), ENOENT);
    assert_int_equal(pi_held_add(&holder, &life, &fds), 0);
    assert_int_equal(pi_held_add(&holder, &neighbour, &other), 0);
    assert_int_equal(pi_held_add(&holder, &life, &fds), EEXIST);
    assert_int_equal(pi_held_take(&holder, &later, &got), ENOENT);
    assert_int_equal(pi_held_copy(&holder, &life, &got), 0);
    assert_true(got.n == 1 && got.at[0] != fds.at[0]);
    pi_os_fds_close(&got);
    assert_int_equal(pi_held_take(&holder, &life, &got), 0);
    assert_true(got.n == 1 && got.at[0] == fds.at[0]);
    assert_int_equal(pi_held_take(&holder, &life, &got), ENOENT);
    assert_true(is_open(fds.at[0]) && is_open(other.at[0]));
    pi_os_fds_close(&fds);
    pi_held_drop(&holder, &neighbour);
    assert_false(is_open(other.at[0]));
    pi_held_drop(&holder, &neighbour);
    pi_holder_fini(&holder);
}

TEST(the_last_one_closes_all, ALL)
{
    struct pi_holder holder = make_holder();
    struct pi_os_fds fds[4];
    for (uint32_t i = 0; i < COUNT(fds); i++) {
        fds[i] = one();
        assert_int_equal(pi_held_add(&holder, &(struct pi_life){i, 1}, &fds[i]), 0);
    }
    pi_holder_fini(&holder);
    for (uint32_t i = 0; i < COUNT(fds); i++)
        assert_false(is_open(fds[i].at[0]));
}

TEST(the_table_has_a_limit, ALL)
{
    struct pi_holder holder = make_holder();
    const struct pi_os_fds closed = {.n = 1, .at = {-1}};
    struct pi_os_fds got;
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < PI_MAX_HELD; i++)
            assert_int_equal(pi_held_add(&holder, &(struct pi_life){i, 1}, &closed), 0);
        assert_int_equal(pi_held_add(&holder, &(struct pi_life){0, 2}, &closed), EMFILE);
        for (uint32_t i = PI_MAX_HELD; i-- > 0;)
            assert_int_equal(pi_held_take(&holder, &(struct pi_life){i, 1}, &got), 0);
    }
    pi_holder_fini(&holder);
}

/* Of each state, one of this life and one of the life before. */
TEST(a_sweep_closes_what_is_over, ALL)
{
    struct pi_holder holder = make_holder();
    struct table *table = make_table(SLOTS, SLOTS);
    struct pi_os_fds now[PI_STATES], before[PI_STATES];
    for (uint32_t state = 0; state < PI_STATES; state++) {
        now[state] = one();
        before[state] = one();
        uint64_t word = (uint64_t)3 << PI_GENERATION_SHIFT | state;
        pi_store_seq(&table->slots.at[state].word, word);
        assert_int_equal(pi_held_add(&holder, &(struct pi_life){state, 3}, &now[state]), 0);
        assert_int_equal(pi_held_add(&holder, &(struct pi_life){state, 2}, &before[state]), 0);
    }
    struct pi_os_fds beyond = one();
    assert_int_equal(pi_held_add(&holder, &(struct pi_life){UINT32_MAX, 3}, &beyond), 0);
    pi_held_sweep(&holder, &table->slots);
    assert_false(is_open(beyond.at[0]));
    for (uint32_t state = 0; state < PI_STATES; state++) {
        assert_false(is_open(before[state].at[0]));
        assert_int_equal(is_open(now[state].at[0]), state >= PI_FILLING && state <= PI_KILLING);
    }
    pi_holder_fini(&holder);
    free_table(table);
}
