/* shm_given_up.c - a process gives up address space that it does not use, and gets it again. */
#include "support/smaps.h"
#include "support/support.h"
#include "threads.h"

#include "os/shm.h"
#include "os/rss.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))
#define SIZE ((size_t)1 << 30)
#define USED ((size_t)1 << 20)

/* Its first bytes are open, and hold an x each; the rest is given up. */
static struct pi_os_shm make_memory(void)
{
    struct pi_os_shm memory;
    assert_int_equal(pi_os_shm_create(&memory, SIZE, true), 0);
    assert_int_equal(pi_os_shm_open(&memory, 0, USED, true), 0);
    assert_int_equal(pi_os_shm_back(&memory, 0, USED), 0);
    memset(memory.base, 'x', USED);
    assert_int_equal(pi_os_shm_give_up(&memory, USED, SIZE - USED), 0);
    return memory;
}

TEST(address_space_goes_and_comes, ALL)
{
    uint64_t before = pi_os_address_space();
    struct pi_os_shm memory = make_memory();
    assert_true(pi_os_address_space() < before + SIZE / 2);
    assert_int_equal(pi_os_shm_open(&memory, USED - 1, USED, true), 0);
    assert_true(pi_os_address_space() < before + SIZE / 2);
    assert_int_equal(pi_os_shm_back(&memory, USED, USED), 0);
    memset(memory.base + USED, 'y', USED);
    assert_int_equal(memory.base[USED - 1], 'x');
    assert_false(has_flag(memory.base + USED, "dd"));
    assert_int_equal(pi_os_shm_open(&memory, SIZE - PAGE, PAGE, false), 0);
    assert_true(pi_os_address_space() > before + SIZE / 2); /* all in front of it, too */
    assert_true(has_flag(memory.base + SIZE / 2, "dd"));
    assert_false(has_flag(memory.base + SIZE / 2, "rd"));
    pi_os_shm_destroy(&memory);
}

static int fill_what_was_given_up(void *context)
{
    struct pi_os_shm *memory = context;
    REQUIRE(pi_os_shm_open(memory, USED, USED, true) == 0);
    REQUIRE(pi_os_shm_back(memory, USED, USED) == 0);
    memset(memory->base + USED, 'y', USED);
    return 0;
}

TEST(it_is_the_same_memory, ALL)
{
    struct pi_os_shm memory = make_memory();
    assert_child(fill_what_was_given_up, &memory);
    assert_int_equal(pi_os_shm_open(&memory, USED, USED, true), 0);
    assert_int_equal(memory.base[USED], 'y');
    assert_int_equal(memory.base[2 * USED - 1], 'y');
    pi_os_shm_destroy(&memory);
}

TEST(only_whole_pages, ALL)
{
    struct pi_os_shm memory;
    assert_int_equal(pi_os_shm_create(&memory, SIZE, true), 0);
    assert_int_equal(pi_os_shm_open(&memory, 0, 2 * PAGE, true), 0);
    assert_int_equal(pi_os_shm_give_up(&memory, PAGE + 1, PAGE), 0);
    assert_true(has_flag(memory.base + PAGE, "rd"));
    assert_int_equal(pi_os_shm_give_up(&memory, PAGE + 1, PAGE + 8), 0);
    assert_true(has_flag(memory.base + 2 * PAGE, "sh"));
    assert_int_equal(memory.gaps, 0);
    pi_os_shm_destroy(&memory);
}

TEST(not_twice, ALL)
{
    struct pi_os_shm memory = make_memory();
    assert_int_equal(pi_os_shm_give_up(&memory, SIZE / 2, PAGE), EEXIST);
    assert_int_equal(pi_os_shm_open(&memory, USED, USED, true), 0);
    assert_int_equal(pi_os_shm_give_up(&memory, USED, 2 * USED), EEXIST);
    assert_int_equal(pi_os_shm_give_up(&memory, USED, USED), 0);
    assert_int_equal(pi_os_shm_open(&memory, 0, 3 * USED, true), 0);
    pi_os_shm_destroy(&memory);
}

TEST(so_many_ranges_and_no_more, ALL)
{
    struct pi_os_shm memory;
    assert_int_equal(pi_os_shm_create(&memory, SIZE, true), 0);
    for (size_t i = 0; i < PI_OS_MAX_GAPS; i++)
        assert_int_equal(pi_os_shm_give_up(&memory, (2 * i + 1) * USED, USED), 0);
    assert_int_equal(pi_os_shm_give_up(&memory, SIZE - USED, USED), ENOMEM);
    assert_int_equal(pi_os_shm_open(&memory, 0, SIZE, true), 0);
    assert_int_equal(memory.gaps, 0);
    pi_os_shm_destroy(&memory);
}

/* ---- what fails ---- */

TEST(private_memory_is_kept, ALL)
{
    struct pi_os_shm memory;
    assert_int_equal(pi_os_shm_create(&memory, SIZE, false), 0);
    assert_int_equal(pi_os_shm_give_up(&memory, USED, USED), ENOTSUP);
    pi_os_shm_destroy(&memory);
}

TEST(without_the_file, ALL)
{
    struct pi_os_shm memory = make_memory();
    assert_int_equal(close(memory.fd.number), 0);
    assert_int_equal(pi_os_shm_open(&memory, USED, PAGE, true), EBADF);
    assert_int_equal(pi_os_shm_open(&memory, 0, USED, true), 0);
    assert_int_equal(pi_os_shm_give_up(&memory, USED / 2, USED / 2), ENOTSUP);
    pi_os_shm_destroy(&memory);
}

/* The program's own memory is at that place now. Nothing here touches it. */
TEST(place_that_is_taken, ALL)
{
    struct pi_os_shm memory = make_memory();
    char *base = memory.base;
    char *taken = mmap(base + 2 * USED, USED, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1,
                       0); /* nothing of ours is there */
    assert_true(taken == base + 2 * USED);
    assert_int_equal(pi_os_shm_open(&memory, USED, 2 * USED, true), EEXIST);
    assert_int_equal(pi_os_shm_open(&memory, USED, USED, true), 0);
    assert_false(has_flag(taken, "wr"));
    assert_int_equal(mprotect(taken, USED, PROT_READ | PROT_WRITE), 0);
    memset(taken, 'p', USED);
    assert_true(pi_os_shm_discard(&memory, USED, SIZE - USED));
    pi_os_shm_clear(&memory);
    assert_int_equal(close(memory.fd.number), 0);
    assert_false(pi_os_shm_discard(&memory, USED, SIZE - USED));
    pi_os_shm_clear(&memory);
    pi_os_shm_destroy(&memory);
    assert_true(taken[0] == 'p' && taken[USED - 1] == 'p');
    assert_false(has_flag(base, "rd"));
    munmap(taken, USED);
}

#ifndef SANITIZED /* which reserve more than any limit */
static int under_a_limit(void *context)
{
    struct pi_os_shm *memory = context;
    uint64_t most = pi_os_address_space() + (16 << 20);
    const struct rlimit limit = {most, most};
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    REQUIRE(pi_os_shm_open(memory, 0, 64 << 20, true) == ENOMEM);
    REQUIRE(pi_os_shm_open(memory, USED, USED, true) == 0);
    REQUIRE(pi_os_shm_back(memory, USED, USED) == 0);
    memset(memory->base + USED, 'y', USED);
    REQUIRE(pi_os_shm_open(memory, 0, 64 << 20, true) == ENOMEM);
    return 0;
}

TEST(limit_of_address_space, ALL)
{
    struct pi_os_shm memory = make_memory();
    assert_child(under_a_limit, &memory);
    pi_os_shm_destroy(&memory);
}
#endif

/* ---- many at once ---- */

#ifndef POSSE_TEST_VALGRIND /* which puts the stacks of threads at the front of a gap */
enum { CROWD = 4, ROUNDS = 200 };

struct crowd {
    struct pi_os_shm memory;
    pthread_barrier_t round;
    _Atomic int failures;
};

static void open_with_others(void *context, unsigned number)
{
    struct crowd *crowd = context;
    struct pi_os_shm *memory = &crowd->memory;
    for (size_t i = 1; i <= ROUNDS; i++) {
        pthread_barrier_wait(&crowd->round);
        if (pi_os_shm_open(memory, i * USED, USED, true) != 0 ||
            pi_os_shm_back(memory, i * USED + number * PAGE, PAGE) != 0)
            atomic_fetch_add(&crowd->failures, 1);
        else
            memory->base[i * USED + number * PAGE] = 'y';
    }
}

TEST(many_open_the_same, ALL)
{
    static struct crowd crowd;
    crowd.memory = make_memory();
    assert_int_equal(pthread_barrier_init(&crowd.round, NULL, CROWD), 0);
    run_threads(CROWD, open_with_others, &crowd);
    assert_int_equal(atomic_load(&crowd.failures), 0);
    for (size_t i = 1; i <= ROUNDS; i++)
        assert_int_equal(crowd.memory.base[i * USED], 'y');
    pthread_barrier_destroy(&crowd.round);
    pi_os_shm_destroy(&crowd.memory);
}
#endif
