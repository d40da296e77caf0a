/* shm_reserved.c - memory is address space alone until a process opens a range of it: no touch
 * works, no core dump holds it, no commit limit counts it, and mlockall takes nothing for it. */
#include "support/smaps.h"
#include "support/support.h"

#include "os/shm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))
#define SIZE ((size_t)1 << 30)
#define OPEN ((size_t)1 << 20)
#define USER 54324

static const bool kinds[] = {true, false}; /* shared and private */

static struct pi_os_shm make_memory(bool shared)
{
    struct pi_os_shm memory;
    assert_int_equal(pi_os_shm_create(&memory, SIZE, shared), 0);
    return memory;
}

static void open_pages(struct pi_os_shm *memory, size_t first, size_t count, bool dump)
{
    assert_int_equal(pi_os_shm_open(memory, first * PAGE, count * PAGE, dump), 0);
}

/* ---- touches ---- */

static int read_byte(void *at) { return *(volatile char *)at; }

static int write_byte(void *at)
{
    *(volatile char *)at = 'x';
    return 0;
}

static bool faults(int (*touch)(void *), void *at)
{
#ifdef POSSE_TEST_VALGRIND /* which takes it for a mistake of the test */
    return touch != NULL && !has_flag(at, "rd");
#endif
    int status = wait_status(start_child(touch, at));
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

TEST(a_touch_of_what_is_reserved_faults, ALL)
{
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct pi_os_shm memory = make_memory(kinds[i]);
        assert_true(faults(read_byte, memory.base) && faults(write_byte, memory.base));
        assert_true(faults(read_byte, memory.base + SIZE - 1));
        open_pages(&memory, 2, 3, true);
        assert_true(faults(read_byte, memory.base + 2 * PAGE - 1));
        assert_true(faults(write_byte, memory.base + 5 * PAGE));
        pi_os_shm_destroy(&memory);
    }
}

TEST(what_is_open_is_zero_and_can_be_written, ALL)
{
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct pi_os_shm memory = make_memory(kinds[i]);
        open_pages(&memory, 2, 3, i % 2 == 0);
        assert_int_equal(pi_os_shm_back(&memory, 2 * PAGE, 3 * PAGE), 0);
        assert_int_equal(memory.base[3 * PAGE], 0);
        memset(memory.base + 2 * PAGE, 'x', 3 * PAGE);
        open_pages(&memory, 0, 4, true); /* a part of it again */
        assert_int_equal(memory.base[3 * PAGE], 'x');
        assert_int_equal(memory.base[5 * PAGE - 1], 'x');
        pi_os_shm_destroy(&memory);
    }
}

TEST(all_pages_of_any_bytes_are_open, ALL)
{
    struct pi_os_shm memory = make_memory(true);
    assert_int_equal(pi_os_shm_open(&memory, 5 * PAGE - 1, 2, true), 0);
    assert_int_equal(pi_os_shm_back(&memory, 5 * PAGE - 1, 2), 0);
    memset(memory.base + 4 * PAGE, 'x', 2 * PAGE);
    assert_int_equal(pi_os_shm_open(&memory, SIZE - 1, 1, true), 0);
    pi_os_shm_destroy(&memory);
}

static int read_what_parent_wrote(void *context)
{
    struct pi_os_shm *memory = context;
    REQUIRE(!has_flag(memory->base, "rd")); /* the parent opens it after the fork */
    REQUIRE(pi_os_shm_open(memory, 0, PAGE, true) == 0);
    for (long end = now_ms() + PATIENCE_MS; memory->base[0] != 'x'; pause_ms(1))
        REQUIRE(now_ms() < end);
    return 0;
}

TEST(each_process_opens_for_itself, ALL)
{
    struct pi_os_shm memory = make_memory(true);
    pid_t child = start_child(read_what_parent_wrote, &memory);
    open_pages(&memory, 0, 1, true);
    assert_int_equal(pi_os_shm_back(&memory, 0, PAGE), 0);
    *(volatile char *)memory.base = 'x';
    assert_int_equal(wait_status(child), 0);
    pi_os_shm_destroy(&memory);
}

/* ---- what the kernel knows of it ---- */

TEST(no_core_dump_holds_what_is_reserved, ALL)
{
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct pi_os_shm memory = make_memory(kinds[i]);
        assert_true(has_flag(memory.base, "dd"));
        open_pages(&memory, 0, 2, false);
        open_pages(&memory, 4, 2, true);
        assert_true(has_flag(memory.base, "rd") && has_flag(memory.base, "dd"));
        assert_true(has_flag(memory.base + 4 * PAGE, "rd"));
        assert_false(has_flag(memory.base + 4 * PAGE, "dd"));
        assert_true(has_flag(memory.base + 6 * PAGE, "dd"));
        assert_false(has_flag(memory.base + 6 * PAGE, "rd"));
        open_pages(&memory, 0, 1, true);
        assert_false(has_flag(memory.base, "dd"));
        pi_os_shm_destroy(&memory);
    }
}

/* 0: by guess, 1: never refuses, 2: counts. */
static int overcommit(void)
{
    int mode = 0;
    FILE *file = fopen("/proc/sys/vm/overcommit_memory", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &mode), 1);
    fclose(file);
    return mode;
}

TEST(no_commit_limit_counts_what_is_reserved, ALL)
{
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct pi_os_shm memory = make_memory(kinds[i]);
        open_pages(&memory, 0, 2, true);
        bool counts = !memory.shared && overcommit() == 2;
        assert_int_equal(has_flag(memory.base, "ac"), counts);
        assert_false(has_flag(memory.base + 2 * PAGE, "ac"));
        assert_true(!memory.shared || memory.fd.number >= 0); /* else the object itself counts */
        pi_os_shm_destroy(&memory);
    }
}

/* ---- memory that stays ---- */

#ifndef SANITIZED /* whose own memory is more than can be locked */
static size_t resident(void)
{
    char line[256];
    unsigned long kib = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        (void)sscanf(line, "VmRSS: %lu", &kib);
    if (status != NULL)
        fclose(status);
    return (size_t)kib << 10;
}

static int use_locked(struct pi_os_shm *memory)
{
    struct stat status = {.st_blocks = 0};
    REQUIRE(pi_os_shm_open(memory, 0, OPEN, true) == 0);
    REQUIRE(pi_os_shm_back(memory, 0, OPEN) == 0);
    REQUIRE(has_flag(memory->base, "lo"));
    memset(memory->base, 'x', OPEN);
    REQUIRE(memory->fd.number < 0 || fstat(memory->fd.number, &status) == 0);
    REQUIRE((size_t)status.st_blocks * 512 <= 2 * OPEN);
    REQUIRE(pi_os_shm_discard(memory, PAGE, OPEN - PAGE));
    REQUIRE(memory->base[0] == 'x' && memory->base[PAGE] == 0 && memory->base[OPEN - 1] == 0);
    return 0;
}

enum { NOT_PERMITTED = 77 };

static int lock_before(void *shared)
{
    struct pi_os_shm memory;
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        return NOT_PERMITTED;
    size_t before = resident();
    REQUIRE(pi_os_shm_create(&memory, SIZE, *(const bool *)shared) == 0);
    REQUIRE(use_locked(&memory) == 0);
    REQUIRE(resident() < before + SIZE / 2);
    return 0;
}

static int lock_after(void *shared)
{
    struct pi_os_shm memory;
    REQUIRE(pi_os_shm_create(&memory, SIZE, *(const bool *)shared) == 0);
    REQUIRE(pi_os_shm_open(&memory, 0, OPEN / 2, true) == 0);
    size_t before = resident();
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        return NOT_PERMITTED;
    REQUIRE(use_locked(&memory) == 0);
    REQUIRE(resident() < before + SIZE / 2);
    return 0;
}

static void assert_permitted(int (*body)(void *))
{
    for (size_t i = 0; i < COUNT(kinds); i++) {
        int status = wait_status(start_child(body, (void *)(uintptr_t)&kinds[i]));
        if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_PERMITTED)
            skip();
        assert_int_equal(status, 0);
    }
}

TEST(all_is_locked_before, ALL) { assert_permitted(lock_before); }

TEST(all_is_locked_after, ALL) { assert_permitted(lock_after); }

/* Address space counts against this limit of an ordinary user. */
static int little_may_be_locked(void *context)
{
    struct pi_os_shm memory;
    const struct rlimit limit = {8 << 20, 8 << 20};
    REQUIRE(geteuid() != 0 || setuid(USER) == 0);
    REQUIRE(setrlimit(RLIMIT_MEMLOCK, &limit) == 0 && mlockall(MCL_FUTURE) == 0);
    int descriptors = count_descriptors();
    for (size_t i = 0; i < COUNT(kinds); i++) {
        REQUIRE(pi_os_shm_create(&memory, SIZE, kinds[i]) == EAGAIN);
        REQUIRE(memory.base == NULL && count_descriptors() == descriptors);
        REQUIRE(pi_os_shm_create(&memory, OPEN, kinds[i]) == 0);
        REQUIRE(use_locked(&memory) == 0);
        pi_os_shm_destroy(&memory);
    }
    return 0;
}

TEST(little_is_locked, ALL) { assert_child(little_may_be_locked, NULL); }
#endif

/* ---- giving back ---- */

static size_t backed_bytes(const struct pi_os_shm *memory)
{
    struct stat status;
    assert_int_equal(fstat(memory->fd.number, &status), 0);
    return (size_t)status.st_blocks * 512;
}

static int open_and_fill(void *context)
{
    struct pi_os_shm *memory = context;
    REQUIRE(pi_os_shm_open(memory, 0, OPEN, true) == 0);
    REQUIRE(pi_os_shm_back(memory, 0, OPEN) == 0);
    memset(memory->base, 'x', OPEN);
    return 0;
}

/* Another process has opened it. */
TEST(what_is_not_open_here_is_discarded, ALL)
{
    struct pi_os_shm memory = make_memory(true);
    assert_child(open_and_fill, &memory);
    assert_true(backed_bytes(&memory) >= OPEN);
    assert_true(pi_os_shm_discard(&memory, PAGE, OPEN - PAGE));
    assert_in_range(backed_bytes(&memory), PAGE, OPEN / 2);
    open_pages(&memory, 0, 2, true);
    assert_int_equal(memory.base[PAGE - 1], 'x');
    assert_int_equal(memory.base[PAGE], 0);
    pi_os_shm_destroy(&memory);
}

/* What the child can still read of it, open or not, when the parent has cleared it. */
static void assert_cleared(struct pi_os_shm *memory)
{
    struct pi_os_shm other = *memory;
    assert_child(open_and_fill, memory);
    pi_os_shm_clear(memory);
    assert_int_equal(pi_os_shm_open(&other, 0, OPEN, true), 0);
    assert_int_equal(other.base[0], 0);
    assert_int_equal(other.base[OPEN - 1], 0);
}

TEST(clears_what_is_reserved, ALL)
{
    struct pi_os_shm memory = make_memory(true);
    pi_os_shm_clear(&memory);
    assert_int_equal(backed_bytes(&memory), 0);
    open_pages(&memory, 4, 2, true);
    assert_cleared(&memory);
    pi_os_shm_destroy(&memory);
}

TEST(clears_without_the_file, ALL)
{
    struct pi_os_shm memory = make_memory(true);
    assert_int_equal(close(memory.fd.number), 0);
    open_pages(&memory, 4, 2, true);
    assert_cleared(&memory);
    pi_os_shm_destroy(&memory);
}
